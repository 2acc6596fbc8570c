"""A backup or restore as appliance and worker do it together: each sees only what it may."""

from collections.abc import Mapping
from typing import Any

from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import PreparedBackup, VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.orders import delete_scratch, read_result
from holdfast.repository.delegation.restore_side import (
    PreparedRestore,
    VolumeTarget,
    finish_reading,
    prepare_restore,
    write_restore_task,
)
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.scratch import SessionScratch, one_key
from holdfast.repository.delegation.tasks import BackupTask, RestoreTask
from holdfast.repository.delegation.worker_side import run_backup_task, run_restore_task
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point
from holdfast.repository.surroundings import Surroundings
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget, MemoryVolume

WORKLOAD = "instance"


class Disks:
    """The volumes of one machine over time: `snapshots` by name, as a worker opens them."""

    def __init__(self) -> None:
        self.snapshots: dict[str, MemoryVolume] = {}
        self.opened: list[MemorySource] = []

    def snapshot(self, name: str, content: bytes) -> dict[str, str]:
        """Keep a snapshot; the facts that name it."""
        self.snapshots[name] = MemoryVolume.of(content)
        return {"kind": "memory", "snapshot": name}

    def open_source(self, facts: Mapping[str, Any]) -> MemorySource:
        """A snapshot that knows what changed since every other one that is left."""
        name = facts["snapshot"]
        earlier = {other: volume for other, volume in self.snapshots.items() if other != name}
        self.opened.append(MemorySource(self.snapshots[name], name, earlier))
        return self.opened[-1]


def scratch(store: ObjectStore, prepared: PreparedBackup | PreparedRestore, around: Surroundings) -> SessionScratch:
    """What a worker makes of the little that it is told in clear, and of the one key that was wrapped for it."""
    owner = prepared.task.owner
    return SessionScratch(
        store=store,
        session=prepared.session,
        keys=one_key(owner.kid, prepared.scratch_key),
        repository=owner.repository,
        kid=owner.kid,
        random_bytes=around.random_bytes,
        suite=owner.suite,
    )


def work(
    store: ObjectStore, prepared: PreparedBackup, disks: Disks, attempt: int = 1, around: Surroundings | None = None
) -> None:
    """A worker's whole life: read the task, do it, leave the result."""
    around = around or deterministic_surroundings(prepared.session[0] * 256 + prepared.session[1] + attempt)
    mine = scratch(store, prepared, around)
    task = mine.read_task(attempt)
    assert isinstance(task, BackupTask)
    mine.write_result(run_backup_task(mine, task, disks.open_source, Silence(), around))


def back_up(
    repository: Repository, disks: Disks, volumes: Mapping[str, Mapping[str, str]], workload: str = WORKLOAD
) -> tuple[Manifest, BackupResult]:
    """Prepare, let a worker work, accept."""
    sources = [VolumeSource(name, facts) for name, facts in volumes.items()]
    prepared = prepare_backup(repository, DEFAULT_TENANT, workload, sources)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    result = read_result(repository, prepared.session, 1)
    assert isinstance(result, BackupResult)
    manifest = accept_backup(repository, prepared.session, result)
    delete_scratch(repository, prepared.session)
    return manifest, result


def restore(repository: Repository, session: bytes, *volumes: str) -> dict[str, bytes]:
    """Restore these volumes by a worker; what they hold, for volumes that fit into memory."""
    return {name: volume.content for name, volume in restore_volumes(repository, session, *volumes).items()}


def restore_volumes(repository: Repository, session: bytes, *volumes: str) -> dict[str, MemoryVolume]:
    """Prepare, let a worker restore these volumes, finish."""
    point = find_point(repository, session.hex(), DEFAULT_TENANT)
    targets = {name: MemoryTarget() for name in volumes}
    wanted = [VolumeTarget(name, {"kind": "memory", "name": name}) for name in volumes]
    prepared = prepare_restore(repository, point, wanted, Silence())
    write_restore_task(prepared, 1)
    around = deterministic_surroundings(700)
    mine = scratch(repository.store, prepared, around)
    task = mine.read_task(1)
    assert isinstance(task, RestoreTask)
    mine.write_result(run_restore_task(repository.store, task, lambda facts: targets[facts["name"]], Silence(), around))
    finish_reading(repository, prepared.session, Silence())
    assert list(repository.store.list(names.scratch(prepared.session))) == []
    return {name: target.volume for name, target in targets.items() if target.volume is not None}
