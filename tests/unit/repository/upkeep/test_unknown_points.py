"""Restore points that stand while the ledger does not know them: its end has gone, and nobody remembers it."""

import pytest

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import end_session, open_repacking, retire
from holdfast.repository.sessions.unknown_points import unknown_points
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import restored
from tests.faults.world import FIRST, SECOND, back_up, collect
from tests.unit.repository.upkeep.rotating import open_, small_with_a_point


@pytest.fixture
def small():
    """A point that the ledger knows, and one that it does not: its end has gone."""
    small = small_with_a_point()
    before = open_(small, 40).ledger.state.sequence
    back_up(open_(small, 41), "other", SECOND, "s2")
    end = open_(small, 42).ledger.state.sequence
    assert end == before + 2
    for number in range(before + 1, end + 1):
        small.store.delete(names.ledger(number))
    return small


def contents(small):
    repository = open_(small, 90)
    return sorted(restored(repository, point) for point in list_points(repository))


def keys(store):
    return {info.key for info in store.list("")}


def test_a_collection_stops_and_deletes_nothing(small):
    before = keys(small.store)
    with pytest.raises(IntegrityError, match="does not know the restore point") as caught:
        collect(open_(small, 50))
    [point] = caught.value.objects
    assert point.startswith(names.POINTS)
    assert keys(small.store) == before


def test_a_repair_tells_the_ledger_and_all_is_as_before(small):
    assert contents(small) == [FIRST.content]
    [damage] = check_repository(open_(small, 50), None, Silence()).damage
    assert "the ledger lost a record" in damage.why
    told = repair(open_(small, 51), none, Silence()).points
    assert len(told) == 1
    assert repair(open_(small, 52), none, Silence()).points == ()
    collect(open_(small, 53))
    assert contents(small) == sorted([FIRST.content, SECOND.content])
    assert check_repository(open_(small, 54), 100, Silence()).damage == ()


def test_a_rehearsal_names_the_point_and_writes_nothing(small):
    before = keys(small.store)
    report = repair(open_(small, 51), none, Silence(), rehearsal=True)
    assert len(report.points) == 1
    assert report.others == ()
    assert keys(small.store) == before


def test_two_repairs_tell_it_once(small):
    first, second = open_(small, 51), open_(small, 52)
    repair(first, none, Silence())
    sequence = first.ledger.state.sequence
    repair(second, none, Silence())
    assert second.ledger.state.sequence == sequence


def test_a_retirement_that_is_lost_stops_it_too_until_the_point_is_deleted_again(small):
    repair(open_(small, 51), none, Silence())
    repository = open_(small, 52)
    point = next(one for one in list_points(repository) if one.workload == "other")
    retire(repository, point.session, point.key)
    collect(open_(small, 53))
    small.store.delete(names.retired(point.session))
    with pytest.raises(IntegrityError, match=names.retired(point.session)):
        collect(open_(small, 54))
    repair(open_(small, 55), none, Silence())
    repository = open_(small, 56)
    retire(repository, point.session, point.key)
    collect(open_(small, 57))
    assert contents(small) == [FIRST.content]


def test_who_has_a_past_key_stops_nobody(small):
    """What he writes under a name of his own is none of the newest epoch's."""
    rotate(open_(small, 60), small.secret)
    assert unknown_points(open_(small, 61)) == {}
    collect(open_(small, 62))
    assert FIRST.content in contents(small)


def test_sessions_that_ended_without_a_point_cost_no_request():
    small = small_with_a_point()
    repository = open_(small, 40)
    for _time in range(3):
        session = open_repacking(repository, "default")
        end_session(repository, session.session, session.point_key)
    counting = FaultyStore(small.store, {})
    assert unknown_points(small.open(deterministic_surroundings(41), counting)) == {}
    assert not [one for one in counting.requests if one.kind == "get" and one.key.startswith(names.POINTS)]
