"""Whoever may put objects can take the name of a retirement: it says nothing, only a retirement that counts does."""

import hashlib
from datetime import timedelta

import pytest

from holdfast.domain.errors import ConflictError, IntegrityError
from holdfast.domain.time import parse_time
from holdfast.repository.format import names
from holdfast.repository.format import retirement as retirement_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.ledger import RETIRE, decode_batch
from holdfast.repository.format.retirement import Retirement
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point, list_points, load_manifest
from holdfast.repository.sessions.session import end_session, open_session, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put, restored
from tests.faults.immutable_site import KEEP, Site
from tests.faults.world import DISK, FIRST, back_up

_NEWER = b"HFOBJT\0\x02" + bytes(260)
NEWER = _NEWER + hashlib.sha256(_NEWER).digest()


@pytest.fixture
def small() -> SmallRepository:
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    back_up(small.open(deterministic_surroundings(2)), DISK, FIRST, "s1")
    return small


def collect(small: SmallRepository) -> None:
    """Twice: what the first one condemned, the second one would delete."""
    for seed in (3, 4):
        order = CollectionOrder(patience=timedelta(0))
        Collection(small.open(deterministic_surroundings(seed)), order, Silence(), lambda seconds: None).run()


def foreign_retirement(small: SmallRepository, session: bytes) -> None:
    """One that opens under that name, and is of another point."""
    body = retirement_form.encode(Retirement(session, names.point(bytes(16), bytes(16), bytes(16)), "2026-01-01"))
    small.open(deterministic_surroundings(5)).sealed.write(Kind.RETIREMENT, names.retired(session), body)


def takes(small: SmallRepository, session: bytes, what: bytes | None) -> None:
    if what is None:
        foreign_retirement(small, session)
    else:
        put(small.store, names.retired(session), what)


@pytest.mark.parametrize("what", [b"junk", b"", NEWER, None], ids=["junk", "empty", "newer", "another point's"])
def test_what_took_the_name_of_a_retirement_retires_nothing(small, what):
    [point] = list_points(small.open(deterministic_surroundings(6)))
    takes(small, point.session, what)
    collect(small)
    repository = small.open(deterministic_surroundings(7))
    assert list_points(repository) == [point] == [find_point(repository, point.id, None)]
    assert load_manifest(repository, point).session == point.session
    assert restored(repository, point) == FIRST.content
    report = check_repository(repository, 100, Silence())
    assert names.retired(point.session) in {damage.object for damage in report.damage}
    assert not any(damage.hurt for damage in report.damage)


def test_a_point_whose_retirement_has_another_one_in_its_place_is_deleted_once_that_is_gone(small):
    repository = small.open(deterministic_surroundings(6))
    [point] = list_points(repository)
    key = names.retired(point.session)
    put(small.store, key, b"junk")
    with pytest.raises(IntegrityError, match=key) as told:
        retire(repository, point.session, point.key)
    assert told.value.why.startswith("what stands there is no retirement of that point: somebody put it there")
    assert told.value.cure == "remove that one object from the store, then delete the point again"
    assert told.value.objects == (key,)
    assert point.session in repository.ledger.refresh().live
    small.store.delete(key)
    retire(repository, point.session, point.key)
    assert list_points(small.open(deterministic_surroundings(7))) == []


def test_before_its_promise_no_retirement_counts():
    site = Site()
    session = site.back_up(b"kept")
    [point] = list_points(site.open())
    body = retirement_form.encode(Retirement(session, point.key, site.open().surroundings.timestamp()))
    site.open().sealed.write(Kind.RETIREMENT, names.retired(session), body)
    site.collect()
    assert site.restores({session: b"kept"})
    with pytest.raises(ConflictError, match="is kept until 2026-") as told:
        retire(site.open(), session, point.key)
    assert told.value.cure == "delete it then; before, nobody can"
    site.later(KEEP.days + 1)
    assert list_points(site.open()) == []


def test_the_ledger_says_when_a_point_was_deleted(small):
    """And when a session has ended without one."""
    repository = small.open(deterministic_surroundings(6))
    [point] = list_points(repository)
    retire(repository, point.session, point.key)
    session = open_session(repository, DEFAULT_TENANT, DISK)
    end_session(repository, session.session, session.point_key)
    said = []
    for number in range(1, repository.ledger.state.sequence + 1):
        batch = decode_batch(repository.sealed.read(names.ledger(number), Kind.LEDGER_BATCH)[1])
        said += [(one["session"], one["time"], batch.time) for one in batch.records if one["type"] == RETIRE]
    assert [one for one, _time, _of_batch in said] == [point.session, session.session]
    assert all(abs(parse_time(time) - parse_time(of_batch)) < timedelta(minutes=1) for _one, time, of_batch in said)
