"""One small repository with a past, and what is known of it: which points it has and what each must give back."""

import contextlib
import functools
import io
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.format import plan as plan_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.plan import Plan
from holdfast.repository.keys.slots import KeySlots
from holdfast.repository.object_store import ORDINARY, Buffer, StorageTerms
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.losses import Lost
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder, CollectionReport
from holdfast.repository.upkeep.collection.run_merging import Tidiness
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_stream, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import SmallRepository, make_small_repository

PACK_SIZE_BYTES = 400
DISK, DUMP, OLD, LATE = "disk", "dump", "old", "late"


def pattern(seed: int, size_bytes: int = BLOCK_SIZE_BYTES) -> bytes:
    """Bytes that compress to a hundred, so that a repository of megabytes stays small."""
    return (random.Random(seed).randbytes(64) * (size_bytes // 64 + 1))[:size_bytes]


def volume_of(*seeds: int, tail_bytes: int = 1024) -> MemoryVolume:
    """A block for each seed, zeros for 0, and a last short block."""
    blocks = [pattern(seed) if seed else bytes(BLOCK_SIZE_BYTES) for seed in seeds]
    return MemoryVolume.of(b"".join(blocks) + pattern(tail_bytes, tail_bytes))


def without(content: bytes, lost: Iterable[Lost]) -> bytes:
    """The same with zeros where something is lost."""
    left = bytearray(content)
    for one in lost:
        assert 0 < one.length <= len(left) - one.offset
        left[one.offset : one.offset + one.length] = bytes(one.length)
    return bytes(left)


FIRST = volume_of(1, 0, 2)
SECOND = volume_of(1, 3, 0)
THIRD = volume_of(4, 3, 0, 1, tail_bytes=2000)
LATER = volume_of(tail_bytes=3000)
LONG = volume_of(4, 0, 11, 12, 13, 14, 15, 16, 17, 18, 19, tail_bytes=2000)
DUMP_BYTES = pattern(77, 3000)


@dataclass(frozen=True, eq=False)
class World:
    """`contents`: what every live point gives back. The repository is never changed: work on `small.copied()`."""

    small: SmallRepository
    contents: dict[bytes, bytes]
    newest: dict[str, bytes]


@functools.cache
def world(*, with_plan: bool) -> World:
    """Full, incremental and stream points, one that was deleted; and, where asked for, a plan that binds writers and a
    second key epoch."""
    surroundings = deterministic_surroundings(1)
    small = make_small_repository(MemoryStore(), surroundings, PACK_SIZE_BYTES)
    repository = small.open(surroundings)
    KeySlots(small.store, surroundings).add_recovery(repository.master, "in the safe")
    contents: dict[bytes, bytes] = {}
    newest: dict[str, bytes] = {}

    def keep(workload: str, report: BackupReport, content: bytes) -> None:
        newest[workload] = report.finished.manifest.session
        contents[newest[workload]] = content

    keep(OLD, back_up(repository, OLD, volume_of(9), "o"), volume_of(9).content)
    keep(DISK, back_up(repository, DISK, FIRST, "s1"), FIRST.content)
    keep(DISK, back_up(repository, DISK, SECOND, "s2", {"s1": FIRST}), SECOND.content)
    stream = backup_stream(repository, io.BytesIO(DUMP_BYTES), BackupOrder(DUMP), Silence())
    keep(DUMP, stream, DUMP_BYTES)
    gone = newest.pop(OLD)
    del contents[gone]
    retire(repository, gone, next(point.key for point in list_points(repository) if point.session == gone))
    if with_plan:
        publish_plan(repository, contents)
        rotate(repository, small.secret)
        keep(LATE, back_up(repository, LATE, LATER, "l"), LATER.content)
    return World(small, contents, newest)


@functools.cache
def world_with_a_dead_backup(*, with_plan: bool) -> World:
    """The same, and a backup of LONG that died when it was about to commit; it has left packs and checkpoints."""
    before = world(with_plan=with_plan)
    small = before.small.copied()

    class Dying(FaultyStore):
        def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
            if key.startswith(names.INDEX):
                raise SimulatedCrash
            super().create(key, body, sha256, terms)

    with contextlib.suppress(SimulatedCrash):
        back_up(small.open(deterministic_surroundings(6), Dying(small.store, {})), DISK, LONG, "long")
    return World(small, before.contents, before.newest)


def publish_plan(
    repository: Repository, live: Iterable[bytes], condemned: Iterable[bytes] = (), epoch: int = 1
) -> None:
    """A collector's plan with every index run that there is in force."""
    runs = frozenset(info.key for info in repository.store.list(names.INDEX))
    plan = Plan(epoch, live=frozenset(live), condemned=frozenset(condemned), index_runs=runs)
    body = plan_form.encode(plan, repository.surroundings.timestamp())
    repository.sealed.write(Kind.PLAN, names.plan(epoch), body)


def back_up(
    repository: Repository,
    workload: str,
    volume: MemoryVolume,
    snapshot: str,
    earlier: dict[str, MemoryVolume] | None = None,
) -> BackupReport:
    """A backup of a volume; it knows what changed since the snapshots in `earlier`."""
    return backup_volume(repository, MemorySource(volume, snapshot, earlier), BackupOrder(workload), Silence())


def collect(repository: Repository, *, repack: bool = True) -> CollectionReport:
    """A collection that waits for nobody, and for which three index runs are many."""
    order = CollectionOrder(patience=timedelta(0), tidiness=Tidiness(runs=2, gone=0), repack=repack)
    return Collection(repository, order, Silence(), lambda seconds: None).run()
