"""What an archive has of a workload already: which of it counts, and what was begun and may be gone on with."""

from datetime import datetime

from holdfast.appliance.points.damage import PointDamage, lack_of
from holdfast.appliance.points.damaged_packs import damaged_packs
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.session import LogLevel, Task
from holdfast.domain.time import format_time


class ArchivesThere:
    """Asked by the task of a workload, which is told what counts for none."""

    def __init__(self, surface: Surface, book: SessionBook, damage: PointDamage) -> None:
        self._surface = surface
        self._book = book
        self._damage = damage

    def whole(self, task: Task, archive: str, backup: str) -> list[RestorePoint]:
        """Those of that backup that nothing is wrong with, oldest first. They are looked at; where there is none the
        newest is, for the next one is built upon it.
        """
        archives = [one for one in self._points(task) if one.kind == PointKind.ARCHIVE and one.repository == archive]
        whole = [one for one in archives if not one.is_hurt]
        mine = [one for one in whole if one.copy_of == backup]
        looked = [self._damage.look(one) for one in mine or whole[-1:]]
        there = [one for one in looked if not one.is_hurt and one.copy_of == backup]
        known = [] if there else [one for one in archives if one.is_hurt and one.copy_of == backup]
        for one in (*known, *(one for one in looked if one.is_hurt)):
            what = f"{lack_of(one)}: it counts for none, and nothing is built upon that"
            self._book.say(task.session_id, what, LogLevel.WARNING, task.id)
            self._book.result(task.id, {}, [what])
        return there

    def that_promises(self, task: Task, there: list[RestorePoint], promise: datetime | None) -> RestorePoint | None:
        """Of these the first that an immutable repository keeps as long as the flags do: a promise that was made grows
        no longer, so that the flags fall to another copy where it is too short.
        """
        if not there or promise is None:
            return next(iter(there), None)
        tenant = self._surface.tenant(task.workload.account)
        with self._surface.repositories.open(there[0].repository or "") as repository:
            kept = next((one for one in there if repository.promises(one.id, tenant, promise)), None)
        if kept is None:
            what = f"{task.workload.id}: archive {there[-1].id} is promised less than until {format_time(promise)}"
            self._book.say(task.session_id, f"{what}: another copy is made that is", LogLevel.INFO, task.id)
        return kept

    def session(self, task: Task, archive: str, newest: RestorePoint, promise: datetime | None) -> tuple[str, int]:
        """The session in the archive in which that backup is copied, and the number of the next attempt there: that of
        an earlier run of the same copy, of which every worker was lost, or a new one. Nothing that was begun beside
        damage is gone on with.
        """
        damaged = damaged_packs(self._surface, self._points(task), archive)
        for left in () if damaged else self._surface.records.open_backups.all():
            aside, copied = left.set_aside, "" if left.copies is None else left.copies.point
            if aside and (left.repository, copied, aside.keep_until) == (archive, newest.id, promise):
                return left.work, aside.attempts + 1
        with self._surface.repositories.open(archive) as repository:
            return repository.new_session(), 1

    def _points(self, task: Task) -> list[RestorePoint]:
        """As they are known now: a look may have found something."""
        return self._surface.records.points.of_workload(task.workload)
