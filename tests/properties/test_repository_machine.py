"""A repository against a dictionary: whatever is done to it in whatever order, it holds what the dictionary holds."""

import io
import itertools
import os
import shutil
import tempfile
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.patience import Waiting
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.format.manifest import IMAGE, VolumeMap
from holdfast.repository.format.places import Located
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.checking.verify import verify_point
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_to
from holdfast.repository.sessions.pins import pin_again, unpin
from holdfast.repository.sessions.points import PointSummary, list_points, load_manifest
from holdfast.repository.sessions.session import WriterSession, open_session, retire
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.stores.location import open_store
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.writing.backup import BackupOrder, backup_stream, backup_volume
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.commit import WrittenVolumes, commit_point
from holdfast.repository.writing.terms import terms_of
from holdfast.repository.writing.volume_writer import write_volume
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget, MemoryVolume
from holdfast.testing.server_processes import ministack_server, moto_server
from holdfast.testing.small_repository import SmallRepository, make_small_repository, restored
from tests.faults.test_repair import spoil
from tests.faults.world import collect, pattern

RUNS = int(os.environ.get("MACHINE_RUNS", "60"))
STEPS = int(os.environ.get("MACHINE_STEPS", "30"))
STORES = os.environ.get("MACHINE_STORES", "")
MEMORY_FOLDER = Path("/dev/shm")

workloads = st.sampled_from(["a", "b"])
seeds = st.integers(0, 4)  # few, so that blocks repeat and zeros (0) occur
moments = st.integers(0, 40)
DEADLY = [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TORN]


@dataclass
class Disk:
    """A volume as it is now, and as it was at each snapshot."""

    content: bytes = pattern(1, 700)
    snapshots: dict[str, MemoryVolume] = field(default_factory=dict)

    def snapshot(self) -> MemorySource:
        """A source that knows what changed since every earlier snapshot; the last one again while nothing changed, so
        that a backup that died is gone on with.
        """
        volume = MemoryVolume.of(self.content)
        last = f"s{len(self.snapshots) - 1}"
        name = last if self.snapshots.get(last) == volume else f"s{len(self.snapshots)}"
        source = MemorySource(volume, name, self.snapshots)
        self.snapshots[name] = volume
        return source


@dataclass
class OpenWriter:
    """A session of a party of its own that has written its volume and not committed yet."""

    session: WriterSession
    backup: BackupSession
    volume: VolumeMap
    content: bytes


@dataclass
class OpenReader:
    """A restore of a party of its own, under its pin, that has read once and will read on with what it knows."""

    repository: Repository
    id: bytes
    access: TenantAccess
    volume: VolumeMap
    content: bytes
    began: datetime

    def is_right(self) -> bool:
        target = MemoryTarget()
        restore_to(self.access, self.volume, target, Silence())
        return target.volume is not None and target.volume.content == self.content


def _written(writer: OpenWriter) -> WrittenVolumes:
    return WrittenVolumes(
        kind=IMAGE,
        volumes=(writer.volume,),
        packs=writer.backup.finish(),
        index=writer.backup.index,
        verified=True,
        parent=None,
        statistics=writer.backup.counters.statistics(),
    )


class RepositoryMachine(RuleBasedStateMachine):
    """The model is `contents`: what each live point must give back."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SteppableClock()
        self.seed = 0
        self.contents: dict[bytes, bytes] = {}
        self.disks: dict[str, Disk] = {}
        self.writers: list[OpenWriter] = []
        self.readers: list[OpenReader] = []
        self.rotten: set[str] = set()
        self.small: SmallRepository

    def new_store(self) -> ObjectStore:
        return MemoryStore()

    def surroundings(self):
        self.seed += 1
        return deterministic_surroundings(self.seed, self.clock)

    def open(self, store: ObjectStore | None = None) -> Repository:
        return self.small.open(self.surroundings(), store)

    def disk(self, workload: str) -> Disk:
        return self.disks.setdefault(workload, Disk())

    def points(self, repository: Repository) -> list[PointSummary]:
        return list_points(repository)

    @initialize(pack_size_bytes=st.sampled_from([400, 3000]))
    def make(self, pack_size_bytes) -> None:
        """Packs of about one block, or of several, of which a collection copies what is still needed."""
        self.small = make_small_repository(self.new_store(), self.surroundings(), pack_size_bytes)

    @rule(workload=workloads, block=st.integers(0, 3), seed=seeds)
    def change_a_block(self, workload, block, seed):
        disk = self.disk(workload)
        content = bytearray(disk.content)
        at = block * BLOCK_SIZE_BYTES
        length = min(BLOCK_SIZE_BYTES, max(len(content) - at, 0))
        content[at : at + length] = pattern(seed, length) if seed else bytes(length)
        disk.content = bytes(content)

    @rule(workload=workloads, blocks=st.integers(0, 3), tail=st.sampled_from([0, 1, 700]), seed=seeds)
    def resize(self, workload, blocks, tail, seed):
        disk = self.disk(workload)
        size = blocks * BLOCK_SIZE_BYTES + tail
        grown = max(size - len(disk.content), 0)
        disk.content = disk.content[:size] + (pattern(seed, grown) if seed else bytes(grown))

    def back_up(self, repository: Repository, workload: str, *, parent: str | None, knows: bool) -> bytes:
        """The content that was backed up; the model is told by whoever knows whether it was committed."""
        disk = self.disk(workload)
        source = disk.snapshot()
        if not knows:
            source = MemorySource(MemoryVolume.of(disk.content))
        backup_volume(repository, source, BackupOrder(workload, parent=parent), Silence())
        return disk.content

    def learn(self, content: bytes, at_least: int) -> None:
        """At most one point has come, and it is this one."""
        repository = self.open()
        new = [point for point in self.points(repository) if point.session not in self.contents]
        assert at_least <= len(new) <= 1
        for point in new:
            assert restored(repository, point) == content
            self.contents[point.session] = content

    @rule(workload=workloads, parent=st.sampled_from([None, "none"]), knows=st.booleans())
    def back_up_a_disk(self, workload, parent, knows):
        self.learn(self.back_up(self.open(), workload, parent=parent, knows=knows), 1)

    @rule(seed=seeds, length=st.sampled_from([0, 1, 5000, 600_000]))
    def back_up_a_stream(self, seed, length):
        content = pattern(seed, length)
        backup_stream(self.open(), io.BytesIO(content), BackupOrder("dump"), Silence())
        self.learn(content, 1)

    @rule(workload=workloads, moment=moments, fault=st.sampled_from(DEADLY), knows=st.booleans())
    def crash_in_a_backup(self, workload, moment, fault, knows):
        content = self.disk(workload).content
        survived = False
        try:
            self.back_up(self.open(FaultyStore(self.small.store, {moment: fault})), workload, parent=None, knows=knows)
            survived = True
        except SimulatedCrash:
            pass
        except HoldfastError:
            assert fault is Fault.TORN  # half an answer is damage to who reads it
        self.learn(content, int(survived))

    @rule(workload=workloads, moments=st.sets(moments, max_size=6), knows=st.booleans())
    def lose_answers(self, workload, moments, knows):
        store = FaultyStore(self.small.store, dict.fromkeys(moments, Fault.LOST_ANSWER))
        patient = RetryingStore(store, waiting=Waiting(sleep=lambda seconds: None))
        self.learn(self.back_up(self.open(patient), workload, parent=None, knows=knows), 1)

    @precondition(lambda self: len(self.writers) < 3)
    @rule(workload=workloads)
    def a_writer_begins(self, workload):
        disk = self.disk(workload)
        repository = self.open()
        session = open_session(repository, DEFAULT_TENANT, workload)
        backup = BackupSession.begin(repository.access(), terms_of(session, CompressionLevel.FAST))
        source = MemorySource(MemoryVolume.of(disk.content))
        volume = write_volume(backup, source, name="volume", parent=None, changed=None, progress=Silence())
        self.writers.append(OpenWriter(session, backup, volume, disk.content))

    @precondition(lambda self: self.writers)
    @rule(data=st.data())
    def a_writer_ends(self, data):
        writer = self.writers.pop(data.draw(st.integers(0, len(self.writers) - 1)))
        try:
            commit_point(writer.session, _written(writer))
        except ConflictError:
            self.learn(b"", 0)
            assert writer.session.session not in self.contents
        else:
            self.learn(writer.content, 1)

    @precondition(lambda self: not self.writers)
    @rule(data=st.data(), workload=workloads, block=st.integers(0, 2), seed=seeds)
    def a_plan_comes_before_a_commit(self, data, workload, block, seed):
        """Upon that point nobody may build then, and what it has may be written once more."""
        self.resize(workload, 3, 700, seed)
        self.change_a_block(workload, block, 1)
        self.back_up_a_disk(workload, None, knows=True)
        self.back_up_a_stream(seed, 5000)
        self.retire(self.open(), next(reversed(self.contents)))
        self.change_a_block(workload, block, 0)
        self.a_writer_begins(workload)
        self.collect(repack=True)
        self.a_writer_ends(data)
        self.back_up_a_disk(workload, None, knows=True)
        self.collect(repack=True)

    @precondition(lambda self: self.writers)
    @rule()
    def a_writer_gives_up(self):
        self.writers.pop().backup.abandon()

    @precondition(lambda self: self.contents)
    @rule(data=st.data(), moment=st.none() | moments)
    def delete(self, data, moment):
        """A deletion; where a moment is given, one that dies there and is called again."""
        session = data.draw(st.sampled_from(sorted(self.contents)))
        try:
            self.retire(
                self.open(FaultyStore(self.small.store, {} if moment is None else {moment: Fault.CRASH_AFTER})), session
            )
        except SimulatedCrash:
            repository = self.open()
            for point in self.points(repository):
                if point.session == session:
                    retire(repository, point.session, point.key)
            del self.contents[session]

    def retire(self, repository: Repository, session: bytes) -> None:
        """A point that is there."""
        [point] = [point for point in self.points(repository) if point.session == session]
        retire(repository, point.session, point.key)
        del self.contents[session]

    @rule(repack=st.booleans())
    def collect(self, repack):
        collect(self.open(), repack=repack)

    @precondition(lambda self: len(self.writers) < 3)
    @rule(data=st.data(), workload=workloads, seed=seeds)
    def copies_rot_before_their_originals_go(self, data, workload, seed):
        """While a collection waits, what it condemns still stands: a repair has it from there, whatever goes next."""
        self.resize(workload, 3, 700, seed)
        self.back_up_a_disk(workload, None, knows=True)
        gone = next(reversed(self.contents))
        for block in (0, 1):
            self.change_a_block(workload, block, (seed + block) % 5)
        self.back_up_a_disk(workload, None, knows=True)
        self.retire(self.open(), gone)
        self.a_writer_begins("b" if workload == "a" else "a")
        before = StandingPacks(self.small.store).listed.keys()

        def pause(seconds: float) -> None:
            self.clock.step(seconds)
            if self.writers:
                self.rot_copies(before)
                repair(self.open(), none, Silence())
            while self.writers:
                self.a_writer_ends(data)

        order = CollectionOrder(patience=timedelta(minutes=5))
        Collection(self.open(), order, Silence(), pause).run()

    def rot_copies(self, before: Set[bytes]) -> None:
        """Every pack that a collection has made since then, and of which all lies in packs that it condemned."""
        repository = self.open()
        packs = StandingPacks(repository.store)
        condemned = [pack for pack in newest_plan(repository.sealed).condemned if packs.stands(pack)]
        spared = {chunk.id for pack in condemned for chunk in self.chunks_of(repository, pack)}
        for pack in packs.listed.keys() - before:
            chunks = self.chunks_of(repository, pack)
            if chunks and spared.issuperset(chunk.id for chunk in chunks):
                spoil(self.small.store, names.pack(pack))
                self.rotten.add(names.pack(pack))

    def chunks_of(self, repository: Repository, pack: bytes) -> list[Located]:
        """What its directory says; nothing of one that has rotted."""
        if names.pack(pack) in self.rotten:
            return []
        return read_directory(repository.access(), pack).located()

    @rule(moment=st.integers(0, 120), fault=st.sampled_from(DEADLY))
    def crash_in_a_collection(self, moment, fault):
        try:
            collect(self.open(FaultyStore(self.small.store, {moment: fault})))
        except SimulatedCrash:
            pass
        except HoldfastError:
            assert fault is Fault.TORN

    @rule(hours=st.sampled_from([1, 25]))
    def time_passes(self, hours):
        """After a day without a sign of life a collection ends a writer: its commit fails, and nothing is lost."""
        self.clock.step(hours * 3600)

    @precondition(lambda self: self.contents)
    @rule(data=st.data())
    def restore(self, data):
        session = data.draw(st.sampled_from(sorted(self.contents)))
        repository = self.open()
        [point] = [point for point in self.points(repository) if point.session == session]
        assert restored(repository, point) == self.contents[session]
        assert verify_point(repository, point, Silence()).size_bytes == len(self.contents[session])

    @precondition(lambda self: self.contents and len(self.readers) < 3)
    @rule(data=st.data())
    def a_reader_begins(self, data):
        session = data.draw(st.sampled_from(sorted(self.contents)))
        repository = self.open()
        [point] = [point for point in self.points(repository) if point.session == session]
        reader = repository.surroundings.random_bytes(16)
        assert pin_again(repository, reader, [session], Silence())
        manifest = load_manifest(repository, point)
        access, [volume] = repository.access(manifest.tenant), manifest.volumes
        one = OpenReader(repository, reader, access, volume, self.contents[session], self.clock())
        assert one.is_right()
        self.readers.append(one)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def a_reader_reads_on_and_ends(self, data):
        """Whatever was deleted, collected and repacked meanwhile. After a day of silence nobody waits for it."""
        reader = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        try:
            assert reader.is_right()
        except HoldfastError:
            assert self.clock() - reader.began >= timedelta(days=1)
        unpin(reader.repository, reader.id, Silence())

    @rule()
    def check(self):
        report = check_repository(self.open(), 100, Silence())
        assert report.harmful == ()
        assert {one.object for one in report.damage} <= self.rotten
        assert report.points == len(self.contents)
        assert report.packs_read == report.packs

    @invariant()
    def the_list_is_the_dictionary(self):
        if hasattr(self, "small"):
            assert {point.session for point in self.points(self.open())} == set(self.contents)

    def teardown(self):
        if hasattr(self, "small"):
            repository = self.open()
            assert {p.session: restored(repository, p) for p in self.points(repository)} == self.contents
            self.check()


class DirectoryMachine(RepositoryMachine):
    """The same over a directory, in memory where the machine has such a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None)

    def new_store(self) -> ObjectStore:
        return DirectoryStore(self.folder)

    def teardown(self):
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.folder)


class BucketMachine(RepositoryMachine):
    """The same over S3 as other projects have it, each history in a place of its own."""

    server = staticmethod(moto_server)
    endpoint = ""
    places = itertools.count()

    def new_store(self) -> ObjectStore:
        place = f"s3://histories/{next(self.places)}?endpoint={self.endpoint}"
        return open_store(place)

    def teardown(self):
        """Nothing stays: these servers list a bucket the slower the more there is in it, and keep it in memory."""
        try:
            super().teardown()
        finally:
            if hasattr(self, "small"):
                for info in list(self.small.store.list("")):
                    self.small.store.delete(info.key)


class OtherBucketMachine(BucketMachine):
    server = staticmethod(ministack_server)


@pytest.fixture
def machine(request):
    """With its server; botocore finds the credentials that every test has."""
    machine = request.param
    if not issubclass(machine, BucketMachine):
        yield machine
        return
    with machine.server() as machine.endpoint:
        AwsSession(None).client("s3", endpoint=machine.endpoint).create_bucket(Bucket="histories")
        yield machine


MACHINES = [RepositoryMachine, DirectoryMachine, *([BucketMachine, OtherBucketMachine] if STORES == "all" else [])]


@pytest.mark.parametrize("machine", MACHINES, indirect=True)
def test_a_repository_is_a_dictionary(machine, count_case):
    runs = max(RUNS // 10, 1) if issubclass(machine, BucketMachine) else RUNS  # each takes fifty times as long there
    count_case(runs)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
