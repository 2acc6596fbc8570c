"""Make a restore point of one volume or stream: choose the parent, say what is trusted, write, commit."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError, UsageError
from holdfast.domain.time import parse_time
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference, BlockSource
from holdfast.repository.format.manifest import IMAGE, STREAM, Manifest, VolumeMap
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.points import find_point, load_manifest
from holdfast.repository.sessions.session import WriterSession, ended_on_failure, open_session
from holdfast.repository.sessions.signs_of_life import living
from holdfast.repository.writing.backup_session import BackupSession, Counters
from holdfast.repository.writing.commit import WrittenVolumes, commit_point
from holdfast.repository.writing.parents import OUTDATED, Method, changes_since, fixed_volumes, newest_parent
from holdfast.repository.writing.resuming import NOTHING_TAKEN, TakenOver
from holdfast.repository.writing.stream_writer import write_stream
from holdfast.repository.writing.terms import terms_of
from holdfast.repository.writing.unfinished import NO_VIGIL, Vigil, inherit, settle, trail_owner
from holdfast.repository.writing.volume_writer import write_volume

VOLUME_NAME = "volume"
NO_PARENT = "none"


@dataclass(frozen=True, slots=True)
class BackupOrder:
    """What to back up as what. `parent`: a point's name, `none`, or None for the workload's newest. `keep_until`: what
    an immutable repository is to promise.
    """

    workload: str
    parent: str | None = None
    tenant: str = DEFAULT_TENANT
    level: CompressionLevel = CompressionLevel.DEFAULT
    keep_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FinishedBackup:
    """A committed point and what it cost."""

    manifest: Manifest
    counters: Counters
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What came of it; `warnings` are lines for a person, each something that was not as good as it could be."""

    finished: FinishedBackup
    method: Method
    warnings: tuple[str, ...]


ChangedBlocks = Callable[[int], Iterator[BlockReference]]


def backup_volume(
    repository: Repository,
    source: BlockSource,
    order: BackupOrder,
    progress: Progress,
    changed_blocks: ChangedBlocks | None = None,
    vigil: Vigil = NO_VIGIL,
) -> BackupReport:
    """Back up a volume. `changed_blocks`, given the source's size, lists what may differ from the parent, by
    somebody's word. What earlier sessions of the workload have read of this source, and have not made a point of, is
    taken over; those that are known to be dead are ended.

    Raises UsageError for a list without a parent; anything that fails leaves no point.
    """
    session = open_session(repository, order.tenant, order.workload, keep_until=order.keep_until)
    dated_ahead = _of_the_clock(session)
    progress = living(repository, session.session, progress)
    with vigil.kept(session.session), ended_on_failure(session, progress), ExitStack() as stack:
        inheritance = inherit(session, [(VOLUME_NAME, source.size_bytes, source.identity)], progress)
        backup = stack.enter_context(_begun(session, order, inheritance.taken))
        manifest, passed_over = _parent(session, order)
        parent = None if manifest is None else _only_volume(manifest)
        if changed_blocks is not None and (parent is None or passed_over):
            raise UsageError(
                "a changed-block list needs its parent",
                why=passed_over[0]
                if passed_over
                else f"workload {order.workload} has no earlier point to take the other blocks from",
                cure="leave the list out; what is there is read and compared",
            )
        changed, warnings = _changes(source, parent, changed_blocks)
        try:
            volume = write_volume(backup, source, name=VOLUME_NAME, parent=parent, changed=changed, progress=progress)
        except (IntegrityError, ObjectNotFoundError) as error:
            if parent is not None:
                error.cure = f"{error.cure}; with `--parent none` a backup builds upon nothing that was there before"
            raise
        finished = _commit(session, backup, IMAGE, volume, None if manifest is None else manifest.session)
    settle(session, backup.checkpoints_left, inheritance, vigil, progress)
    warnings = *passed_over, *warnings, *_of_what_was_made(volume), *dated_ahead
    return BackupReport(finished, Method.of(parent, changed), warnings)


def backup_stream(repository: Repository, stream: BinaryIO, order: BackupOrder, progress: Progress) -> BackupReport:
    """Back up everything a stream gives, cut by content. Raises UsageError where a parent is asked for."""
    if order.parent not in (None, NO_PARENT):
        raise UsageError("a stream has no parent", why="its chunks are found by content", cure="leave --parent out")
    session = open_session(repository, order.tenant, order.workload, keep_until=order.keep_until)
    dated_ahead = _of_the_clock(session)
    progress = living(repository, session.session, progress)
    with ended_on_failure(session, progress), _begun(session, order) as backup:
        volume = write_stream(backup, stream, session.tenant.keys.gear(), name=VOLUME_NAME, progress=progress)
        finished = _commit(session, backup, STREAM, volume, None)
    return BackupReport(finished, Method.STREAM, (*_of_what_was_made(volume), *dated_ahead))


def _of_what_was_made(volume: VolumeMap) -> tuple[str, ...]:
    """A warning: an empty point is seldom meant."""
    return () if volume.size_bytes else ("nothing was there to read: the restore point is empty",)


def _of_the_clock(session: WriterSession) -> tuple[str, ...]:
    """A warning when the session was just opened: a point of tomorrow is the latest one until then. Later, one may be
    there of a backup that began after this one and was done before.
    """
    live = session.repository.ledger.state.live.values()
    latest = max((str(one["created"]) for one in live if one["workload"] == session.workload), default=session.started)
    if not session.repository.surroundings.is_yet_to_come(parse_time(latest)):
        return ()
    warning = (
        f"there is a restore point of {latest}, yet to come: it is `latest:{session.workload}` until then; "
        "a clock was wrong when it was made, or is now: restore by id, or delete it"
    )
    return (warning,)


@contextmanager
def _begun(session: WriterSession, order: BackupOrder, taken: TakenOver = NOTHING_TAKEN) -> Iterator[BackupSession]:
    """What the session writes with; uploads under way have ended when this has."""
    access, terms = session.repository.access(order.tenant), terms_of(session, order.level)
    backup = BackupSession.begin(access, terms, taken, trail_owner(session))
    try:
        yield backup
    finally:
        backup.abandon()


def _commit(
    session: WriterSession, backup: BackupSession, kind: str, volume: VolumeMap, parent: bytes | None
) -> FinishedBackup:
    packs = backup.finish()
    written = WrittenVolumes(
        kind=kind,
        volumes=(volume,),
        packs=packs,
        index=backup.index,
        verified=True,
        parent=parent,
        statistics=backup.counters.statistics(),
    )
    manifest = commit_point(session, written)
    return FinishedBackup(manifest, backup.counters, sum(pack.size_bytes for pack in packs))


def _parent(session: WriterSession, order: BackupOrder) -> tuple[Manifest | None, tuple[str, ...]]:
    """The parent that rule 3 lets this session inherit from: the one asked for, or the newest fit one."""
    repository = session.repository
    if order.parent == NO_PARENT:
        return None, ()
    if order.parent is None:
        return newest_parent(session, only_volume=True)
    point = find_point(repository, order.parent, order.tenant)
    manifest = load_manifest(repository, point)
    if point.workload != order.workload or len(fixed_volumes(manifest)) != 1 or not session.may_inherit(manifest):
        raise UsageError(
            f"{point.id} cannot be the parent",
            why=f"it is a {manifest.kind} of workload {point.workload}, or {OUTDATED}",
            cure="choose a point of the same workload, or --parent none",
        )
    return manifest, ()


def _only_volume(manifest: Manifest) -> VolumeMap:
    [volume] = fixed_volumes(manifest).values()
    return volume


def _changes(
    source: BlockSource, parent: VolumeMap | None, changed_blocks: ChangedBlocks | None
) -> tuple[Iterator[BlockReference] | None, tuple[str, ...]]:
    """What to read: by somebody's word where there is a list, else by the source's."""
    if changed_blocks is not None and parent is not None:
        return _with_growth(changed_blocks(source.size_bytes), source, parent.size_bytes), ()
    return changes_since(source, parent)


def _with_growth(listed: Iterator[BlockReference], source: BlockSource, parent_bytes: int) -> Iterator[BlockReference]:
    """The listed blocks, and behind the parent's end everything: nothing can be taken from it there."""
    if source.size_bytes <= parent_bytes:
        yield from listed
        return
    first_new = -(-parent_bytes // BLOCK_SIZE_BYTES)
    yield from (reference for reference in listed if reference.number < first_new)
    yield from (reference for reference in source.allocated() if reference.number >= first_new)
