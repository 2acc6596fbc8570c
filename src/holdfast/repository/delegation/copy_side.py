"""The appliance's half of a delegated copy: a restore's half in the source, a backup's half in the target (section 16).

It is prepared in three steps: the point is pinned in the source (`pin_original`), a session is opened in the target
(`open_copy`), and maps are walked for where the data lies that is read (`with_places`), which takes long and appends to
neither ledger. `backup_side.write_task` leaves the task. With the same ids all of it may be run again, after a crash or
for a further attempt. The pin holds until `restore_side.finish_reading`; the session is given up, where it comes to
that, by `backup_side.abandon`.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.errors import ConflictError, IntegrityError, UsageError
from holdfast.repository.copying.backups_here import BackupsHere, backup_of
from holdfast.repository.copying.base import Base, Heir, base_volumes, choose_base
from holdfast.repository.delegation.acceptance import Said, accept
from holdfast.repository.delegation.backup_side import (
    PreparedBackup,
    begun_before,
    first_task,
    open_point_key,
    ordered_task,
)
from holdfast.repository.delegation.covered_versions import covered_versions
from holdfast.repository.delegation.needed_packs import data_keys_of, needed_packs
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.tasks import (
    VOLUMES_LIMIT,
    BackupTask,
    CopySource,
    TenantPart,
    VolumeOrder,
    VolumeToCopy,
)
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.map_node import CUT_FIXED
from holdfast.repository.format.origin import Origin
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.pins import pin_again
from holdfast.repository.sessions.points import PointSummary, find_point, load_manifest
from holdfast.repository.sessions.session import open_session, read_point
from holdfast.repository.writing.commit import Copied


@dataclass(frozen=True, slots=True)
class CopyFrom:
    """A point of the repository `source`, which a worker finds at `location`; `reader` is the caller's own random id,
    under which it is pinned.
    """

    source: Repository
    location: str
    point: PointSummary
    reader: bytes


@dataclass(frozen=True, slots=True)
class Pinned:
    """The point of `origin` stays while its reader lives; `there` is what the source has besides."""

    origin: CopyFrom
    manifest: Manifest
    there: BackupsHere


@dataclass(frozen=True, slots=True)
class _Before:
    """What was decided when the session was opened: it stays for all its attempts."""

    volumes: tuple[VolumeToCopy, ...]
    earlier_stands: bool


@dataclass(frozen=True, slots=True, repr=False)
class OpenedCopy:
    """The session in the target, and what of the source it is to read, wherever that lies now."""

    backup: PreparedBackup
    before: _Before


def pin_original(origin: CopyFrom, progress: Progress) -> Pinned:
    """Raises UsageError for a point that holds a stream, NotFoundError for one that is no more."""
    pin_again(origin.source, origin.reader, [origin.point.session], progress)
    manifest = load_manifest(origin.source, origin.point)
    _require_volumes(manifest)
    return Pinned(origin, manifest, BackupsHere(origin.source))


def open_copy(
    pinned: Pinned,
    target: Repository,
    progress: Progress,
    *,
    keep_until: datetime | None,
    session: bytes | None = None,
    goes_on: bool = False,
    avoided_packs: frozenset[bytes] = frozenset(),
) -> OpenedCopy:
    """The session, as it was opened before or is now, with what it builds upon. Which copies count as there is for who
    orders this one, and has looked at them; here a point that is gone is built upon no more than a damaged one.

    `session` as for `prepare_backup`. `keep_until`: what the copy is promised, whatever its original is (section 10);
    counts with the first attempt, and in an immutable target alone. `goes_on`: the session was opened before, also by
    another run, whose reader may have been another one; where it has ended, another one is begun. `avoided_packs` of
    the target, as for `prepare_backup`.
    """
    manifest, source, point = pinned.manifest, pinned.origin.source, pinned.origin.point
    begun, session = begun_before(target, session, goes_on=goes_on)
    if begun is not None:
        return OpenedCopy(begun, _before(begun.task))
    promise = keep_until if target.config.immutable else None
    writer = open_session(target, manifest.tenant, manifest.workload, session, promise)
    heir = Heir(target, writer.plan, avoided_packs)
    base = choose_base(heir, source, pinned.there, BackupsHere(target), point, progress)
    parent = None if base is None else base.manifest
    task = first_task(writer, _orders(manifest, base), parent, CompressionLevel.DEFAULT, avoided_packs=avoided_packs)
    before = _Before(_to_copy(manifest, base), base is not None and base.stands)
    return OpenedCopy(PreparedBackup(target, task), before)


def with_places(pinned: Pinned, opened: OpenedCopy) -> PreparedBackup:
    """The session's order, with where the source has what is read. The pin holds it there, so that this takes as long
    as it likes (rule 7); what a collection moves meanwhile, a further attempt finds.
    """
    backup = opened.backup
    fresh = _read_now(pinned.origin, pinned.manifest, opened.before)
    return dataclasses.replace(backup, task=dataclasses.replace(backup.task, copied_from=fresh))


def point_to_copy(target: Repository, session: bytes, attempt: int) -> bytes | None:
    """Which point of the source that attempt was ordered to copy; None where the copy's point stands already. Raises as
    `accept_copy`.
    """
    if read_point(target, open_point_key(target, session)) is not None:
        return None
    return _copied_from(ordered_task(target, session, attempt)).point


@dataclass(frozen=True, slots=True)
class Original:
    """The manifest of a point that is copied, in the repository of that id."""

    repository: bytes
    manifest: Manifest


def original_of(source: Repository, point: bytes) -> Original:
    """What a copy says of its backup. Raises NotFoundError where the point is no more."""
    return Original(source.config.repository, load_manifest(source, find_point(source, point.hex(), None)))


def accept_copy(original: Original | None, target: Repository, session: bytes, result: BackupResult) -> Manifest:
    """The copy's point: made of this result, or the one that it has already. `original`: of `point_to_copy`, read
    beforehand, so that nobody waits in one repository for the other. Raises as `accept_backup`.
    """

    def said(task: BackupTask) -> Said:
        copied = _copied_from(task)
        if original is None:
            raise ConflictError(
                f"the copy {session.hex()} was deleted", why="it stood a moment ago", cure="copy the point again"
            )
        manifest = original.manifest
        for order, volume in zip(task.volumes, result.volumes, strict=False):
            if dict(volume.source) != dict(order.source):
                raise IntegrityError(
                    f"volume {order.name} is not a copy of the one that was ordered",
                    why="it names another source",
                    cure="copy it again; if it happens again, find out what runs on the worker",
                )
        roots = tuple(volume.root for volume in manifest.volumes)
        origin = Origin(copied.backup, original.repository, roots)
        return Said(manifest.statistics, manifest.configuration, Copied(manifest.created, origin))

    return accept(target, session, result, said)


def _before(task: BackupTask) -> _Before:
    copied = _copied_from(task)
    return _Before(copied.volumes, copied.earlier_stands)


def _copied_from(task: BackupTask) -> CopySource:
    if task.copied_from is None:
        raise UsageError(f"{task.session.hex()} is no copy", why="its task says so", cure="treat it as a backup")
    return task.copied_from


def _read_now(origin: CopyFrom, manifest: Manifest, before: _Before) -> CopySource:
    source = origin.source
    access = source.access(manifest.tenant)
    owner = TenantPart.of(access.keys)
    rows = needed_packs(source, access, [one.volume for one in before.volumes])
    return CopySource(
        location=origin.location,
        owner=owner,
        point=origin.point.session,
        backup=backup_of(source, origin.point),
        reader=origin.reader,
        scratch_key=source.epochs.of(owner.kid).scratch_key(origin.reader),
        data_keys=data_keys_of(source, rows),
        index_runs=tuple(access.index_runs()),
        volumes=before.volumes,
        earlier_stands=before.earlier_stands,
        versions=covered_versions(source, names.PACKS, names.INDEX),
    )


def _require_volumes(manifest: Manifest) -> None:
    if any(volume.cut != CUT_FIXED for volume in manifest.volumes) or not 1 <= len(manifest.volumes) <= VOLUMES_LIMIT:
        raise UsageError(
            f"a worker does not copy point {manifest.session.hex()}",
            why=f"workers copy 1 to {VOLUMES_LIMIT} volumes of blocks, and no streams",
            cure="copy it with `holdfast repository copy`",
        )


def _to_copy(manifest: Manifest, base: Base | None) -> tuple[VolumeToCopy, ...]:
    return tuple(VolumeToCopy(volume, base_volumes(base, volume)[1]) for volume in manifest.volumes)


def _orders(manifest: Manifest, base: Base | None) -> tuple[VolumeOrder, ...]:
    return tuple(
        VolumeOrder(volume.name, dict(volume.source), base_volumes(base, volume)[0], volume.size_bytes)
        for volume in manifest.volumes
    )
