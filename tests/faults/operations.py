"""What a person may do to a repository, each as one process would: open, act, report."""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.checking.verify import verify_point
from holdfast.repository.keys.slots import KeySlots
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import find_point
from holdfast.repository.sessions.session import retire
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.backup import BackupOrder, backup_stream, backup_volume
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget, MemoryVolume
from tests.faults.world import (
    DISK,
    DUMP,
    DUMP_BYTES,
    FIRST,
    LONG,
    SECOND,
    THIRD,
    World,
    back_up,
    collect,
    volume_of,
    world,
    world_with_a_dead_backup,
)

DEFAULT_TENANT = "default"
OTHER_TENANT = "123456789012"
SPARE = "spare"
FULL = volume_of(5, 0, 1)
STREAM = DUMP_BYTES + bytes(range(256)) * 8


@dataclass
class Attempt:
    """What one run of an operation is about: `adds` is the content of the point that it makes, `removes` the session of
    the point that it deletes; `spare`: whether there is a spare key when it has succeeded; `outcome` is what it
    reported."""

    adds: bytes | None = None
    removes: bytes | None = None
    spare: bool | None = None
    outcome: object = None
    targets: list[MemoryTarget] = field(default_factory=list)


Act = Callable[[Repository, World, Attempt], object]


def _backup(workload, volume, snapshot, earlier=None) -> Act:
    def act(repository: Repository, world: World, attempt: Attempt) -> object:
        attempt.adds = volume.content
        return back_up(repository, workload, volume, snapshot, earlier)

    return act


def _stream(repository: Repository, world: World, attempt: Attempt) -> object:
    attempt.adds = STREAM
    return backup_stream(repository, io.BytesIO(STREAM), BackupOrder(DUMP), Silence())


def _another_tenant(repository: Repository, world: World, attempt: Attempt) -> object:
    attempt.adds = FULL.content
    order = BackupOrder("new disk", tenant=OTHER_TENANT)
    return backup_volume(repository, MemorySource(FULL, "f"), order, Silence())


def _delete(repository: Repository, world: World, attempt: Attempt) -> object:
    attempt.removes = world.newest[DISK]
    point = find_point(repository, world.newest[DISK].hex(), DEFAULT_TENANT)
    retire(repository, point.session, point.key)
    return None


def _restore(workload: str, *, sequential: bool) -> Act:
    def act(repository: Repository, world: World, attempt: Attempt) -> object:
        target = MemoryTarget(sequential=sequential)
        attempt.targets.append(target)
        point = find_point(repository, world.newest[workload].hex(), DEFAULT_TENANT)
        restore_volume(repository, point, target, Silence())
        return target.volume == MemoryVolume.of(world.contents[point.session])

    return act


def _verify(repository: Repository, world: World, attempt: Attempt) -> object:
    point = find_point(repository, f"latest:{DISK}", DEFAULT_TENANT)
    report = verify_point(repository, point, Silence())
    return report.size_bytes == len(world.contents[point.session])


def _check(repository: Repository, world: World, attempt: Attempt) -> object:
    return check_repository(repository, 100, Silence()).damage


def _collect(repository: Repository, world: World, attempt: Attempt) -> object:
    return collect(repository)


def _rotate(repository: Repository, world: World, attempt: Attempt) -> object:
    return rotate(repository, world.small.secret).kid


def _add_key(repository: Repository, world: World, attempt: Attempt) -> object:
    attempt.spare = True
    return KeySlots(repository.store, repository.surroundings).add_recovery(repository.master, SPARE)


def _remove_key(repository: Repository, world: World, attempt: Attempt) -> object:
    attempt.spare = False
    slots = KeySlots(repository.store, repository.surroundings)
    return slots.remove(next(iter(spare_keys(repository)), SPARE), repository.master)


def spare_keys(repository: Repository) -> list[str]:
    """The slots of spare keys."""
    found = KeySlots(repository.store, repository.surroundings).found(repository.master.repository)
    return [slot.slot.hex() for slot in found.slots if slot.label == SPARE]


ACTS: dict[str, Act] = {
    "full": _backup("new disk", FULL, "f"),
    "another tenant": _another_tenant,
    "resumed": _backup(DISK, LONG, "long"),
    "compared": _backup(DISK, THIRD, "s3"),
    "changed blocks": _backup(DISK, THIRD, "s3", {"s1": FIRST, "s2": SECOND}),
    "stream": _stream,
    "delete": _delete,
    "restore": _restore(DISK, sequential=False),
    "restore to a pipe": _restore(DUMP, sequential=True),
    "verify": _verify,
    "check": _check,
    "collect": _collect,
    "rotate": _rotate,
    "key add": _add_key,
    "key remove": _remove_key,
}


def scene(name: str, *, with_plan: bool) -> World:
    """The world in which that operation begins."""
    made = {"resumed": world_with_a_dead_backup, "key remove": world_with_a_spare_key}.get(name, world)
    return made(with_plan=with_plan)


@functools.cache
def world_with_a_spare_key(*, with_plan: bool) -> World:
    """The same, and another way to open it."""
    before = world(with_plan=with_plan)
    small = before.small.copied()
    _add_key(small.open(deterministic_surroundings(5)), before, Attempt())
    return World(small, before.contents, before.newest)


def run(
    name: str,
    store: ObjectStore,
    world: World,
    seed: int,
    attempt: Attempt,
    clock: SteppableClock | None = None,
) -> object:
    """Open the repository in `store` and do what `name` says; what it reported stands in the attempt too."""
    repository = world.small.open(deterministic_surroundings(seed, clock), store)
    try:
        attempt.outcome = ACTS[name](repository, world, attempt)
    finally:
        repository.give_back()
    return attempt.outcome
