"""Which backups a repository has, as its own points or as copies, and which of them lie nearest to one."""

from collections.abc import Iterable, Iterator

from holdfast.repository.format import names
from holdfast.repository.format.origin import Backup
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.points import PointSummary, list_points, stands
from holdfast.repository.trust.listing import objects_under


def backup_of(repository: Repository, point: PointSummary) -> Backup:
    """The backup that a point is, or that it is a copy of (section 10)."""
    return point.origin or Backup(repository.config.repository, point.session)


class BackupsHere:
    """The live points of a repository by their backup; of several copies of one the newest is found."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.points = list_points(repository)
        self._every = [(backup_of(repository, point), point) for point in self.points]
        self._by_backup = dict(self._every)

    def pass_over_gone(self) -> list[PointSummary]:
        """Count no more, and give back, what the ledger calls a point although its object is gone: a copy that nobody
        can restore from is none. A LIST tells what stands, and what it leaves out is asked for, and gone where it does
        not open. Nothing else is opened: of what a LIST shows `check` says whether it is damaged.
        """
        listed = {info.key for info in objects_under(self._repository.store, names.POINTS)}
        gone = [point for point in self.points if point.key not in listed and not stands(self._repository, point)]
        missing = {point.session for point in gone}
        self.points = [point for point in self.points if point.session not in missing]
        self._every = [(backup, point) for backup, point in self._every if point.session not in missing]
        self._by_backup = dict(self._every)
        return gone

    def find(self, backup: Backup) -> PointSummary | None:
        """The point that is that backup, or a copy of it."""
        return self._by_backup.get(backup)

    def add(self, backup: Backup, point: PointSummary) -> None:
        """It was made a moment ago."""
        self._every.append((backup, point))
        self._by_backup[backup] = point

    def of_workload(self, point: PointSummary) -> Iterator[tuple[Backup, PointSummary]]:
        """Those of the same workload and kind, every copy of one."""
        wanted = (point.tenant, point.workload, point.kind)
        return ((backup, here) for backup, here in self._every if (here.tenant, here.workload, here.kind) == wanted)


def nearest(
    point: PointSummary, candidates: Iterable[tuple[Backup, PointSummary]]
) -> list[tuple[Backup, PointSummary]]:
    """The likeliest to differ least from `point` first: what is older than it, newest first; then what is newer."""
    ascending = sorted(candidates, key=lambda one: (one[1].created, one[1].session))
    older = [one for one in ascending if one[1].created <= point.created]
    return [*reversed(older), *ascending[len(older) :]]
