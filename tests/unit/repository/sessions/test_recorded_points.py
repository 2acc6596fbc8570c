"""Who tells others of a point has told the ledger of it first: until then it may come to count no more."""

import pytest

from holdfast.domain.errors import ConflictError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import close_ended, read_point, recorded_point
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import SimulatedCrash
from holdfast.testing.small_repository import make_small_repository, restored
from tests.faults.world import DISK, FIRST, back_up
from tests.unit.repository.upkeep.rotating import Dying


class Earlier(PassingStore):
    """Shows what stood before that point did."""

    def __init__(self, inner, key):
        super().__init__(inner)
        self._key = key

    def get(self, key, offset=0, length=None, version=None):
        if key == self._key:
            raise ObjectNotFoundError(key)
        return super().get(key, offset, length, version)

    def head(self, key, version=None):
        if key == self._key:
            raise ObjectNotFoundError(key)
        return super().head(key, version)


class Between(PassingStore):
    """Something happens when the point has been read."""

    def __init__(self, inner, key, happens):
        super().__init__(inner)
        self._key, self.happens = key, [happens]

    def get(self, key, offset=0, length=None, version=None):
        data = super().get(key, offset, length, version)
        if key == self._key and self.happens:
            self.happens.pop()()
        return data


@pytest.fixture
def small():
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    with pytest.raises(SimulatedCrash):
        back_up(
            small.open(deterministic_surroundings(2), Dying(small.store, names.POINTS, before=False)), DISK, FIRST, "s1"
        )
    return small


def key_of(small):
    [key] = [info.key for info in small.store.list(names.POINTS)]
    return key


def rotated_by_who_looked_before(small):
    rotate(small.open(deterministic_surroundings(3), Earlier(small.store, key_of(small))), small.secret)


def test_who_adds_the_first_batch_under_a_key_epoch_ends_no_session_whose_point_it_tells_of(small):
    """The rotation has seen no point, and died before it wrote that batch."""
    key = key_of(small)
    with pytest.raises(SimulatedCrash):
        rotate(small.open(deterministic_surroundings(3), Dying(Earlier(small.store, key), before=False)), small.secret)
    session = names.session_of_point(key)
    repository = small.open(deterministic_surroundings(4))
    assert session in repository.ledger.state.open
    close_ended(repository, session, key)
    after = small.open(deterministic_surroundings(5))
    assert (after.master.kid, list(after.ledger.state.live), after.ledger.damage) == (2, [session], [])
    [point] = list_points(after)
    assert restored(after, point) == FIRST.content


def test_the_ledger_is_told_though_a_key_epoch_begins_meanwhile(small):
    key = key_of(small)
    store = Between(small.store, key, lambda: rotated_by_who_looked_before(small))
    manifest = recorded_point(small.open(deterministic_surroundings(4), store), key)
    assert not store.happens
    after = small.open(deterministic_surroundings(5))
    assert after.master.kid == 2
    assert names.session_of_point(key) in after.ledger.state.live
    assert manifest is not None
    assert read_point(after, key) == manifest == recorded_point(after, key)


def test_a_session_that_was_ended_meanwhile_has_no_point(small):
    key = key_of(small)

    def ended():
        rotated_by_who_looked_before(small)
        close_ended(small.open(deterministic_surroundings(6)), names.session_of_point(key), key)

    store = Between(small.store, key, ended)
    with pytest.raises(ConflictError, match="has no restore point any more") as told:
        recorded_point(small.open(deterministic_surroundings(4), store), key)
    assert (told.value.why, told.value.cure) == ("it was ended, or its point was deleted", "run the backup again")
    assert not store.happens
