"""The image backup of one instance: a session in the repository, a worker's errand, a commit that makes a point.

Volumes that were read stay as snapshots until the next backup is committed: EBS tells what changed only while both
stand (E10). If the one before is gone, everything is read and compared, and the task ends with a warning that says so.
"""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from holdfast.appliance.backups.settlement import record_point
from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.policies.flagging import flags_of_backup
from holdfast.appliance.policies.schedules import zone_of
from holdfast.appliance.policies.task_order import TaskOrder, order_of
from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.ports.records import OpenBackup
from holdfast.appliance.ports.repositories import BackedUp, PreparedWork, SourceVolume
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.errands import ErrandFacts
from holdfast.appliance.workers.fleet import WorkerFleet
from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.domain.numerals import counted
from holdfast.domain.policy import BackupTarget, WorkerMode
from holdfast.domain.retention import promised_until
from holdfast.domain.session import LogLevel, Task, TaskProgress
from holdfast.domain.tiers import limits_of
from holdfast.protocol.encoding import to_json
from holdfast.protocol.worker_messages import TaskKind

COMPARED = "the snapshot before was gone: everything was read and compared"


class ImageBackup:
    """The part of a backup task that moves data."""

    def __init__(self, surface: Surface, book: SessionBook, fleet: WorkerFleet, retention: RetentionWork) -> None:
        self._surface = surface
        self._book = book
        self._fleet = fleet
        self._retention = retention

    async def run(self, step: Step, task_id: str, snapshots: dict[str, str]) -> None:
        """From the repository's session to the recorded point. Raises what it failed with, with nothing left."""
        facts = _facts_of(await step(self.new_session, task_id))
        errand = _BackupErrand(self._surface, facts, snapshots)
        try:
            opened: str = await step(self.open_session, errand)
            errand = _BackupErrand(self._surface, replace(facts, work=opened), snapshots)
            attempt = await self._fleet.run(step, errand)
            backed_up = await step(self.commit, errand, attempt)
        except HoldfastError as error:
            backed_up = await step(self.abandon, errand, error)
            if backed_up is None:
                raise
        await step(self.record, errand, backed_up)
        await undone(step, self._book, errand.facts.session_id, self.release, errand)

    def new_session(self, task_id: str) -> dict[str, str]:
        """The id of the repository's session: remembered before it is opened, so that none is lost."""
        task, target = _task_of(self._surface, task_id)
        self._book.check_cancelled(task.session_id)
        order = order_of(self._surface.records.sessions.details(task.session_id))
        with self._surface.repositories.open(target.repository) as repository:
            work = repository.new_session()
        facts = ErrandFacts(
            TaskKind.BACKUP, task.session_id, task.id, work, task.workload.region, order.policy.worker.mode
        )
        return {name: str(value) for name, value in asdict(facts).items()}

    def open_session(self, errand: "_BackupErrand") -> str:
        """Open it, with the first attempt's task. It may be another one: see the port. Whatever becomes of this task,
        it is settled by what is written down here.
        """
        kept, meant = self._surface.records.open_backups, errand.open_backup(errand.facts.work)
        kept.put(meant)
        if damaged := errand.damaged_packs():
            what = f"{counted(len(damaged), 'damaged pack')} of earlier restore points: nothing is built upon them"
            self._book.say(errand.facts.session_id, what, LogLevel.WARNING, errand.task_id)
        opened = errand.prepared(1).session
        if opened != meant.work:
            kept.put(errand.open_backup(opened))
            kept.remove(meant.work)
        return opened

    def commit(self, errand: "_BackupErrand", attempt: int) -> dict[str, Any]:
        """Check the worker's result and commit: from here on there is a restore point."""
        self._book.stage(errand.task_id, "committing the restore point")
        backed_up = errand.accept(attempt)
        if backed_up is None:
            raise UnavailableError(
                "the worker said that it is done, and its result is not there",
                why="the repository has no result of that attempt",
                cure="run the policy again; the next backup reads what changed since the last point",
            )
        return asdict(backed_up)

    def record(self, errand: "_BackupErrand", backed_up: dict[str, Any]) -> None:
        """The appliance knows the point, and the base snapshots that the next backup needs."""
        surface, done = self._surface, BackedUp(**{**backed_up, "warnings": tuple(backed_up["warnings"])})
        task, _ = _task_of(surface, errand.task_id)
        warnings = (*done.warnings, *([COMPARED] if done.compared_everything and done.parent else []))
        done = replace(done, warnings=warnings)
        record_point(surface, errand.open_backup(done.point), done, Configurations(surface).sealed(task.id) or b"")
        figures: dict[str, str | int] = {
            "restore_point": done.point,
            "size_bytes": done.size_bytes,
            "read_bytes": done.read_bytes,
            "changed_bytes": done.changed_bytes,
            "stored_bytes": done.stored_bytes,
        }
        self._book.result(task.id, figures, warnings)
        moved = TaskProgress(done.size_bytes, done.size_bytes, done.read_bytes, done.stored_bytes)
        self._book.change(task.id, lambda task: replace(task, progress=moved))
        self._book.say(task.session_id, f"{task.workload.id}: restore point {done.point}", LogLevel.INFO, task.id)

    def release(self, errand: "_BackupErrand") -> None:
        """The snapshots of the points before are needed no more, nor is what the worker's task left."""
        task, _ = _task_of(self._surface, errand.task_id)
        self._retention.release_bases(task.workload)
        errand.remove_scratch()

    def abandon(self, errand: "_BackupErrand", error: HoldfastError) -> dict[str, Any] | None:
        """There will be no point of that session; where a commit came before the error, it is what counts. What cannot
        be given up now is settled later.
        """
        session_id = errand.facts.session_id
        try:
            if errand.abandon() is None:
                self._surface.records.open_backups.remove(errand.facts.work)
                return None
            backed_up = errand.accept(1)
        except HoldfastError as other:
            message = f"the repository's session was not given up, and is looked at again: {other.what}: {other.why}"
            self._book.say(session_id, message, LogLevel.WARNING, errand.task_id)
            return None
        message = f"the restore point was committed before this happened: {error.what}: {error.why}"
        self._book.result(errand.task_id, {}, [message])
        return None if backed_up is None else asdict(backed_up)


class _BackupErrand:
    """A backup, as the fleet sees it."""

    def __init__(self, surface: Surface, facts: ErrandFacts, snapshots: dict[str, str]) -> None:
        self._surface = surface
        self._facts = facts
        self.task_id = facts.task_id
        self.snapshots = snapshots
        self._work = facts.work

    @property
    def facts(self) -> ErrandFacts:
        """Its mode is the policy's."""
        return self._facts

    def prepare(self, attempt: int) -> PreparedWork:
        """In the session that was opened, and no other."""
        work = self.prepared(attempt)
        if work.session != self._work:
            raise UnavailableError(
                "the repository's session was ended while its worker was prepared",
                why="something else gave it up: garbage collection, or another appliance",
                cure="run the policy again",
            )
        return work

    def prepared(self, attempt: int) -> PreparedWork:
        """The same for every attempt but its number."""
        task, target = _task_of(self._surface, self.task_id)
        configuration = Configurations(self._surface).kept(self.task_id)
        volumes = [
            SourceVolume(
                volume.device,
                {
                    "kind": "ebs",
                    "snapshot": self.snapshots[volume.volume_id],
                    "region": task.workload.region,
                    "volume": volume.volume_id,
                },
            )
            for volume in (configuration.volumes if configuration is not None else ())
            if volume.volume_id in self.snapshots
        ]
        tenant = self._surface.tenant(task.workload.account)
        with self._surface.repositories.open(target.repository) as repository:
            name = task.workload.repository_name
            return repository.prepare_backup(
                self._work,
                attempt,
                tenant,
                name,
                volumes,
                target.compression,
                self._promise(),
                self.damaged_packs(),
            )

    def damaged_packs(self) -> frozenset[str]:
        """What verifications of this instance's points have found damaged: new points do not build upon it."""
        task, target = _task_of(self._surface, self.task_id)
        workload = task.workload
        points = self._surface.records.points.of_workload(workload.account, workload.region, workload.id)
        found = [one.verification for one in points if one.repository == target.repository and one.verification]
        return frozenset().union(*(one.damaged_packs for one in found))

    def _promise(self) -> datetime | None:
        """What the policy's limits by time promise, counted from when the run began: never longer than they keep it."""
        task, order = self._order()
        _, target = _task_of(self._surface, self.task_id)
        as_of = self._surface.records.sessions.get(task.session_id).created_at
        flags = flags_of_backup(self._surface, order, target, task.workload, as_of)
        return promised_until(limits_of(target.retention), flags, as_of, zone_of(target))

    def order(self, owner: Ownership, work: PreparedWork) -> WorkerOrder:
        """A worker in the instance's region that may read exactly these snapshots, and those of the point before."""
        task, order = self._order()
        choice = order.policy.worker
        return WorkerOrder(
            owner=owner,
            repository_location=work.location,
            repository_session=work.session,
            reads_snapshots=tuple(dict.fromkeys([*self.snapshots.values(), *work.base_snapshots])),
            instance_type=choice.instance_type,
            volume_bytes=task.progress.total_bytes,
            lock_days=None if work.locks_until is None else self._days_until(work.locks_until),
            subnet_id=choice.subnet_id,
            security_group_ids=choice.security_group_ids,
            tags=choice.tags,
        )

    def _days_until(self, end: datetime) -> int:
        """Whole days, rounded up, with one more: clocks differ, and the worker locks from its own now on."""
        return (end - self._surface.surroundings.now()).days + 2

    def open_backup(self, work: str) -> OpenBackup:
        """As it is written down until its end was seen."""
        task, order = self._order()
        _, target = _task_of(self._surface, self.task_id)
        as_of = self._surface.records.sessions.get(task.session_id).created_at
        return OpenBackup(
            work=work,
            repository=target.repository,
            session_id=task.session_id,
            task_id=task.id,
            workload=task.workload,
            policy=order.policy_name,
            snapshots=self.snapshots,
            flags=flags_of_backup(self._surface, order, target, task.workload, as_of),
            as_of=as_of,
        )

    def finished(self, attempt: int) -> bool:
        """A result that is there is committed at once: asked again it is the same."""
        return self.accept(attempt) is not None

    def accept(self, attempt: int) -> BackedUp | None:
        """Check and commit. The repository seals what is in it: there the configuration is stored whole."""
        _, target = _task_of(self._surface, self.task_id)
        configuration = Configurations(self._surface).kept(self.task_id)
        with self._surface.repositories.open(target.repository) as repository:
            return repository.accept_backup(
                self._work, attempt, b"" if configuration is None else to_json(configuration)
            )

    def abandon(self) -> str | None:
        """Nobody can commit it any more; the point's id where somebody did."""
        _, target = _task_of(self._surface, self.task_id)
        with self._surface.repositories.open(target.repository) as repository:
            return repository.abandon(self._work)

    def remove_scratch(self) -> None:
        """The task and its result."""
        _, target = _task_of(self._surface, self.task_id)
        with self._surface.repositories.open(target.repository) as repository:
            repository.remove_stale_scratch([self._work])

    def _order(self) -> tuple[Task, TaskOrder]:
        task = self._surface.records.sessions.task(self.task_id)
        return task, order_of(self._surface.records.sessions.details(task.session_id))


def _facts_of(remembered: dict[str, str]) -> ErrandFacts:
    return ErrandFacts(
        kind=TaskKind(remembered["kind"]),
        session_id=remembered["session_id"],
        task_id=remembered["task_id"],
        work=remembered["work"],
        region=remembered["region"],
        mode=WorkerMode(remembered["mode"]),
    )


def _task_of(surface: Surface, task_id: str) -> tuple[Task, BackupTarget]:
    task = surface.records.sessions.task(task_id)
    target = order_of(surface.records.sessions.details(task.session_id)).policy.backup
    if target is None:
        raise ValueError("a task without a backup target has no image backup")
    return task, target
