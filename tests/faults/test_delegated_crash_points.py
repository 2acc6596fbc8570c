"""A backup and a restore by appliance and worker: every request of each step × everything that may befall it.

The steps are preparing, working, accepting, giving up. Whatever befalls one, there is no point or a whole one; done
again as the appliance would, there is exactly one; and a session that was given up never makes one.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, abandon, prepare_backup, reprepare, write_task
from holdfast.repository.delegation.orders import delete_scratch, read_result
from holdfast.repository.delegation.restore_side import (
    VolumeTarget,
    finish_reading,
    prepare_restore,
    write_restore_task,
)
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.tasks import RestoreTask
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import PointSummary, find_point, list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, Request, SimulatedCrash
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.testing.small_repository import SmallRepository, make_small_repository
from tests.faults.judged import Judged
from tests.faults.mishaps import Case, Mishap, befallen, mishaps
from tests.faults.world import PACK_SIZE_BYTES, publish_plan, volume_of
from tests.unit.repository.delegation.delegated import Disks, back_up, scratch, work

WORKLOAD = "instance"
SESSION = bytes(range(16))
OLD = {"root": volume_of(1, 0, 2), "data": volume_of(3, tail_bytes=2000)}
NEW = {"root": volume_of(1, 4, 0), "data": volume_of(3, 5, 2, tail_bytes=3000)}
CONTENTS = {name: volume.content for name, volume in NEW.items()}
OLD_CONTENTS = {name: volume.content for name, volume in OLD.items()}
SOURCES = [VolumeSource(name, {"kind": "memory", "snapshot": f"{name}-new"}) for name in NEW]


@dataclass(frozen=True, eq=False)
class Instance:
    """A repository with one point of an instance, and the instance's disks as they are now."""

    small: SmallRepository
    first: bytes
    disks: Disks

    def open(self, seed: int, store: ObjectStore) -> Repository:
        return self.small.open(deterministic_surroundings(seed), store)


@functools.cache
def instance(*, with_plan: bool) -> Instance:
    surroundings = deterministic_surroundings(1)
    small = make_small_repository(MemoryStore(), surroundings, PACK_SIZE_BYTES)
    repository = small.open(surroundings)
    disks = Disks()
    for moment, volumes in (("old", OLD), ("new", NEW)):
        disks.snapshots.update({f"{name}-{moment}": volume for name, volume in volumes.items()})
    facts = {name: {"kind": "memory", "snapshot": f"{name}-old"} for name in OLD}
    first, _result = back_up(repository, disks, facts)
    if with_plan:
        publish_plan(repository, [first.session])
    return Instance(small, first.session, disks)


@dataclass
class Run:
    """What the appliance remembers between its steps: no more than ids."""

    scene: Instance
    session: bytes = SESSION
    attempt: int = 1
    targets: dict[str, MemoryTarget] = field(default_factory=dict)


Step = Callable[[Run, ObjectStore, int], None]


def prepare(run: Run, store: ObjectStore, seed: int) -> None:
    prepared = prepare_backup(run.scene.open(seed, store), DEFAULT_TENANT, WORKLOAD, SOURCES, session=run.session)
    run.session = prepared.session
    write_task(prepared, run.attempt)


def do(run: Run, store: ObjectStore, seed: int) -> None:
    repository = run.scene.open(seed, inner(store))
    work(store, reprepare(repository, run.session), run.scene.disks, run.attempt, deterministic_surroundings(seed))


def accept(run: Run, store: ObjectStore, seed: int) -> None:
    repository = run.scene.open(seed, store)
    result = read_result(repository, run.session, run.attempt)
    assert isinstance(result, BackupResult)
    accept_backup(repository, run.session, result, b"configuration")
    delete_scratch(repository, run.session)


def give_up(run: Run, store: ObjectStore, seed: int) -> None:
    repository = run.scene.open(seed, store)
    abandon(repository, run.session)
    delete_scratch(repository, run.session)


def inner(store: ObjectStore) -> ObjectStore:
    """The store that no fault of a worker's reaches: the appliance has a way of its own."""
    return getattr(store, "_inner", store)


BACKUP: dict[str, Step] = {"prepare": prepare, "work": do, "accept": accept}
STEPS = list(BACKUP)


def before(step: str, scene: Instance) -> tuple[Run, ObjectStore]:
    """A copy of the repository in which all steps before this one were done."""
    run, store = Run(scene), scene.small.copied().store
    for number, name in enumerate(STEPS[: STEPS.index(step) if step in STEPS else len(STEPS) - 1]):
        BACKUP[name](run, store, 10 + number)
    return run, store


def faults(step: Step, run: Run, store: ObjectStore) -> list[Case]:
    """Every request of the step with everything that may befall it."""
    plain = FaultyStore(copy(run, store), {})
    step(Run(run.scene, run.session, run.attempt), plain, 20)
    assert len(plain.requests) > 5
    return mishaps(plain.requests)


def copy(run: Run, store: ObjectStore) -> ObjectStore:
    return SmallRepository(store, run.scene.small.secret).copied().store


def hit(step: Step, run: Run, store: ObjectStore, request: Request, fault: Mishap) -> bool:
    """Do the step with that fault; whether it succeeded."""
    try:
        step(run, befallen(store, request, fault), 20)
    except (HoldfastError, SimulatedCrash):
        return False
    return True


def contents(repository: Repository, point: PointSummary) -> dict[str, bytes]:
    found = {}
    for name in OLD:
        target = MemoryTarget()
        restore_volume(repository, point, target, Silence(), name)
        assert target.volume is not None
        found[name] = target.volume.content
    return found


def points(run: Run, store: ObjectStore) -> int:
    """How many points there are besides the first; each is whole, and nothing is damaged."""
    repository = run.scene.open(1000, store)
    seen = list_points(repository)
    assert run.scene.first in [point.session for point in seen]
    for point in seen:
        expected = OLD_CONTENTS if point.session == run.scene.first else CONTENTS
        assert contents(repository, point) == expected
    assert check_repository(repository, 100, Silence()).damage == ()
    listed = {info.key.rsplit("/", 1)[1] for info in store.list(names.POINTS)}
    assert {point.session.hex() for point in seen} <= listed
    return len(seen) - 1


def go_on(run: Run, store: ObjectStore) -> None:
    """What the appliance does after a step that failed, from what it remembers; then one point more stands."""
    try:
        accept(run, store, 30)
    except (HoldfastError, AssertionError):
        run.attempt += 1
        prepare(run, store, 32)
        do(run, store, 33)
        accept(run, store, 34)


@pytest.mark.parametrize("with_plan", [False, True])
@pytest.mark.parametrize("name", STEPS)
def test_backup(name, with_plan, count_crash_point):
    start, standing = before(name, instance(with_plan=with_plan))
    judged = Judged()
    for request, fault in faults(BACKUP[name], start, standing):
        store, run = copy(start, standing), Run(start.scene, start.session, start.attempt)
        try:
            succeeded = hit(BACKUP[name], run, store, request, fault)
            if judged.is_new(succeeded, run.session, stores=(store,)):
                made = points(run, store)
                assert made <= (name == "accept")
                assert not (name == "accept" and succeeded and not made)
                again(run, store, made=made)
        except BaseException as error:
            error.add_note(f"{name}: {fault.name} at {request}")
            raise
        count_crash_point()


def again(run: Run, store: ObjectStore, *, made: int) -> None:
    """Two futures of the same moment: the appliance goes on, or gives up."""
    given_up, other = Run(run.scene, run.session, run.attempt), copy(run, store)
    with contextlib.suppress(HoldfastError):  # a session that the ledger never heard of
        give_up(given_up, other, 40)
    assert points(given_up, other) == made
    with contextlib.suppress(HoldfastError, AssertionError):
        accept(given_up, other, 41)
    assert points(given_up, other) == made
    if not list(store.list(names.result(run.session, run.attempt))) and made:
        return  # accepted and tidied up
    go_on(run, store)
    assert points(run, store) == 1
    assert check_repository(run.scene.open(50, store), 100, Silence()).damage == ()


@pytest.mark.parametrize("accepted", [False, True])
def test_giving_up(accepted, count_crash_point):
    start, standing = before("give up", instance(with_plan=True))
    if accepted:
        BACKUP["accept"](start, standing, 15)
    judged = Judged()
    for request, fault in faults(give_up, start, standing):
        store, run = copy(start, standing), Run(start.scene, start.session, start.attempt)
        try:
            hit(give_up, run, store, request, fault)
            if judged.is_new(run.session, stores=(store,)):
                assert points(run, store) == accepted
                give_up(run, store, 21)
                assert points(run, store) == accepted
                if not accepted:
                    with pytest.raises(ConflictError):
                        reprepare(run.scene.open(22, store), run.session)
        except BaseException as error:
            error.add_note(f"{fault.name} at {request}")
            raise
        count_crash_point()


def test_two_attempts_of_which_both_finish():
    """A worker taken for lost was not: whichever result comes first is the point, and stays it."""
    run, store = before("accept", instance(with_plan=True))
    repository = run.scene.open(60, store)
    write_task(reprepare(repository, run.session), 2)
    second = Run(run.scene, run.session, 2)
    do(second, store, 61)
    first, other = (read_result(repository, run.session, attempt) for attempt in (1, 2))
    assert isinstance(first, BackupResult)
    assert isinstance(other, BackupResult)
    assert first != other
    manifest = accept_backup(repository, run.session, other)
    assert accept_backup(repository, run.session, first) == manifest
    assert points(run, store) == 1


def test_the_other_attempts_index_run_is_in_nobodys_way():
    """An accept that died after its index run, then the other attempt's result: both runs stand, one is the point's."""
    run, store = before("accept", instance(with_plan=False))
    write_task(reprepare(run.scene.open(60, store), run.session), 2)
    second = Run(run.scene, run.session, 2)
    do(second, store, 61)
    plain = FaultyStore(copy(run, store), {})
    accept(Run(run.scene, run.session), plain, 62)
    written = next(one for one in plain.requests if one.kind == "create" and one.key.startswith(names.INDEX))
    assert not hit(accept, Run(run.scene, run.session), store, written, Fault.CRASH_AFTER)
    accept(second, store, 63)
    assert points(second, store) == 1
    tenant = run.scene.open(64, store).tenant_id(DEFAULT_TENANT)
    assert {names.index_run(tenant, run.session, part) for part in (0, 1)} <= {
        info.key for info in store.list(names.INDEX)
    }


def restore(run: Run, store: ObjectStore, seed: int) -> None:
    """All three steps of a restore, the appliance's and the worker's, over one store."""
    repository = run.scene.open(seed, store)
    point = find_point(repository, run.scene.first.hex(), DEFAULT_TENANT)
    wanted = [VolumeTarget(name, {"name": name}) for name in OLD]
    prepared = prepare_restore(repository, point, wanted, Silence(), session=run.session)
    write_restore_task(prepared, run.attempt)
    around = deterministic_surroundings(seed + 1)
    mine = scratch(store, prepared, around)
    task = mine.read_task(run.attempt)
    assert isinstance(task, RestoreTask)
    run.targets = {name: MemoryTarget() for name in OLD}
    mine.write_result(run_restore_task(store, task, lambda facts: run.targets[facts["name"]], Silence(), around))
    finish_reading(repository, run.session, Silence())


@pytest.mark.parametrize("with_plan", [False, True])
def test_restore(with_plan, count_crash_point):
    scene = instance(with_plan=with_plan)
    start, standing = Run(scene), scene.small.copied().store
    judged = Judged()
    for request, fault in faults(restore, start, standing):
        store, run = copy(start, standing), Run(scene)
        try:
            succeeded = hit(restore, run, store, request, fault)
            if succeeded:
                assert {name: target.volume for name, target in run.targets.items()} == OLD
            for name, target in run.targets.items():
                assert target.volume in (None, OLD[name])
            if judged.is_new(succeeded, run.session, stores=(store,)):
                assert points(run, store) == 0
                restore_again(Run(scene, run.session, 1 if succeeded else 2), store)
        except BaseException as error:
            error.add_note(f"{fault.name} at {request}")
            raise
        count_crash_point()


def restore_again(run: Run, store: ObjectStore) -> None:
    """It succeeds, and then nothing of it is left."""
    restore(run, store, 80)
    assert {name: target.volume for name, target in run.targets.items()} == OLD
    finish_reading(run.scene.open(81, store), run.session, Silence())
    assert run.scene.open(82, store).ledger.state.pins == {}
    assert not list(store.list(names.scratch(run.session)))
