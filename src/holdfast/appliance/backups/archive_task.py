"""One workload's archive: its newest image backup is copied by a worker, or is there already and stays for one reason
more. One that is damaged counts for none: another one is made.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from holdfast.appliance.backups.archive_errand import Archived, ArchiveErrand, backup_of
from holdfast.appliance.backups.archives_there import ArchivesThere
from holdfast.appliance.backups.point_making import PointMaking
from holdfast.appliance.points.damage import PointDamage
from holdfast.appliance.points.newest import newest_backups
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.policies.flagging import flags_of_archive
from holdfast.appliance.policies.schedules import zone_of
from holdfast.appliance.policies.task_order import TaskOrder, order_of
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.ports.records import OpenBackup, OpenCopy
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.errands import ErrandFacts
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.policy import ArchiveTarget, BackupTarget
from holdfast.domain.restore_point import Flag, RestorePoint
from holdfast.domain.retention import promised_until
from holdfast.domain.session import LogLevel, Task
from holdfast.domain.tiers import archive_tiers
from holdfast.protocol.worker_messages import TaskKind


class ArchiveTask:
    """The workflow `archive-task`."""

    def __init__(
        self, surface: Surface, book: SessionBook, making: PointMaking, retention: RetentionWork, damage: PointDamage
    ) -> None:
        self._surface = surface
        self._book = book
        self._making = making
        self._retention = retention
        self._there = ArchivesThere(surface, book, damage)

    async def run(self, step: Step, task_id: str) -> None:
        """The task, to its end; other tasks go on whatever becomes of it."""
        if not await step(self.begin, task_id):
            return
        try:
            chosen: dict[str, Any] | None = await step(self.choose, task_id)
            if chosen is not None:
                await self._making.run(step, self._errand(task_id, Archived.of(chosen)))
        except HoldfastError as error:
            await step(self.end, task_id, error)
            return
        await step(self.end, task_id, None)

    def begin(self, task_id: str) -> bool:
        """Whether there is anything to do: not when it was cancelled while it waited."""
        return not self._book.begin_task(task_id).state.final

    def choose(self, task_id: str) -> dict[str, Any] | None:
        """The newest backup of this moment, with the ids of the reader and of the archive's session, which are
        remembered before anything is opened; None where it is archived already. The archive that this depends upon is
        looked at first, be it of this backup, or the one that the next is built upon.
        """
        task, order = self._task(task_id)
        self._book.check_cancelled(task.session_id)
        backup, archive = _targets(order)
        points = self._surface.records.points.of_workload(task.workload)
        newest = next(iter(newest_backups(points, order.policy)), None)
        if newest is None:
            raise NotFoundError(
                f"{task.workload.id} has no image backup any more",
                why="the last one was deleted while this task waited",
                cure=f"make one: holdfast policy run {order.policy_name}",
            )
        there = self._there.whole(task, archive.repository, backup_of(newest))
        as_of = self._surface.records.sessions.get(task.session_id).created_at
        flags = flags_of_archive(self._surface, order, task.workload, as_of)
        promise = promised_until(archive_tiers(archive), flags, newest.created_at, zone_of(backup))
        kept = self._there.that_promises(task, there, promise)
        if kept is not None:
            self._is_there(task, kept, newest, flags, as_of)
            return None
        with self._surface.repositories.open(backup.repository) as repository:
            reader = repository.new_session()
        work, first_attempt = self._there.session(task, archive.repository, newest, promise)
        opened = OpenBackup(
            work=work,
            repository=archive.repository,
            session_id=task.session_id,
            task_id=task.id,
            workload=task.workload,
            policy=order.policy_name,
            snapshots={},
            flags=flags,
            as_of=as_of,
            copies=OpenCopy(backup.repository, newest.id, reader, backup_of(newest)),
        )
        tenant = self._surface.tenant(task.workload.account)
        return Archived(opened, newest.size_bytes, tenant, promise, first_attempt).remembered()

    def end(self, task_id: str, error: HoldfastError | None) -> None:
        """It has ended."""
        self._book.end_task(task_id, error)

    def _is_there(
        self, task: Task, archived: RestorePoint, newest: RestorePoint, flags: tuple[Flag, ...], as_of: datetime
    ) -> None:
        """Nothing was backed up since: the archive stays for what this run was for, too, and no later one owes it."""

        def kept(point: RestorePoint) -> RestorePoint:
            every = tuple(flag for flag in Flag if flag in (*point.flags, *flags))
            return replace(point, flags=every, as_of=as_of)

        if archived.policy == newest.policy:
            self._retention.change(archived, kept)
        message = f"{task.workload.id}: its newest backup {newest.id} is archived already, as {archived.id}"
        self._book.say(task.session_id, message, LogLevel.INFO, task.id)
        self._book.result(task.id, {"restore_point": archived.id, "stored_bytes": 0})

    def _errand(self, task_id: str, what: Archived) -> ArchiveErrand:
        task, order = self._task(task_id)
        work, mode = what.backup.work, order.policy.worker.mode
        region, first = task.workload.region, what.first_attempt
        facts = ErrandFacts(TaskKind.COPY, task.session_id, task.id, work, region, mode, first)
        return ArchiveErrand(self._surface, facts, what, order.policy)

    def _task(self, task_id: str) -> tuple[Task, TaskOrder]:
        task = self._surface.records.sessions.task(task_id)
        return task, order_of(self._surface.records.sessions.details(task.session_id))


def _targets(order: TaskOrder) -> tuple[BackupTarget, ArchiveTarget]:
    policy = order.policy
    if policy.backup is None or policy.archive is None:
        raise ValueError("an archive is of a policy that has one, and backups")
    return policy.backup, policy.archive
