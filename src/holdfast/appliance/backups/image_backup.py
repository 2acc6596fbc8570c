"""The image backup of one instance: a session in the repository, a worker's errand, a commit that makes a point.

Volumes that were read stay as snapshots until the next backup is committed: EBS tells what changed only while both
stand (E10). If the one before is gone, everything is read and compared, and the task ends with a warning that says so.
"""

from dataclasses import asdict, replace
from datetime import datetime

from holdfast.appliance.backups.point_making import PointMaking, in_session
from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.damage import NOT_LOOKED_AT, PointDamage, remark_on
from holdfast.appliance.points.damaged_packs import damaged_packs
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
from holdfast.appliance.workers.errands import ErrandFacts, lock_days
from holdfast.domain.errors import HoldfastError
from holdfast.domain.policy import BackupTarget, WorkerMode
from holdfast.domain.retention import promised_until
from holdfast.domain.session import Task
from holdfast.domain.tiers import limits_of
from holdfast.protocol.encoding import to_json
from holdfast.protocol.worker_messages import TaskKind

COMPARED = "the snapshot before was gone: everything was read and compared"


class ImageBackup:
    """The part of a backup task that moves data."""

    def __init__(self, surface: Surface, book: SessionBook, making: PointMaking, damage: PointDamage) -> None:
        self._surface = surface
        self._book = book
        self._making = making
        self._damage = damage

    async def run(self, step: Step, task_id: str, snapshots: dict[str, str]) -> None:
        """From the repository's session to the recorded point. Raises what it failed with, with nothing left."""
        facts = _facts_of(await step(self.new_session, task_id))
        try:
            await self._making.run(step, _BackupErrand(self._surface, facts, snapshots))
        except HoldfastError as error:
            look, session_id = self.look_at_parent, facts.session_id
            await undone(step, self._book, session_id, look, task_id, error, later=NOT_LOOKED_AT)
            raise

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

    def look_at_parent(self, task_id: str, error: HoldfastError) -> None:
        """A map of the point before may be what it has failed with: then the next backup does not build upon it."""
        task, target = _task_of(self._surface, task_id)
        points = self._surface.records.points.of_workload(task.workload)
        before = [one for one in points if one.repository == target.repository]
        if before:
            self._damage.look_after_failure(task.session_id, task_id, before[-1].id, error)


class _BackupErrand:
    """A backup, as the fleet sees it, and as it becomes a point."""

    def __init__(self, surface: Surface, facts: ErrandFacts, snapshots: dict[str, str]) -> None:
        self._surface = surface
        self._facts = facts
        self._snapshots = snapshots
        self._task_id = facts.task_id
        self._work = facts.work

    @property
    def facts(self) -> ErrandFacts:
        """Its mode is the policy's."""
        return self._facts

    def in_session(self, work: str) -> "_BackupErrand":
        """In that one of the repository."""
        return _BackupErrand(self._surface, replace(self._facts, work=work), self._snapshots)

    def remarks(self) -> tuple[str, ...]:
        """What it avoids."""
        return remark_on(self._damaged_packs())

    def open(self) -> PreparedWork:
        """With its first attempt."""
        return self._prepared(1)

    def prepare(self, attempt: int) -> PreparedWork:
        """In the session that was opened, and no other."""
        return in_session(self._prepared(attempt), self._work)

    def _prepared(self, attempt: int) -> PreparedWork:
        """The same for every attempt but its number."""
        task, target = _task_of(self._surface, self._task_id)
        configuration = Configurations(self._surface).kept(self._task_id)
        volumes = [
            SourceVolume(
                volume.device,
                {
                    "kind": "ebs",
                    "snapshot": self._snapshots[volume.volume_id],
                    "region": task.workload.region,
                    "volume": volume.volume_id,
                },
            )
            for volume in (configuration.volumes if configuration is not None else ())
            if volume.volume_id in self._snapshots
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
                self._damaged_packs(),
            )

    def _damaged_packs(self) -> frozenset[str]:
        """What verifications of this instance's points have found damaged: new points do not build upon it."""
        task, target = _task_of(self._surface, self._task_id)
        points = self._surface.records.points.of_workload(task.workload)
        return damaged_packs(self._surface, points, target.repository)

    def _promise(self) -> datetime | None:
        """What the policy's limits by time promise, counted from when the run began: never longer than they keep it."""
        task, order = self._order()
        _, target = _task_of(self._surface, self._task_id)
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
            reads_snapshots=tuple(dict.fromkeys([*self._snapshots.values(), *work.base_snapshots])),
            instance_type=choice.instance_type,
            volume_bytes=task.progress.total_bytes,
            lock_days=lock_days(work, self._surface.surroundings.now()),
            subnet_id=choice.subnet_id,
            security_group_ids=choice.security_group_ids,
            tags=choice.tags,
        )

    def open_backup(self) -> OpenBackup:
        """As it is written down until its end was seen."""
        task, order = self._order()
        _, target = _task_of(self._surface, self._task_id)
        as_of = self._surface.records.sessions.get(task.session_id).created_at
        return OpenBackup(
            work=self._work,
            repository=target.repository,
            session_id=task.session_id,
            task_id=task.id,
            workload=task.workload,
            policy=order.policy_name,
            snapshots=self._snapshots,
            flags=flags_of_backup(self._surface, order, target, task.workload, as_of),
            as_of=as_of,
        )

    def finished(self, attempt: int) -> bool:
        """A result that is there is committed at once: asked again it is the same."""
        return self.accept(attempt) is not None

    def accept(self, attempt: int) -> BackedUp | None:
        """Check and commit. The repository seals what is in it: there the configuration is stored whole."""
        _, target = _task_of(self._surface, self._task_id)
        configuration = Configurations(self._surface).kept(self._task_id)
        with self._surface.repositories.open(target.repository) as repository:
            done = repository.accept_backup(
                self._work, attempt, b"" if configuration is None else to_json(configuration)
            )
        if done is None or not (done.compared_everything and done.parent):
            return done
        return replace(done, warnings=(*done.warnings, COMPARED))

    def abandon(self) -> str | None:
        """Nobody can commit it any more; the point's id where somebody did."""
        _, target = _task_of(self._surface, self._task_id)
        with self._surface.repositories.open(target.repository) as repository:
            return repository.abandon(self._work)

    def set_aside(self, error: HoldfastError) -> OpenBackup | None:
        """Never: its snapshots go, so that the next backup reads others."""
        return None

    def clean(self) -> None:
        """The task and its result go."""
        _, target = _task_of(self._surface, self._task_id)
        with self._surface.repositories.open(target.repository) as repository:
            repository.remove_stale_scratch([self._work])

    def sealed_configuration(self) -> bytes:
        """As it was described when the task began."""
        return Configurations(self._surface).sealed(self._task_id) or b""

    def _order(self) -> tuple[Task, TaskOrder]:
        task = self._surface.records.sessions.task(self._task_id)
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
