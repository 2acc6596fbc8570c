"""A session that somebody has ended makes no point, wherever its end was written down."""

import pytest

from holdfast.domain.errors import ConflictError
from holdfast.repository.format import names
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import end_session
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository
from tests.faults.world import DISK, FIRST, back_up


class EndedFirst(PassingStore):
    """Somebody ends the session whose point is about to be put."""

    def __init__(self, small, *, keeps_tombstone):
        super().__init__(small.store)
        self._small, self._keeps_tombstone = small, keeps_tombstone

    def create(self, key, body, sha256, *terms):
        if key.startswith(names.POINTS):
            end_session(self._small.open(deterministic_surroundings(9)), names.session_of_point(key), key)
            if not self._keeps_tombstone:
                self._small.store.delete(key)
        super().create(key, body, sha256, *terms)


@pytest.fixture
def small():
    return make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)


@pytest.mark.parametrize(
    ("keeps_tombstone", "why"),
    [
        (True, "its name bears a tombstone: it gave no sign of life for a day, or was given up"),
        (False, "the ledger counts it as open no more: it gave no sign of life for a day, or was given up"),
    ],
    ids=["under its name", "in the ledger alone"],
)
def test_a_session_that_was_ended_makes_no_point(small, keeps_tombstone, why):
    store = EndedFirst(small, keeps_tombstone=keeps_tombstone)
    with pytest.raises(ConflictError, match="was ended by somebody else") as told:
        back_up(small.open(deterministic_surroundings(2), store), DISK, FIRST, "s1")
    assert (told.value.why, told.value.cure) == (why, "run the backup again")
    after = small.open(deterministic_surroundings(3))
    assert list_points(after) == []
    assert after.ledger.state.live == {}
