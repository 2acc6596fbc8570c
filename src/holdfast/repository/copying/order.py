"""Which points a copy is about: those that are wanted, and which of them the target has already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.repository.copying.backups_here import BackupsHere, backup_of
from holdfast.repository.format.origin import Backup
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.points import PointSummary, find_point


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """Which points: by what names them, or all of these workloads; everything where neither is told."""

    points: Sequence[str] = ()
    workloads: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of the points that are wanted: those to copy, oldest first, and those that the target has, each with its own."""

    to_copy: tuple[PointSummary, ...]
    present: tuple[tuple[PointSummary, PointSummary], ...]


def choose(source: Repository, there: BackupsHere, here: BackupsHere, order: CopyOrder) -> Chosen:
    """What is to be copied. Of several copies of one backup one is. Raises NotFoundError and UsageError for an order
    that names nothing.
    """
    new: dict[Backup, PointSummary] = {}
    present: list[tuple[PointSummary, PointSummary]] = []
    for point in _wanted(source, there.points, order):
        backup = backup_of(source, point)
        copy = here.find(backup)
        if copy is None:
            new.setdefault(backup, point)
        else:
            present.append((point, copy))
    return Chosen(tuple(new.values()), tuple(present))


def _wanted(source: Repository, points: Sequence[PointSummary], order: CopyOrder) -> Iterable[PointSummary]:
    if order.points and order.workloads:
        raise UsageError(
            "which points are to be copied?",
            why="some were named, and workloads too",
            cure="give --restore-point or --workload",
        )
    if order.points:
        named = {find_point(source, text, None).session for text in order.points}
        return (point for point in points if point.session in named)
    for workload in order.workloads:
        if not any(point.workload == workload for point in points):
            raise NotFoundError(
                f"there is no restore point of workload {workload}",
                why=f"{source.store.location} has {len(points)} points of others",
                cure="see `holdfast image list`",
            )
    return (point for point in points if not order.workloads or point.workload in order.workloads)
