"""Restore points that stand while the ledger does not know them: its end has gone, and nobody remembers it."""

import pytest

from holdfast.domain.errors import HoldfastError, IntegrityError, PermissionDeniedError
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.recording import Recorded, record_points
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.opening.unknown_points import TOMBSTONE_BYTES
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import end_session, open_session, retire
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, SimulatedCrash
from holdfast.testing.small_repository import put, restored
from tests.faults.world import FIRST, SECOND, back_up, collect, publish_plan, volume_of
from tests.unit.repository.upkeep.rotating import (
    Answering,
    Dying,
    Meanwhile,
    open_,
    small_with_a_point,
    torn,
    unseen,
)


def without_its_end(small, act):
    """What the ledger was told by `act` is forgotten by everybody."""
    before = open_(small, 40).ledger.state.sequence
    act()
    last = open_(small, 42).ledger.state.sequence
    assert last > before
    for number in range(before + 1, last + 1):
        small.store.delete(names.ledger(number))
    for info in list(small.store.list(names.CHECKPOINTS)):
        if int(info.key.rpartition("/")[2]) > before:
            small.store.delete(info.key)


@pytest.fixture
def small():
    """A point that the ledger knows, and one that it does not."""
    small = small_with_a_point()
    without_its_end(small, lambda: back_up(open_(small, 41), "other", SECOND, "s2"))
    return small


def contents(small, seed=90):
    repository = open_(small, seed)
    return sorted(restored(repository, point) for point in list_points(repository))


UNPIN = {"type": "unpin", "session": bytes(16)}
BOTH = sorted([FIRST.content, SECOND.content])


def keys(store):
    return {info.key for info in store.list("")}


def unknown_key(small):
    [(key, _found)] = open_(small, 91).ledger.unknown_points()
    return key


@pytest.mark.parametrize("with_plan", [False, True])
def test_a_collection_stops_and_changes_nothing(with_plan):
    """Nor does it write where something is to be brought back to."""
    small = small_with_a_point()
    if with_plan:
        publish_plan(open_(small, 39), [])
    without_its_end(small, lambda: back_up(open_(small, 41), "other", SECOND, "s2"))
    before = keys(small.store)
    with pytest.raises(IntegrityError, match="does not know the restore point") as caught:
        collect(open_(small, 50))
    [point] = caught.value.objects
    assert point.startswith(names.POINTS)
    assert keys(small.store) == before


def test_a_repair_tells_the_ledger_and_all_is_as_before(small):
    assert contents(small) == [FIRST.content]
    [damage] = check_repository(open_(small, 50), None, Silence()).damage
    assert "repair --ledger-only` tells it" in damage.why
    told = repair(open_(small, 51), none, Silence()).points
    assert len(told) == 1
    assert repair(open_(small, 52), none, Silence()).points == ()
    collect(open_(small, 53))
    assert contents(small) == BOTH
    assert check_repository(open_(small, 54), 100, Silence()).damage == ()


def test_a_rehearsal_names_the_point_and_writes_nothing(small):
    before = keys(small.store)
    report = repair(open_(small, 51), none, Silence(), rehearsal=True)
    assert len(report.points) == 1
    assert report.others == ()
    assert keys(small.store) == before


def test_it_is_told_once(small):
    first, second = open_(small, 51), open_(small, 52)
    record_points(first, Silence())
    sequence = first.ledger.state.sequence
    assert record_points(second, Silence()) == Recorded((), {})
    assert second.ledger.state.sequence == sequence


def test_what_is_deleted_between_the_look_and_the_record_stays_deleted(small):
    def told_and_deleted():
        record_points(open_(small, 61), Silence())
        repository = open_(small, 62)
        point = next(one for one in list_points(repository) if one.workload == "other")
        retire(repository, point.session, point.key)

    store = Meanwhile(small.store, told_and_deleted)
    record_points(small.open(deterministic_surroundings(60), store), Silence())
    assert contents(small) == [FIRST.content]
    collect(open_(small, 63))


def test_nothing_is_said_where_the_plan_of_the_point_is_missing_too():
    """Behind such a record nobody could write any more."""
    small = small_with_a_point()
    first = list_points(open_(small, 39))[0].session
    publish_plan(open_(small, 39), [first])
    without_its_end(small, lambda: back_up(open_(small, 41), "other", SECOND, "s2"))
    small.store.delete(names.plan(1))
    before = keys(small.store)
    for rehearsal in (True, False):
        with pytest.raises(IntegrityError, match=names.plan(1)):
            record_points(open_(small, 50), Silence(), rehearsal=rehearsal)
    with pytest.raises(IntegrityError, match="does not know"):
        rotate(open_(small, 51), small.secret)
    assert keys(small.store) == before
    back_up(open_(small, 52), "third", FIRST, "s3")


def test_a_retirement_that_is_lost_stops_it_too_until_the_point_is_deleted_again(small):
    record_points(open_(small, 51), Silence())
    repository = open_(small, 52)
    point = next(one for one in list_points(repository) if one.workload == "other")
    retire(repository, point.session, point.key)
    collect(open_(small, 53))
    small.store.delete(names.retired(point.session))
    with pytest.raises(IntegrityError, match="does not know") as caught:
        collect(open_(small, 54))
    assert names.retired(point.session) in caught.value.why
    record_points(open_(small, 55), Silence())
    repository = open_(small, 56)
    retire(repository, point.session, point.key)
    collect(open_(small, 57))
    assert contents(small) == [FIRST.content]


def test_no_rotation_begins_beside_it(small):
    before = keys(small.store)
    with pytest.raises(IntegrityError, match="does not know"):
        rotate(open_(small, 60), small.secret)
    assert keys(small.store) == before
    record_points(open_(small, 61), Silence())
    rotate(open_(small, 62), small.secret)
    collect(open_(small, 63))
    assert contents(small) == BOTH


@pytest.fixture
def turned():
    """The epoch has begun, and what the ledger was told under it is lost as well."""
    small = small_with_a_point()

    def with_a_rotation():
        back_up(open_(small, 41), "other", SECOND, "s2")
        rotate(open_(small, 43), small.secret)

    without_its_end(small, with_a_rotation)
    return small


def test_nobody_is_the_first_under_an_epoch_beside_it_but_who_tells_it(turned):
    before = keys(turned.store)
    for act in (collect, lambda repository: back_up(repository, "third", volume_of(7), "s3")):
        with pytest.raises(IntegrityError, match="does not know"):
            act(open_(turned, 50))
    assert keys(turned.store) == before
    record_points(open_(turned, 51), Silence())
    back_up(open_(turned, 52), "third", volume_of(7), "s3")
    collect(open_(turned, 53))
    assert contents(turned) == sorted([*BOTH, volume_of(7).content])


def test_nor_who_tells_it_where_another_cannot_be_read(turned):
    other = unknown_key(turned).rpartition("/")[0] + "/" + "ef" * 16
    put(turned.store, other, bytes(1000))
    before = keys(turned.store)
    with pytest.raises(IntegrityError, match=other):
        record_points(open_(turned, 51), Silence())
    assert keys(turned.store) == before


def test_whoever_is_first_lists_once_however_often_others_are_quicker():
    small = small_with_a_point()
    past = open_(small, 40)
    with pytest.raises(SimulatedCrash):
        rotate(small.open(deterministic_surroundings(41), Dying(small.store, before=False)), small.secret)
    store = FaultyStore(Meanwhile(small.store, lambda: past.ledger.append(UNPIN), times=4), {})
    ledger = small.open(deterministic_surroundings(42), store).ledger
    before = len(store.requests)
    ledger.append(UNPIN)
    assert ledger.state.sequence == past.ledger.state.sequence + 1
    lists = [one for one in store.requests[before:] if (one.kind, one.key) == ("list", names.POINTS)]
    assert len(lists) == 1


def test_who_has_a_past_key_stops_nobody():
    small = small_with_a_point()
    past = open_(small, 60)
    manifest = past.sealed.read(list_points(past)[0].key, Kind.MANIFEST)[1]
    rotate(open_(small, 61), small.secret)
    point = list_points(open_(small, 62))[0]
    forged = point.key.rpartition("/")[0] + "/" + "ab" * 16
    past.sealed.write(Kind.MANIFEST, forged, manifest.replace(point.session, bytes.fromhex("ab" * 16)))
    assert list(open_(small, 63).ledger.unknown_points()) == []
    collect(open_(small, 64))


def refused(key, _data):
    raise PermissionDeniedError(f"{key} is not to be read", why="it is another's", cure="ask them")


@pytest.mark.parametrize("answer", [torn, unseen, refused])
@pytest.mark.parametrize("times", [1, 1000])
def test_what_cannot_be_seen_may_be_one(small, answer, times):
    before = keys(small.store)
    key = unknown_key(small)
    store = Answering(small.store, key, answer, times)
    with pytest.raises(HoldfastError) as caught:
        collect(small.open(deterministic_surroundings(50), store))
    assert key in str(caught.value)
    assert keys(small.store) == before


@pytest.mark.parametrize("size_bytes", [0, TOMBSTONE_BYTES - 1, 500])
def test_what_was_cut_short_may_be_one(small, size_bytes):
    key = unknown_key(small)
    put(small.store, key, bytes(small.store.get(key))[:size_bytes])
    before = keys(small.store)
    with pytest.raises(IntegrityError) as caught:
        collect(open_(small, 50))
    assert caught.value.objects == (key,)
    assert keys(small.store) == before
    assert set(record_points(open_(small, 51), Silence()).unreadable) == {key}


def test_sessions_that_ended_without_a_point_cost_no_request():
    small = small_with_a_point()
    repository = open_(small, 40)
    for number in range(3):
        session = open_session(repository, "default", f"failed {number}")
        end_session(repository, session.session, session.point_key)
        assert small.store.head(session.point_key).size_bytes == TOMBSTONE_BYTES
    counting = FaultyStore(small.store, {})
    counted = small.open(deterministic_surroundings(41), counting)
    before = len(counting.requests)
    assert list(counted.ledger.unknown_points()) == []
    asked = [one for one in counting.requests[before:] if not one.key.startswith(names.LEDGER)]
    assert {one.kind for one in asked} == {"list"}


def test_every_manifest_is_larger_than_a_tombstone():
    small = small_with_a_point()
    back_up(open_(small, 41), "w", volume_of(tail_bytes=0), "")
    sizes = [info.size_bytes for info in small.store.list(names.POINTS)]
    assert min(sizes) > 2 * TOMBSTONE_BYTES


def test_a_damaged_ledger_says_itself_what_it_may_hide(small):
    ledger = open_(small, 50).ledger
    ledger.damage.append(IntegrityError("it", why="so", cure="so"))
    assert list(ledger.unknown_points()) == []
