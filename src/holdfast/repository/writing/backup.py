"""Make a restore point of one volume or stream: choose the parent, say what is trusted, write, commit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from holdfast.domain.errors import IntegrityError, NotFoundError, UsageError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference, BlockSource
from holdfast.repository.compression import CompressionLevel
from holdfast.repository.format.manifest import IMAGE, STREAM, Manifest
from holdfast.repository.format.map_node import CUT_FIXED
from holdfast.repository.opening import DEFAULT_TENANT, Repository
from holdfast.repository.points import PointSummary, find_point, list_points, load_manifest
from holdfast.repository.progress import Progress
from holdfast.repository.writing.backup_session import BackupSession, FinishedBackup
from holdfast.repository.writing.stream_writer import write_stream
from holdfast.repository.writing.volume_writer import Parent, write_volume

VOLUME_NAME = "volume"
NO_PARENT = "none"


class Method(Enum):
    """How an image backup knew what to read."""

    FULL = "full"
    CHANGED_BLOCKS = "changed-blocks"
    COMPARED = "compared"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class BackupOrder:
    """What to back up as what. `parent`: a point's name, `none`, or None for the workload's newest."""

    workload: str
    parent: str | None = None
    tenant: str = DEFAULT_TENANT
    level: CompressionLevel = CompressionLevel.DEFAULT


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
) -> BackupReport:
    """Back up a volume. `changed_blocks`, given the source's size, lists what may differ from the parent, by
    somebody's word.

    Raises UsageError for a list without a parent; anything that fails leaves no point.
    """
    _check_workload(order.workload)
    backup = BackupSession.begin(repository, order.tenant, order.workload, order.level)
    try:
        parent, passed_over = _parent(backup, order)
        if changed_blocks is not None and (parent is None or passed_over):
            raise UsageError(
                "a changed-block list needs its parent",
                why=passed_over[0]
                if passed_over
                else f"workload {order.workload} has no earlier point to take the other blocks from",
                cure="leave the list out; what is there is read and compared",
            )
        changed, warnings = _changes(source, parent, changed_blocks)
        volume = write_volume(backup, source, name=VOLUME_NAME, parent=parent, changed=changed, progress=progress)
        finished = backup.commit(IMAGE, [volume], None if parent is None else parent.manifest.session)
    finally:
        backup.abandon()
    method = Method.FULL if parent is None else Method.CHANGED_BLOCKS if changed is not None else Method.COMPARED
    return BackupReport(finished, method, (*passed_over, *warnings))


def backup_stream(repository: Repository, stream: BinaryIO, order: BackupOrder, progress: Progress) -> BackupReport:
    """Back up everything a stream gives, cut by content. Raises UsageError where a parent is asked for."""
    _check_workload(order.workload)
    if order.parent not in (None, NO_PARENT):
        raise UsageError("a stream has no parent", why="its chunks are found by content", cure="leave --parent out")
    backup = BackupSession.begin(repository, order.tenant, order.workload, order.level)
    try:
        volume = write_stream(backup, stream, name=VOLUME_NAME, progress=progress)
        finished = backup.commit(STREAM, [volume], None)
    finally:
        backup.abandon()
    return BackupReport(finished, Method.STREAM, ())


def _check_workload(name: str) -> None:
    if not name or not name.isprintable() or len(name.encode()) > 255 or name != name.strip():
        raise UsageError(
            f"{name!r} is no name for a workload",
            why="it must be 1 to 255 bytes of printable text",
            cure="choose another name",
        )


def _parent(backup: BackupSession, order: BackupOrder) -> tuple[Parent | None, tuple[str, ...]]:
    """The parent that rule 3 lets this session inherit from: the one asked for, or the newest fit one. A warning for
    each newer one that was passed over goes with it.
    """
    repository = backup.session.repository
    if order.parent == NO_PARENT:
        return None, ()
    if order.parent is not None:
        point = find_point(repository, order.parent, order.tenant)
        manifest = load_manifest(repository, point)
        if point.workload != order.workload or _fixed(manifest) is None or not backup.session.may_inherit(manifest):
            raise UsageError(
                f"{point.id} cannot be the parent",
                why=f"it is a {manifest.kind} of workload {point.workload}, or a collection has passed it",
                cure="choose a point of the same workload, or --parent none",
            )
        return _fixed(manifest), ()
    passed_over: list[str] = []
    for point in reversed(list_points(repository, order.tenant, order.workload)):
        if point.kind != IMAGE:
            continue
        parent, why = _if_fit(backup, point)
        if parent is not None:
            return parent, tuple(passed_over)
        passed_over.append(f"point {point.id} was passed over as the parent: {why}")
    return None, tuple(passed_over)


def _if_fit(backup: BackupSession, point: PointSummary) -> tuple[Parent | None, str]:
    """The point as a parent, or why it cannot be one."""
    try:
        manifest = load_manifest(backup.session.repository, point)
    except NotFoundError:
        return None, "it was deleted meanwhile"
    except IntegrityError:
        return None, "it is damaged; run `holdfast repository check`"
    if not backup.session.may_inherit(manifest):
        return None, "a collection has passed it"
    return _fixed(manifest), "it has several volumes"


def _fixed(manifest: Manifest) -> Parent | None:
    volumes = [volume for volume in manifest.volumes if volume.cut == CUT_FIXED]
    return Parent(manifest, volumes[0]) if len(volumes) == 1 else None


def _changes(
    source: BlockSource, parent: Parent | None, changed_blocks: ChangedBlocks | None
) -> tuple[Iterator[BlockReference] | None, tuple[str, ...]]:
    """What to read, and a warning where the source should have known what changed but no longer does."""
    if parent is None:
        return None, ()
    if changed_blocks is not None:
        return _with_growth(changed_blocks(source.size_bytes), source, parent.volume.size_bytes), ()
    changed = source.changed_since(parent.volume.source)
    base = parent.volume.source.get("snapshot")
    if changed is None and base is not None and source.facts.get("snapshot") is not None:
        return None, (f"what changed since {base} is not known any more: everything was read and compared",)
    return changed, ()


def _with_growth(listed: Iterator[BlockReference], source: BlockSource, parent_bytes: int) -> Iterator[BlockReference]:
    """The listed blocks, and behind the parent's end everything: nothing can be taken from it there."""
    if source.size_bytes <= parent_bytes:
        yield from listed
        return
    first_new = -(-parent_bytes // BLOCK_SIZE_BYTES)
    yield from (reference for reference in listed if reference.number < first_new)
    yield from (reference for reference in source.allocated() if reference.number >= first_new)
