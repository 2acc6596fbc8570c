"""Points of which the ledger does not know, for their backups died before they told it, while a key is rotated."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import (
    IntegrityError,
    UnavailableError,
)
from holdfast.repository.format import names
from holdfast.repository.object_store import ORDINARY
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import close_ended, end_session, open_session, record_commit, retire
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.upkeep.collection.roots import read_roots
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import FIRST_MOMENT, SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.small_repository import put, restored
from tests.faults.world import FIRST, SECOND, back_up, collect
from tests.unit.repository.upkeep.rotating import (
    Answering,
    Dying,
    Meanwhile,
    open_,
    small_with_a_point,
    torn,
    unseen,
)


@pytest.fixture
def small():
    return small_with_a_point()


class Unrecorded(PassingStore):
    """Its user dies before it tells the ledger of a point that it has made."""

    made = False

    def create(self, key, body, sha256, terms=ORDINARY):
        if self.made and key.startswith(names.LEDGER):
            raise SimulatedCrash
        super().create(key, body, sha256, terms)
        self.made = self.made or key.startswith(names.POINTS)


def died_before_its_record(small, party=None):
    """A backup whose point stands, and of which the ledger does not know."""

    def backed_up(store):
        back_up(small.open(deterministic_surroundings(60), store), "other", SECOND, "s2")

    if party is None:
        living = FaultyStore(small.copied().store, {})
        backed_up(living)
        record = [one for one in living.requests if one.kind == "create"][-1]
        assert record.key.startswith(names.LEDGER)
        with pytest.raises(SimulatedCrash):
            backed_up(FaultyStore(small.store, {record.number: Fault.CRASH_BEFORE}))
    else:
        with pytest.raises(SimulatedCrash):
            back_up(party, "other", SECOND, "s2")
    [died] = open_(small, 61).ledger.state.open
    assert any(died.hex() in info.key for info in small.store.list(names.POINTS))
    return died


def key_of(small, session):
    [key] = [info.key for info in small.store.list(names.POINTS) if session.hex() in info.key]
    return key


def died_behind_a_rotation_that_died(small):
    """The epoch stands and nobody has written under it; a party that was open before goes on, and dies."""
    running = small.open(deterministic_surroundings(40), Unrecorded(small.store))
    with pytest.raises(SimulatedCrash):
        rotate(small.open(deterministic_surroundings(51), Dying(small.store, before=False)), small.secret)
    return died_before_its_record(small, running)


def is_a_point_for_good(small, died):
    """Also after collections a day later, which end what gives no sign of life."""
    later = SteppableClock(FIRST_MOMENT + timedelta(days=400))
    for seed in (62, 64):
        collect(small.open(deterministic_surroundings(seed, later)))
    after = open_(small, 63)
    contents = {point.session: restored(after, point) for point in list_points(after)}
    assert contents[died] == SECOND.content
    assert died in after.ledger.state.live


def test_a_point_whose_commit_died_before_its_record_is_one_after_a_rotation(small):
    """It stands by its name alone, which under an older key counts for no session that is open."""
    died = died_before_its_record(small)
    before = open_(small, 61)
    assert died in {point.session for point in list_points(before)}
    rotate(before, small.secret)
    is_a_point_for_good(small, died)


@pytest.mark.parametrize(("prefix", "times"), [(names.POINTS, 1), (names.ledger(2), 2)])
def test_a_rotation_that_cannot_see_what_a_session_has_made_begins_nothing(small, prefix, times):
    """A batch of the ledger is asked for twice."""
    died = died_before_its_record(small)
    store = Answering(small.store, prefix, torn, times)
    with pytest.raises(IntegrityError):
        rotate(small.open(deterministic_surroundings(70), store), small.secret)
    assert store.wrong
    assert open_(small, 71).master.kid == 1
    rotate(open_(small, 72), small.secret)
    is_a_point_for_good(small, died)


def test_a_point_that_one_answer_hides_from_a_rotation_is_one(small):
    died = died_before_its_record(small)
    rotate(small.open(deterministic_surroundings(70), Answering(small.store, names.POINTS, unseen)), small.secret)
    is_a_point_for_good(small, died)


def test_while_nobody_has_written_under_a_new_epoch_points_of_the_one_before_count(small):
    """The rotation died when its epoch stood; days later a party that knows nothing of it dies before its record."""
    died = died_behind_a_rotation_that_died(small)
    assert died in {point.session for point in list_points(open_(small, 52))}
    back_up(open_(small, 53), "further", FIRST, "s9")  # the first batch under the new epoch
    is_a_point_for_good(small, died)


def test_nobody_ends_a_session_that_has_become_a_point_meanwhile(small):
    """A collector has seen an open session without a point and is about to say that it ended; then its commit comes."""

    died = died_before_its_record(small)
    key = key_of(small, died)
    store = Meanwhile(small.store, lambda: record_commit(open_(small, 65), key))
    close_ended(small.open(deterministic_surroundings(66), store), died, key)
    assert not store.left
    is_a_point_for_good(small, died)


def test_a_name_that_is_taken_and_not_shown_is_no_tombstone(small):
    died = died_before_its_record(small)
    key = key_of(small, died)
    for _time in range(2):
        repository = small.open(deterministic_surroundings(67), Answering(small.store, key, unseen))
        with pytest.raises(UnavailableError, match="cannot be read"):
            end_session(repository, died, key)
    is_a_point_for_good(small, died)


def test_a_point_that_one_answer_hides_from_who_writes_first_under_an_epoch_is_one(small):
    """No rotation has told the ledger of it: it was made when that one had died."""
    died = died_behind_a_rotation_that_died(small)
    store = Answering(small.store, key_of(small, died), unseen)
    back_up(small.open(deterministic_surroundings(53), store), "further", FIRST, "s9")
    assert store.wrong
    is_a_point_for_good(small, died)


def test_a_point_that_one_answer_hides_from_a_collection_is_a_root(small):
    died = died_before_its_record(small)
    store = Answering(small.store, key_of(small, died), unseen)
    roots = read_roots(small.open(deterministic_surroundings(68), store), {})
    assert store.wrong
    assert died in {point.session for point in roots.points}
    for _time in range(3):
        store = Answering(store, key_of(small, died), unseen)
    with pytest.raises(UnavailableError, match="cannot be read"):
        read_roots(small.open(deterministic_surroundings(69), store), {})


def test_what_nobody_can_read_under_an_open_session_s_name_stops_writers_until_it_is_removed(small):
    """It may be a point, and the first batch under the epoch has to say so. The error says what to do."""
    writer = open_session(open_(small, 40), DEFAULT_TENANT, "other")
    with pytest.raises(SimulatedCrash):
        rotate(small.open(deterministic_surroundings(51), Dying(small.store, before=False)), small.secret)
    put(small.store, writer.point_key, b"torn by somebody else's tool" * 9)
    for attempt in (
        lambda: back_up(open_(small, 60), "further", FIRST, "s"),
        lambda: end_session(open_(small, 61), writer.session, writer.point_key),
        lambda: collect(open_(small, 62)),
        lambda: rotate(open_(small, 63), small.secret),
    ):
        with pytest.raises(IntegrityError) as caught:
            attempt()
        assert caught.value.objects == (writer.point_key,)
        assert "remove that one object" in caught.value.cure
    assert [restored(open_(small, 64), point) for point in list_points(open_(small, 64))] == [FIRST.content]
    small.store.delete(writer.point_key)
    end_session(open_(small, 65), writer.session, writer.point_key)
    back_up(open_(small, 66), "further", FIRST, "s")
    collect(open_(small, 67))
    assert open_(small, 68).ledger.state.open == {}


def test_what_was_deleted_stays_so_though_its_record_and_the_rotation_died(small):
    """A retirement under a past key counts for no point that the ledger counts still: so it is told first."""
    repository = small.open(deterministic_surroundings(70), Dying(small.store, names.LEDGER, before=True))
    [point] = list_points(repository)
    with pytest.raises(SimulatedCrash):
        retire(repository, point.session, point.key)
    assert list_points(open_(small, 71)) == []
    with pytest.raises(SimulatedCrash):
        rotate(small.open(deterministic_surroundings(72), Dying(small.store, before=False)), small.secret)
    assert open_(small, 73).master.kid == 2
    assert list_points(open_(small, 73)) == []
    back_up(open_(small, 74), "other", SECOND, "s2")
    assert [restored(open_(small, 75), one) for one in list_points(open_(small, 75))] == [SECOND.content]
