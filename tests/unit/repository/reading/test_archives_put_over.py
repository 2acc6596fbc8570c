"""An immutable archive over whose cold packs somebody has put other objects: what is retrieved, read and repaired."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import NeedsRetrievalError
from holdfast.repository.delegation.restore_side import VolumeTarget, prepare_restore
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.health.repair.report import RepairReport
from holdfast.repository.keys.slots import Secret
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository, create_repository, open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.retrieval.plan import RetrievalPlan, plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import KeepingProgress, Retrieval, retrieve
from holdfast.repository.retrieval_jobs import no_jobs
from holdfast.repository.sessions.points import PointSummary, find_point, list_points, load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget
from holdfast.testing.small_repository import restored
from holdfast.testing.strict_bucket import Guise, StrictBucket
from holdfast.testing.strict_store import StrictStore
from holdfast.wiring.delegated_retrieval import DelegatedRetrievals
from tests.faults.cold_world import STANDARD
from tests.faults.world import FIRST
from tests.unit.repository.delegation.test_hidden_from_workers import OfWorker


class Locked:
    """One point, that is promised for 300 days where it is immutable."""

    def __init__(self, *, immutable: bool = True) -> None:
        self.clock = SteppableClock()
        self.bucket = StrictBucket(self.clock)
        self.store = ColdStore(StrictStore(self.bucket), self.clock)
        new = create_repository(
            self.store,
            deterministic_surroundings(1, self.clock),
            archive_class=ArchiveClass.DEEP_ARCHIVE,
            immutable=immutable,
        )
        self._secret = Secret(text=new.recovery_code.encode())
        self._seed = 10
        order = BackupOrder("disk", keep_until=self.clock() + timedelta(days=300) if immutable else None)
        backup_volume(self.open(), MemorySource(FIRST), order, Silence())

    def open(self, store: ObjectStore | None = None) -> Repository:
        self._seed += 1
        return open_repository(store or self.store, self._secret, deterministic_surroundings(self._seed, self.clock))

    @property
    def point(self) -> PointSummary:
        [point] = list_points(self.open())
        return point

    def plan(self, met: frozenset[str] = frozenset()) -> RetrievalPlan:
        return plan_retrieval(self.open(), self.point, (None,), met=met)

    def retrieve(self) -> Retrieval:
        repository = self.open()
        wanted = Retrieval(repository, self.plan())
        retrieve(repository, wanted, STANDARD, Silence(), self.clock.step)
        return wanted

    def repair(self) -> RepairReport:
        return repair(self.open(), none, Silence())

    def pack(self) -> tuple[str, str]:
        """Key and version of a cold one."""
        key = self.plan().packs[0].key
        version = self.store.head(key).version
        assert version is not None
        return key, version


@pytest.fixture
def locked() -> Locked:
    return Locked()


def junk(locked: Locked, key: str) -> None:
    locked.bucket.put(key, b"junk")


def cold_junk(locked: Locked, key: str) -> None:
    locked.bucket.put(key, b"junk", guise=Guise.COLD)


def foreign_junk(locked: Locked, key: str) -> None:
    locked.bucket.put(key, b"junk", guise=Guise.FOREIGN_KEY)


def marker_and_junk(locked: Locked, key: str) -> None:
    locked.bucket.delete(key)
    junk(locked, key)


EVERY_COVER = pytest.mark.parametrize("cover", [junk, cold_junk, foreign_junk, marker_and_junk])
Cover = Callable[[Locked, str], None]


@EVERY_COVER
def test_the_version_that_was_written_is_retrieved_and_read(locked, cover: Cover):
    key, version = locked.pack()
    count = len(locked.plan().packs)
    cover(locked, key)
    assert [(pack.version, pack.is_archived) for pack in locked.plan().packs if pack.key == key] == [(version, True)]
    wanted = locked.retrieve()
    assert len(locked.store.billed) == count
    assert locked.plan().is_readable
    assert restored(locked.open(), locked.point) == FIRST.content
    progress = KeepingProgress(Silence(), wanted)
    for _hour in range(5 * 24):
        locked.clock.step(3600)
        progress.advance(1)
    assert restored(locked.open(), locked.point) == FIRST.content


@EVERY_COVER
def test_where_no_manifest_says_what_was_written_the_oldest_is(locked, cover: Cover, monkeypatch):
    key, version = locked.pack()
    cover(locked, key)
    monkeypatch.setattr("holdfast.repository.reading.retrieval.versions.recorded_packs", lambda _repository, _rows: {})
    assert {pack.version for pack in locked.plan().packs if pack.key == key} == {version}
    locked.retrieve()
    assert restored(locked.open(), locked.point) == FIRST.content


def test_what_a_plan_costs_is_not_what_was_retired(locked):
    def requests() -> int:
        store = FaultyStore(locked.store, {})
        repository = locked.open(store)
        before = len(store.requests)
        assert plan_retrieval(repository, locked.point, (None,)).archived
        return len(store.requests) - before

    junk(locked, locked.pack()[0])
    before = requests()
    for number in range(3):
        order = BackupOrder(f"gone-{number}")
        gone = backup_volume(locked.open(), MemorySource(FIRST), order, Silence()).finished.manifest.session
        retire(repository := locked.open(), gone, find_point(repository, gone.hex(), None).key)
    assert requests() == before


@EVERY_COVER
def test_where_nothing_is_locked_reading_shows_what_was_put_over_it(cover: Cover):
    here = Locked(immutable=False)
    key, version = here.pack()
    cover(here, key)
    with pytest.raises(NeedsRetrievalError) as caught:
        restored(here.open(), here.point)
    assert caught.value.packs == (key,)
    [found] = here.plan(frozenset(caught.value.packs)).archived
    assert (found.key, found.version) == (key, version)


def test_what_is_put_over_it_while_it_is_under_way_is_met_by_the_next_plan(locked):
    key, version = locked.pack()
    wanted = Retrieval(locked.open(), locked.plan())
    wanted.ask(STANDARD, Silence())
    junk(locked, key)
    locked.clock.step(13 * 3600)
    wanted.look()
    assert {pack.version for pack in locked.plan().readable} == {version}
    assert restored(locked.open(), locked.point) == FIRST.content


# --------------------------------------------------------------------------------------------------------------- repair


def test_a_repair_takes_markers_away_from_what_is_cold(locked):
    key, version = locked.pack()
    locked.bucket.delete(key)
    report = locked.repair()
    assert ([one.object for one in report.reinstated], report.left) == ([key], ())
    current = locked.bucket.current(key)
    assert current is not None
    assert current.id == version


@EVERY_COVER
def test_a_repair_names_what_it_cannot_copy_and_mends_all_else(locked, cover: Cover):
    key, version = locked.pack()
    cover(locked, key)
    hidden = locked.point.key
    locked.bucket.delete(hidden)
    report = locked.repair()
    assert [one.object for one in report.reinstated] == [hidden]
    assert [one.object for one in report.covered] == [key]
    assert report.left == (key,)
    assert (report.packs, report.epoch) == ((), 0)
    locked.retrieve()
    report = locked.repair()
    assert ([one.object for one in report.reinstated], report.left) == ([key], ())
    top = locked.store.head(key)
    assert top.version != version
    assert top.coldness is not None  # it is kept where packs of an archive are
    assert top.locked_until is not None
    assert locked.repair().reinstated == ()
    locked.clock.step(10 * 24 * 3600)
    assert not locked.plan().is_readable
    locked.retrieve()
    assert restored(locked.open(), locked.point) == FIRST.content


@EVERY_COVER
def test_a_check_ends_and_names_what_is_covered(locked, cover: Cover):
    key, _version = locked.pack()
    cover(locked, key)
    for read_percent in (None, 100):
        report = check_repository(locked.open(), read_percent, Silence())
        [damage] = report.damage
        assert (damage.object, damage.hurt) == (key, ())
        assert damage.why.endswith("a repair puts it right once it is retrieved")


def test_a_check_says_so_neither_of_a_marker_alone_nor_of_what_was_retrieved(locked):
    def why():
        [damage] = check_repository(locked.open(), None, Silence()).damage
        return damage.why

    key, _version = locked.pack()
    locked.bucket.delete(key)
    assert why().endswith("a repair puts it right")
    locked.retrieve()
    junk(locked, key)
    assert why().endswith("a repair puts it right")


# --------------------------------------------------------------------------------------------------------- an appliance


def test_an_appliance_retrieves_it_and_its_worker_reads_it(locked):
    key, version = locked.pack()
    junk(locked, key)
    repository = locked.open()
    appliance = DelegatedRetrievals(lambda: nullcontext(repository), 10, no_jobs)
    ordered = locked.clock()
    words = ("12" * 16, locked.point.id, DEFAULT_TENANT, (load_manifest(repository, locked.point).volumes[0].name,))
    assert appliance.go_on(*words, STANDARD, ordered, lambda text: None).under_way_packs == 1
    locked.clock.step(13 * 3600)
    assert appliance.go_on(*words, STANDARD, ordered, lambda text: None).is_readable
    assert locked.store.head(key, version).coldness is not None
    task = prepare_restore(locked.open(), locked.point, [VolumeTarget(None, {})], Silence()).task
    target, around = MemoryTarget(), deterministic_surroundings(99, locked.clock)
    store = locked.store.copied(OfWorker(locked.bucket))
    run_restore_task(store, task, lambda _facts: target, Silence(), around)
    assert target.volume is not None
    assert target.volume.content == FIRST.content
