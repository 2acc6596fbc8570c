"""Image backups whose end was not seen: the point was committed and could not be recorded, or an answer was lost.

Each was written down before its session in the repository was opened, with the snapshots that it reads; these stay
until it is settled. A commit and an end of that session exclude each other (ordering rule 4), so that asking for the
end says which it was: the point is recorded as its task would have done it, or there will never be one.
"""

import threading
from contextlib import suppress
from datetime import timedelta

from holdfast.appliance.points.configurations import Configurations, configuration_in
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.ports.records import OpenBackup
from holdfast.appliance.ports.repositories import BackedUp
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.session import LogLevel
from holdfast.domain.time import parse_time

_FIRST_ATTEMPT = 1
# How long a copy that was set aside can be gone on with. A collection that comes later ends its session (section 14).
SET_ASIDE = timedelta(days=1)


class Settlement:
    """Asked before each run of a policy, and every few minutes."""

    def __init__(self, surface: Surface, book: SessionBook, retention: RetentionWork) -> None:
        self._surface = surface
        self._book = book
        self._retention = retention
        # Who has looked may write: a point that another one recorded, and a person deleted since, must not come back.
        self._turn = threading.Lock()

    def settle(self) -> list[str]:
        """Settle every one that no task works on; a line for each that cannot be settled now."""
        left = []
        with self._turn:
            for backup in self._surface.records.open_backups.all():
                if self._is_under_way(backup) or self._may_be_gone_on_with(backup):
                    continue
                try:
                    self._settle(backup)
                except HoldfastError as error:
                    what = f"whether {backup.workload.id} has a restore point {backup.work} is not known yet"
                    left.append(f"{what}: {error.what}: {error.why}")
        return left

    def _is_under_way(self, backup: OpenBackup) -> bool:
        """Its task records it, or gives it up, by itself."""
        try:
            task = self._surface.records.sessions.task(backup.task_id)
        except NotFoundError:
            return False
        return not task.state.final or self._surface.engine().running(backup.task_id)

    def _may_be_gone_on_with(self, backup: OpenBackup) -> bool:
        aside = backup.set_aside
        return aside is not None and self._surface.surroundings.now() < aside.at + SET_ASIDE

    def _settle(self, backup: OpenBackup) -> None:
        if self._is_recorded(backup.work):
            self._surface.records.open_backups.remove(backup.work)
            return
        found = self._committed(backup)
        if found is None:
            self._surface.records.open_backups.remove(backup.work)
            self._retention.free(backup.workload, backup.snapshots.values())
            return
        done, sealed_configuration = found
        record_point(self._surface, backup, done, sealed_configuration)
        message = (
            f"restore point {done.point} of {backup.workload.id} was committed although its task failed: it is listed"
        )
        with suppress(NotFoundError):
            self._book.say(backup.session_id, message, LogLevel.WARNING, backup.task_id)
        self._retention.release_bases(backup.workload)

    def _is_recorded(self, point_id: str) -> bool:
        try:
            return self._surface.records.points.get(point_id).id == point_id
        except NotFoundError:
            return False

    def _committed(self, backup: OpenBackup) -> tuple[BackedUp, bytes] | None:
        """The point and its configuration, sealed; None where there will never be one, or nobody here knows where."""
        if backup.repository not in {known.name for known in self._surface.records.repositories.all()}:
            return None
        tenant = self._surface.tenant(backup.workload.account)
        with self._surface.repositories.open(backup.repository) as repository:
            stands = repository.abandon(backup.work) is not None
            self._unpin(backup)
            if not stands:
                return None
            done = repository.accept_backup(backup.work, _FIRST_ATTEMPT, b"")
            if done is None:
                return None
            try:
                text = repository.point_volumes(done.point, tenant)[1]
            except NotFoundError:
                return None  # deleted in the repository itself
        return done, Configurations(self._surface).seal(configuration_in(text, done.point))

    def _unpin(self, backup: OpenBackup) -> None:
        """What a copy had pinned is read no more, where its repository is still known here."""
        copies = backup.copies
        if copies is not None:
            with suppress(NotFoundError), self._surface.repositories.open(copies.repository) as source:
                source.end_reading(copies.reader)


def record_point(surface: Surface, backup: OpenBackup, done: BackedUp, sealed_configuration: bytes) -> RestorePoint:
    """The appliance knows the point and the base snapshots that the next backup needs; nothing of it is open."""
    point = RestorePoint(
        id=done.point,
        kind=PointKind.IMAGE_BACKUP if backup.copies is None else PointKind.ARCHIVE,
        workload=backup.workload,
        policy=backup.policy,
        created_at=parse_time(done.created),
        size_bytes=done.size_bytes,
        snapshots=backup.snapshots,
        repository=backup.repository,
        stored_bytes=done.stored_bytes,
        parent=done.parent,
        warnings=done.warnings,
        session_id=backup.session_id,
        flags=backup.flags,
        as_of=backup.as_of,
        copy_of=None if backup.copies is None else backup.copies.backup,
    )
    surface.records.points.add(point, sealed_configuration)
    surface.records.open_backups.remove(backup.work)
    return point
