"""Restore points: found, read, restored, retired."""

import time
from collections.abc import Callable

from holdfast.domain.retrieval import RetrievalOrder
from holdfast.domain.time import parse_time
from holdfast.repository.block_source import BlockTarget
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.health.checking.verify import VerifyReport, verify_point
from holdfast.repository.progress import Progress
from holdfast.repository.reading.restore import RestoreReport, restore_volume
from holdfast.repository.reading.retrieval import retrieving
from holdfast.repository.reading.retrieval.plan import plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import KeepingProgress, Retrieval
from holdfast.repository.sessions.points import PointSummary, find_point, list_points, load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.wiring.local.opening import LocalRepository
from holdfast.wiring.targets import open_target


def find(opened: LocalRepository, point: str) -> PointSummary:
    """The point that a person named."""
    return find_point(opened.repository, point, None)


def is_yet_to_come(opened: LocalRepository, point: PointSummary) -> bool:
    """Whether it is dated later than now: then a clock was wrong when it was made, or is now."""
    return opened.repository.surroundings.is_yet_to_come(parse_time(point.created))


def listed(opened: LocalRepository, workload: str | None) -> list[PointSummary]:
    """Restore points, oldest first."""
    return list_points(opened.repository, None, workload)


def manifest(opened: LocalRepository, point: str) -> Manifest:
    """Everything that a point says of itself."""
    return load_manifest(opened.repository, find(opened, point))


def target(text: str, point: PointSummary, *, force: bool) -> BlockTarget:
    """What `text` names for a volume of the point: a file, a device, `-` or `ebs:`. Nothing is written yet."""
    return open_target(text, point, force=force)


def retrieval(
    opened: LocalRepository,
    point: PointSummary,
    volume: str | None,
    met: frozenset[str] = frozenset(),
    *,
    whole: bool,
    salvage: bool = False,
) -> Retrieval:
    """What has to be retrieved before that volume, or with `whole` all of the point, can be read; with `salvage` what
    there is of it. `met`: what a NeedsRetrievalError named. Asks for nothing.
    """
    volumes = None if whole else (volume,)
    plan = plan_retrieval(opened.repository, point, volumes, salvage=salvage, met=met)
    return Retrieval(opened.repository, plan, opened.jobs)


def retrieve(
    opened: LocalRepository, wanted: Retrieval, order: RetrievalOrder, progress: Progress, *, wait: bool
) -> int:
    """Ask for it, and wait with this machine's clock; how many packs were asked for."""
    return retrieving.retrieve(opened.repository, wanted, order, progress, time.sleep if wait else None)


def restore(
    opened: LocalRepository,
    point: PointSummary,
    place: Callable[[], BlockTarget],
    retrieved: Retrieval,
    progress: Progress,
    *,
    volume: str | None,
    salvage: bool,
    retrieves: bool,
) -> RestoreReport:
    """Restore a volume of the point to `place`, with `salvage` what there is of it; copies that were retrieved for it
    are kept while it goes on. `retrieves`: so is what a NeedsRetrievalError names.
    """
    keeping = KeepingProgress(progress, retrieved)
    return restore_volume(opened.repository, point, place(), keeping, volume, salvage=salvage, retrieves=retrieves)


def verify(opened: LocalRepository, point: PointSummary, retrieved: Retrieval, progress: Progress) -> VerifyReport:
    """Read all of a point as a restore would; copies that were retrieved for it are kept while it goes on."""
    return verify_point(opened.repository, point, KeepingProgress(progress, retrieved))


def delete(opened: LocalRepository, point: PointSummary) -> None:
    """Retire a point: it is no more, and what only it needs may be collected one day."""
    retire(opened.repository, point.session, point.key)
