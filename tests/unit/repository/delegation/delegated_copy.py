"""A copy as appliance and worker do it together, between two places; the worker has no more rights than it has."""

from datetime import datetime
from typing import Any

from holdfast.repository.delegation.backup_side import PreparedBackup, write_task
from holdfast.repository.delegation.copy_side import (
    CopyFrom,
    accept_copy,
    open_copy,
    original_of,
    pin_original,
    point_to_copy,
    with_places,
)
from holdfast.repository.delegation.copy_work import run_copy_task
from holdfast.repository.delegation.orders import delete_scratch, read_result
from holdfast.repository.delegation.restore_side import finish_reading
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.scratch import SessionScratch, one_key
from holdfast.repository.delegation.tasks import BackupTask
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point
from holdfast.repository.surroundings import Surroundings
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.worker.narrow_store import NarrowStore
from tests.unit.repository.copying.copied import Place

READER = b"r" * 16


def ordered(source: Place, target: Place, content: bytes) -> PreparedBackup:
    """A new point, and the order to copy it."""
    point = source.back_up("disk", content)
    return prepared(source.open(), target.open(), point)


def prepare_copy(
    origin: CopyFrom, target: Repository, *, keep_until: datetime | None = None, **terms: Any
) -> PreparedBackup:
    """All three steps; `terms` as of `open_copy`."""
    pinned = pin_original(origin, Silence())
    return with_places(pinned, open_copy(pinned, target, Silence(), keep_until=keep_until, **terms))


def prepared(
    source: Repository,
    target: Repository,
    point: bytes,
    attempt: int = 1,
    session: bytes | None = None,
    keep_until: datetime | None = None,
    avoided_packs: frozenset[bytes] = frozenset(),
    reader: bytes = READER,
) -> PreparedBackup:
    """Pinned, opened, and the task written."""
    found = find_point(source, point.hex(), DEFAULT_TENANT)
    origin = CopyFrom(source, "memory:", found, reader)
    made = prepare_copy(origin, target, session=session, keep_until=keep_until, avoided_packs=avoided_packs)
    write_task(made, attempt)
    return made


def worker(
    source: ObjectStore,
    target: ObjectStore,
    order: PreparedBackup,
    attempt: int = 1,
    around: Surroundings | None = None,
) -> BackupTask:
    """A worker's whole life; the task that it read."""
    around = around or deterministic_surroundings(int.from_bytes(order.session[:2], "big") + attempt)
    owner, narrow = order.task.owner, NarrowStore(target, order.session, writes_packs=True)
    keys = one_key(owner.kid, order.scratch_key)
    mine = SessionScratch(narrow, order.session, keys, owner.repository, owner.kid, around.random_bytes, owner.suite)
    task = mine.read_task(attempt)
    assert isinstance(task, BackupTask)
    assert task.copied_from is not None
    there = NarrowStore(source, task.copied_from.reader, writes_packs=False)
    mine.write_result(run_copy_task(mine, task, there, Silence(), around))
    return task


def told(target: Repository, session: bytes, attempt: int = 1) -> BackupResult:
    """What the worker left."""
    result = read_result(target, session, attempt)
    assert isinstance(result, BackupResult)
    return result


def accepted(source: Repository, target: Repository, session: bytes, result: BackupResult) -> Manifest:
    """The copy's point, of what the worker said."""
    point = point_to_copy(target, session, result.attempt)
    return accept_copy(None if point is None else original_of(source, point), target, session, result)


def copy_by_worker(source: Place, target: Place, point: bytes) -> tuple[Manifest, BackupResult]:
    """All of it."""
    there, here = source.open(), target.open()
    order = prepared(there, here, point)
    worker(source.small.store, target.small.store, order)
    result = told(here, order.session)
    manifest = accepted(there, here, order.session, result)
    delete_scratch(here, order.session)
    finish_reading(there, READER, Silence())
    assert READER not in there.ledger.refresh().pins
    return manifest, result
