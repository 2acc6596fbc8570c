"""Retrieve and restore from an archive, with every request hit by every fault: run again, it gives the point back, and
no pack was paid for twice.
"""

import itertools
from collections.abc import Callable

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.domain.time import parse_time
from holdfast.patience import Waiting
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.reading.retrieval.plan import plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import Retrieval, retrieve
from holdfast.repository.sessions.points import load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.repository.upkeep.collection.collect import CollectionReport
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.small_repository import copy_to, restored
from holdfast.wiring.delegated_repository import DelegatedRepository
from tests.faults.cold_world import DAY_SECONDS, STANDARD, Archive
from tests.faults.mishaps import befallen, mishaps
from tests.faults.world import FIRST, collect

# Minutes to wait for, with one pause, so that there are tens of requests and not a thousand.
QUICK = RetrievalOrder(Tier.EXPEDITED, 3)

Restore = Callable[[Archive, ObjectStore], bytes]


@pytest.fixture
def archive() -> Archive:
    return Archive(ArchiveClass.GLACIER)


def run(archive: Archive, store: ObjectStore) -> bytes:
    """As the command does it: plan, ask, wait, restore."""
    archive.retrieve(0, QUICK, store=store, stride=70)
    return restored(archive.open(5, store), archive.points[0])


def run_by_an_appliance(archive: Archive, store: ObjectStore) -> bytes:
    """As its workflow does it, a call at a time: ask, look, keep; a restore; unpin."""
    point, reader = archive.points[0], "12" * 16
    repository = DelegatedRepository(archive.open(5, store), "memory:", retrieved_at_once=2)
    volumes = [one.name for one in load_manifest(archive.repository, point).volumes]
    words = (reader, point.id, "default", volumes, QUICK, parse_time(point.created), lambda text: None)
    while not (data := repository.retrieve(*words)).is_readable:
        archive.clock.step(0 if data.archived_packs else 330)
    content = restored(archive.open(6, store), point)
    repository.end_reading(reader)
    return content


def counted_requests(archive: Archive, restore: Restore) -> tuple:
    plain = FaultyStore(copied(archive), {})
    assert restore(archive, plain) == FIRST.content
    return plain.requests


def copied(archive: Archive):
    return archive.store.copied(copy_to(MemoryStore(archive.clock), archive.inner))


@pytest.mark.parametrize("restore", [run, run_by_an_appliance])
def test_faults_and_lies(archive, count_crash_point, restore):
    needed = sorted(pack.key for pack in archive.plan(0).packs)
    requests = counted_requests(archive, restore)
    assert sum(request.kind == "retrieve" for request in requests) == len(needed) > 1
    for request, mishap in mishaps(requests):
        cold = copied(archive)
        try:
            try:
                assert restore(archive, befallen(cold, request, mishap)) == FIRST.content
            except (HoldfastError, SimulatedCrash):
                assert restore(archive, cold) == FIRST.content
            assert sorted(asked.key for asked in cold.billed) == needed
        except BaseException as error:
            error.add_note(f"{mishap.name} at {request}")
            raise
        count_crash_point()


def test_patience_hides_passing_faults(archive, count_crash_point):
    needed = sorted(pack.key for pack in archive.plan(0).packs)
    for request, fault in itertools.product(counted_requests(archive, run), (Fault.ERROR, Fault.LOST_ANSWER)):
        cold = copied(archive)
        patient = RetryingStore(FaultyStore(cold, {request.number: fault}), waiting=Waiting(sleep=lambda seconds: None))
        assert run(archive, patient) == FIRST.content, f"{fault.name} at {request}"
        assert sorted(asked.key for asked in cold.billed) == needed
        count_crash_point()


def test_two_who_ask_at_once_pay_once(archive):
    first, second = (
        Retrieval(repository, plan_retrieval(repository, archive.points[0], (None,)))
        for repository in (archive.open(6), archive.open(7))
    )
    assert first.ask(STANDARD, Silence()) == second.ask(STANDARD, Silence()) > 1
    assert len(archive.store.billed) == len(first.plan.packs)


def test_what_is_waited_for_is_not_collected(archive):
    """Deleted and collected while somebody waits who has paid: the pin holds the packs, whatever their age."""
    archive.clock.step(200 * DAY_SECONDS)
    repository = archive.open(8)
    wanted = Retrieval(repository, plan_retrieval(repository, archive.points[0], (None,)))
    needed = {pack.key for pack in wanted.plan.packs}
    collections: list[CollectionReport] = []

    def pause(seconds: float) -> None:
        archive.clock.step(seconds)
        if not collections:
            other = archive.open(9)
            retire(other, archive.points[0].session, archive.points[0].key)
            collections.extend([collect(other), collect(archive.open(10))])

    retrieve(repository, wanted, STANDARD, Silence(), pause)
    assert needed <= archive.store.cold
    with pytest.raises(NotFoundError):
        restored(archive.open(11), archive.points[0])
    for seed in (12, 13):
        collect(archive.open(seed))
    assert not needed <= archive.store.cold
