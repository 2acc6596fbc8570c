"""Collection: what nothing needs goes, what anything needs stays, whoever may not know is waited for."""

import dataclasses
from datetime import timedelta

import pytest

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.delegation.restore_side import VolumeTarget, finish_reading, prepare_restore
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.format import names
from holdfast.repository.format.plan import NO_PLAN
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.pins import pin
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import end_session, open_session, retire
from holdfast.repository.sessions.signs_of_life import hour_of
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.collection.fence import POLL_SECONDS, wait_for_sessions
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget, MemoryVolume
from holdfast.testing.small_repository import make_small_repository, put, restored
from tests.faults.world import PACK_SIZE_BYTES, back_up, publish_plan, volume_of


class Site:
    """A repository, a clock and the sources that were backed up."""

    def __init__(self, pack_size_bytes=PACK_SIZE_BYTES):
        self.clock = SteppableClock()
        self.seed = 0
        self.store = MemoryStore(clock=self.clock)
        self.small = make_small_repository(self.store, self.surroundings(), pack_size_bytes)
        self.contents = {}

    def surroundings(self):
        self.seed += 1
        return deterministic_surroundings(self.seed, self.clock)

    def open(self):
        return self.small.open(self.surroundings())

    def back_up(self, workload, *seeds):
        volume = volume_of(*seeds)
        manifest = back_up(self.open(), workload, volume, f"s{len(self.contents)}").finished.manifest
        self.contents[manifest.session] = volume.content
        return manifest.session

    def delete(self, session):
        repository = self.open()
        [point] = [point for point in list_points(repository) if point.session == session]
        retire(repository, session, point.key)
        del self.contents[session]

    def collect(self, **order):
        order = {"patience": timedelta(0), **order}
        return Collection(self.open(), CollectionOrder(**order), Silence(), self.pause).run()

    def pause(self, seconds):
        self.clock.step(seconds)

    def packs(self):
        return {info.key for info in self.store.list(names.PACKS)}

    def stored_bytes(self):
        return sum(info.size_bytes for info in self.store.list(names.PACKS))

    def everything_restores(self):
        repository = self.open()
        assert {point.session: restored(repository, point) for point in list_points(repository)} == self.contents

    def all_is_there(self):
        self.everything_restores()
        assert check_repository(self.open(), 100, Silence()).damage == ()


@pytest.fixture
def site():
    return Site()


def test_what_no_point_needs_goes(site):
    gone = site.back_up("a", 1, 2, 3)
    site.back_up("b", 3, 4)
    before = site.packs()
    site.delete(gone)
    report = site.collect(repack=False)
    assert report.condemned == report.deleted == len(before - site.packs()) > 0
    assert report.freed_bytes > 0
    assert report.waiting == ()
    site.all_is_there()


def test_nothing_to_do_publishes_nothing(site):
    site.back_up("a", 1, 2)
    report = site.collect()
    assert (report.epoch, report.deleted, report.condemned) == (0, 0, 0)
    assert not list(site.store.list(names.PLANS))


def test_a_dry_run_writes_nothing(site):
    site.delete(site.back_up("a", 1, 2))
    site.back_up("b", 2)
    before = {info.key for info in site.store.list("")}
    report = site.collect(dry_run=True)
    assert report.condemned > 0
    assert report.condemned_bytes > 0
    assert {info.key for info in site.store.list("")} == before


def test_what_is_condemned_and_needed_stays_whatever_else_goes(site):
    """Also behind the next plan: what was needed of points that were walked before is needed still (rule 4.6)."""
    site.back_up("a", 1, 2)
    needed = site.packs()
    publish_plan(site.open(), site.contents, map(pack_id, needed))
    site.delete(site.back_up("b", 3))
    report = site.collect(repack=False)
    assert report.epoch == 2
    assert report.deleted == report.condemned > 0
    assert report.kept == len(needed)
    assert site.packs() == needed
    site.all_is_there()


def pack_id(key):
    return bytes.fromhex(key.rpartition("/")[2])


def test_a_point_that_needs_nothing_condemned_may_be_built_upon(site):
    site.back_up("a", 1, 2)
    publish_plan(site.open(), (), map(pack_id, site.packs()))
    for workload in ("b", "c"):
        site.back_up(workload, 5, 6)
    site.delete(site.back_up("d", 3))
    site.collect(repack=False)
    assert newest_plan(site.open().sealed).live == set(list(site.contents)[1:])


def test_an_empty_pack_that_is_to_go_has_no_size(site):
    site.back_up("a", 1, 2)
    put(site.store, names.pack(bytes(16)), b"")
    publish_plan(site.open(), site.contents, [bytes(16)])
    foreseen = site.collect(dry_run=True)
    assert (foreseen.condemned, foreseen.condemned_bytes) == (1, 0)
    assert site.collect().deleted == 1


def test_chunks_that_moved_are_found(site):
    site = Site(3000)
    gone = site.back_up("a", 1, 2, 3, 4, 5, 6)
    site.back_up("b", 1)
    site.delete(gone)
    report = site.collect()
    assert report.repacked > 0
    assert report.deleted > 0
    site.all_is_there()
    site.back_up("c", 1, 7)
    site.back_up("b", 1, 8)
    site.collect()
    site.all_is_there()


def test_of_a_pack_whose_last_chunk_alone_moves_nothing_behind_its_end_is_asked_for():
    site, beyond = Site(3000), []
    gone = site.back_up("a", 1, 2, 3, 4, 5, 6)
    site.back_up("b", 6)
    site.delete(gone)
    sizes = {info.key: info.size_bytes for info in site.store.list(names.PACKS)}

    class Measuring(FaultyStore):
        def get(self, key, offset=0, length=None, version=None):
            if length is not None and offset + length > sizes.get(key, offset + length):
                beyond.append((key, offset, length))
            return super().get(key, offset, length, version)

    repository = site.small.open(site.surroundings(), Measuring(site.store, {}))
    assert Collection(repository, CollectionOrder(timedelta(0)), Silence(), site.pause).run().repacked
    assert beyond == []
    site.all_is_there()


def test_a_session_that_does_not_know_the_plan_is_waited_for(site):
    site.delete(site.back_up("a", 1, 2))
    site.back_up("b", 3)
    open_session(site.open(), DEFAULT_TENANT, "slow")
    before = site.packs()
    report = site.collect()
    assert [one.point_key.split("/")[0] for one in report.waiting] == ["points"]
    assert site.packs() == before
    assert newest_plan(site.open().sealed).epoch == 1
    foreseen = site.collect(dry_run=True)
    assert (foreseen.condemned, foreseen.condemned_bytes) == (report.condemned, report.condemned_bytes)
    assert foreseen.condemned > 0
    site.clock.step(25 * 3600)
    report = site.collect()
    assert report.deleted > 0
    assert report.waiting == ()
    assert not site.open().ledger.state.open
    site.all_is_there()


def test_what_somebody_puts_under_an_open_session_s_name_is_no_end_of_it(site):
    site.delete(site.back_up("a", 1))
    session = open_session(site.open(), DEFAULT_TENANT, "b")
    assert site.collect().waiting
    put(site.store, session.point_key, b"junk")
    repository = site.open()
    told_of: list[object] = []
    with pytest.raises(IntegrityError) as told:
        wait_for_sessions(repository, newest_plan(repository.sealed), timedelta(0), site.pause, told_of.append)
    assert told.value.objects == (session.point_key,)


def test_a_session_is_waited_for_until_it_ends_or_patience_is_over(site):
    slow = open_session(site.open(), DEFAULT_TENANT, "slow")
    plan = dataclasses.replace(NO_PLAN, epoch=1)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        site.pause(seconds)
        if len(pauses) == 5:
            end_session(site.open(), slow.session, slow.point_key)

    told_of: list[object] = []
    [left] = wait_for_sessions(site.open(), plan, timedelta(seconds=12), pause, told_of.append)
    assert left.session == slow.session
    assert told_of == [(left,)]
    assert pauses == [POLL_SECONDS] * 3
    assert wait_for_sessions(site.open(), plan, timedelta(minutes=10), pause, told_of.append) == ()
    assert pauses == [POLL_SECONDS] * 5


@pytest.mark.parametrize("with_plan", [False, True])
def test_what_a_killed_backup_left_goes_a_day_later(site, with_plan):
    """Whether there was a plan that it knows or none: its session is open, and nobody will ever end it."""
    if with_plan:
        site.delete(site.back_up("a", 1, 2))
        site.collect()
    site.back_up("b", 3)
    before = site.packs()

    def backed_up(store):
        back_up(site.small.open(site.surroundings(), store), "killed", volume_of(5, 6, 7), "killed")

    living = FaultyStore(site.small.copied().store, {})
    backed_up(living)
    [commit] = [one.number for one in living.requests if one.kind == "create" and one.key.startswith(names.POINTS)]
    with pytest.raises(SimulatedCrash):
        backed_up(FaultyStore(site.store, {commit: Fault.CRASH_BEFORE}))
    assert site.packs() > before
    site.collect()
    assert site.packs() > before, "it may be alive"
    site.clock.step(25 * 3600)
    site.collect()
    assert site.packs() == before
    assert not site.open().ledger.state.open
    site.all_is_there()


class Meanwhile(MemoryTarget):
    """A target that lets something happen when the restore has begun."""

    def __init__(self, happens):
        super().__init__()
        self.happens = happens

    def begin(self, size_bytes):
        super().begin(size_bytes)
        self.happens()


def test_what_is_read_stays(site):
    gone = site.back_up("a", 1, 2)
    content = site.contents[gone]
    repository = site.open()
    [point] = list_points(repository)
    site.back_up("b", 3)

    def it_is_deleted():
        site.delete(gone)
        report = site.collect()
        assert report.condemned == 0

    target = Meanwhile(it_is_deleted)
    restore_volume(repository, point, target, Silence())
    assert target.volume is not None
    assert target.volume.content == content
    assert site.collect().deleted > 0
    site.all_is_there()


def test_a_reader_that_died_holds_its_point_for_a_day(site):
    gone = site.back_up("a", 1, 2)
    site.back_up("b", 3)
    repository = site.open()
    assert pin(repository, b"r" * 16, [gone], Silence())
    site.delete(gone)
    site.clock.step(23 * 3600)
    assert (site.collect().condemned, list(site.open().ledger.state.pins)) == (0, [b"r" * 16])
    site.clock.step(2 * 3600)
    assert site.collect().deleted > 0
    assert site.open().ledger.state.pins == {}
    site.all_is_there()


def test_a_collection_says_for_whom_it_waits_and_how_long_at_most(site):
    site.delete(site.back_up("a", 1))
    open_session(site.open(), DEFAULT_TENANT, "slow")
    said: list[str] = []

    class Listening(Silence):
        def note(self, text):
            said.append(text)

    assert Collection(site.open(), CollectionOrder(timedelta(minutes=10)), Listening(), site.pause).run().waiting
    [line] = [line for line in said if line.startswith("waiting for 1 session ")]
    assert line.endswith(", for 10 minutes at most")


def test_where_a_pack_is_missing_nothing_is_deleted(site):
    kept = site.back_up("b", 3, 4)
    site.delete(site.back_up("a", 1, 2))
    repository = site.open()
    [point] = list_points(repository)
    assert point.session == kept
    lost = next(key for key in sorted(site.packs()) if key in _packs_of(repository, point))
    site.store.delete(lost)
    before = site.packs()
    with pytest.raises(IntegrityError) as raised:
        site.collect()
    assert raised.value.objects == (lost,)
    assert raised.value.why == "no index run in force knows its chunks elsewhere"
    assert raised.value.cure.startswith("run `holdfast repository repair`; `holdfast repository check` says")
    assert raised.value.cure.endswith("whom it hurts")
    assert site.packs() == before


def test_a_map_that_goes_while_points_are_walked_is_named(site):
    """It was listed as standing, and is gone when it is read."""
    kept = site.back_up("b", 3, 4)
    [point] = [point for point in list_points(site.open()) if point.session == kept]
    [lost] = [names.pack(pack.pack) for pack in load_manifest(site.open(), point).packs if pack.holds_maps]

    class Vanishing(FaultyStore):
        def get(self, key, offset=0, length=None, version=None):
            if key == lost:
                raise ObjectNotFoundError(key)
            return super().get(key, offset, length, version)

    repository = site.small.open(site.surroundings(), Vanishing(site.store, {}))
    with pytest.raises(IntegrityError) as raised:
        Collection(repository, CollectionOrder(timedelta(0)), Silence(), site.pause).run()
    assert raised.value.objects == (lost,)
    assert lost in raised.value.what


def _packs_of(repository, point):
    return {names.pack(pack.pack) for pack in load_manifest(repository, point).packs}


class SlowSource(MemorySource):
    """Two days go by while it is read; near the end something happens."""

    def __init__(self, clock, happens):
        self.content = volume_of(*range(1, 61)).content
        super().__init__(MemoryVolume.of(self.content))
        self._clock = clock
        self._happens = happens

    def allocated(self):
        for number, reference in enumerate(super().allocated()):
            self._clock.step(48 * 60)
            if number == 58:
                self._happens()
            yield reference


def test_a_long_backup_says_that_it_is_alive(site):
    site.delete(site.back_up("a", 1, 2))
    waiting = []
    source = SlowSource(site.clock, lambda: waiting.extend(site.collect().waiting))
    manifest = backup_volume(site.open(), source, BackupOrder("slow"), Silence()).finished.manifest
    assert [one.session for one in waiting] == [manifest.session]
    site.contents[manifest.session] = source.content
    assert site.collect().waiting == ()
    site.all_is_there()


@pytest.mark.parametrize("hour", [10**19, 70_000_000], ids=["no time at all", "centuries ahead"])
def test_a_sign_of_life_from_the_future_keeps_nobody_alive(site, hour):
    """Whoever may write in a session's scratch can leave one: it counts for nothing, and its session ends as others."""
    site.delete(site.back_up("a", 1, 2))
    session = open_session(site.open(), DEFAULT_TENANT, "worker's").session
    put(site.store, names.alive(session, hour), b"whatever")
    assert [one.session for one in site.collect().waiting] == [session]
    site.clock.step(25 * 3600)
    assert site.collect().waiting == ()
    assert session not in site.open().ledger.state.open
    site.all_is_there()


def test_where_the_store_has_no_clock_signs_of_life_count_by_their_own_hours(site):
    class WithoutClock(FaultyStore):
        def list(self, prefix, start_after=""):
            return (dataclasses.replace(info, modified=None) for info in super().list(prefix, start_after))

    site.small = dataclasses.replace(site.small, store=WithoutClock(site.store, {}))
    site.delete(site.back_up("a", 1, 2))
    session = open_session(site.open(), DEFAULT_TENANT, "slow").session
    site.clock.step(20 * 3600)
    put(site.store, names.alive(session, hour_of(site.clock())), b"whatever")
    put(site.store, names.alive(session, 70_000_000), b"centuries ahead")
    site.clock.step(20 * 3600)
    assert [one.session for one in site.collect().waiting] == [session]
    site.clock.step(5 * 3600)
    assert site.collect().waiting == ()


def test_what_moved_before_stays_where_a_worker_has_its_key():
    """A pack that took over from another is itself worth repacking, and stays while a worker reads from it."""
    site = Site(3000)
    first = site.back_up("a", 1, 2, 3, 4, 5, 6)
    second = site.back_up("b", 2, 3, 4)
    kept = site.back_up("c", 1)
    site.delete(first)
    assert site.collect().repacked > 0
    repository = site.open()
    [point] = [point for point in list_points(repository) if point.session == kept]
    prepared = prepare_restore(repository, point, [VolumeTarget(None, {})], Silence())
    site.delete(second)
    report = site.collect()
    assert report.repacked > 0
    assert report.kept > 0
    target = MemoryTarget()
    run_restore_task(site.store, prepared.task, lambda facts: target, Silence(), site.surroundings())
    assert target.volume is not None
    assert target.volume.content == site.contents[kept]
    finish_reading(site.open(), prepared.session, Silence())
    assert site.collect().deleted > 0
    site.all_is_there()
