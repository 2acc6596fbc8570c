"""One resource from snapshot to restore point: describe, snapshot, wait; then the image backup, if one is meant.

The workflow below is the whole story; each line that says `step` happens at least once and is remembered.
"""

from holdfast.appliance.backups.image_backup import ImageBackup
from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.points.snapshot_points import SnapshotPoints
from holdfast.appliance.policies.task_order import TaskOrder, order_of
from holdfast.appliance.ports.cloud import Compute, Ownership
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.sessions.waiting import until_completed
from holdfast.appliance.surface import OWN_ACCOUNT, Surface
from holdfast.domain import ownership
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.numerals import counted
from holdfast.domain.session import Task
from holdfast.domain.workload import InstanceConfiguration, VolumeConfiguration


class BackupTask:
    """Backs up one instance; the workflow `instance-task`."""

    def __init__(self, surface: Surface, book: SessionBook, image: ImageBackup, retention: RetentionWork) -> None:
        self._surface = surface
        self._book = book
        self._points = SnapshotPoints(surface, book)
        self._image = image
        self._retention = retention
        self._configurations = Configurations(surface)

    async def run(self, step: Step, task_id: str) -> None:
        """The task, to its end; other tasks go on whatever becomes of it."""
        if not await step(self.begin, task_id):
            return
        snapshots: dict[str, str] = {}
        try:
            volumes = await step(self.describe, task_id)
            snapshots = await step(self.snapshot, task_id, volumes)
            await step(self.until_completed, task_id, snapshots)
            backs_up = await step(self.record_snapshots, task_id, snapshots)
            if backs_up:
                await self._image.run(step, task_id, snapshots)
            await step(self.finish, task_id)
        except HoldfastError as error:
            session_id = await step(self.session_of, task_id)
            await undone(step, self._book, session_id, self.remove_snapshots, task_id, snapshots)
            await step(self.fail, task_id, error)

    def begin(self, task_id: str) -> bool:
        """Whether there is anything to do: not when it was cancelled while it waited."""
        return not self._book.begin_task(task_id).state.final

    def describe(self, task_id: str) -> list[str]:
        """Keep how the instance is made up; the ids of the volumes that are meant."""
        task, order = self._task(task_id)
        self._book.check_cancelled(task.session_id)
        configuration = self._configurations.kept(task_id)
        if configuration is None:
            configuration = self._compute(task).configuration(task.workload.id)
            self._configurations.keep(task_id, configuration)
        meant = meant_volumes(configuration, order)
        if not meant:
            raise NotFoundError(
                f"{task.workload.id} has no volume to protect",
                why="it has none, or the policy leaves each of them out",
                cure="look at spec.exclude of the policy, or exclude the instance",
            )
        return [volume.volume_id for volume in meant]

    def snapshot(self, task_id: str, volumes: list[str]) -> dict[str, str]:
        """One crash-consistent set of all volumes that are meant; volume id -> snapshot id."""
        task, order = self._task(task_id)
        target = order.snapshot
        name = order.policy_name or "a person's wish"
        self._book.stage(task_id, f"taking snapshots of {counted(len(volumes), 'volume')}")
        return self._compute(task).create_snapshots(
            self._owner(task, order),
            task.workload.id,
            tuple(volumes),
            target.tags if target is not None else {},
            f"Holdfast: {task.workload.id}, {name}",
            copy_tags=target.copy_tags if target is not None else False,
        )

    async def until_completed(self, task_id: str, snapshots: dict[str, str]) -> None:
        """EBS copies in its own time; no thread waits for it."""
        surface = self._surface
        task, order = self._task(task_id)
        compute, ids = self._compute(task), tuple(snapshots.values())
        await until_completed(surface, self._book, task.session_id, compute, ids, lambda percent: None)
        account = surface.account(task.workload.account)
        if order.backs_up and account.role_arn is not None:
            own = await surface.surroundings.aside(surface.cloud.identity, OWN_ACCOUNT)
            await surface.surroundings.aside(compute.share_snapshots, ids, own)

    def record_snapshots(self, task_id: str, snapshots: dict[str, str]) -> bool:
        """They are a restore point, where the policy wants one; whether an image backup follows."""
        task, order = self._task(task_id)
        if order.records_snapshots:
            self._points.record(task, order, snapshots)
        return order.backs_up

    def session_of(self, task_id: str) -> str:
        """The session that it belongs to."""
        return self._surface.records.sessions.task(task_id).session_id

    def remove_snapshots(self, task_id: str, snapshots: dict[str, str]) -> None:
        """What no restore point is made of goes; also what a step that failed has left."""
        task, order = self._task(task_id)
        ids = set(snapshots.values())
        if not ids:
            meant = self._owner(task, order)
            account = self._surface.account(task.workload.account)
            for one in list(self._surface.cloud.belongings(account, task.workload.region).owned()):
                if one.kind == "snapshot" and one.ownership == meant:
                    ids.add(one.id)
        self._retention.free(task.workload, ids)

    def finish(self, task_id: str) -> None:
        """It is done."""
        self._configurations.forget(task_id)
        self._book.end_task(task_id)

    def fail(self, task_id: str, error: HoldfastError) -> None:
        """It ended with that."""
        self._configurations.forget(task_id)
        self._book.end_task(task_id, error)

    def _task(self, task_id: str) -> tuple[Task, TaskOrder]:
        task = self._surface.records.sessions.task(task_id)
        return task, order_of(self._surface.records.sessions.details(task.session_id))

    def _compute(self, task: Task) -> Compute:
        account = self._surface.account(task.workload.account)
        return self._surface.cloud.compute(account, task.workload.region)

    def _owner(self, task: Task, order: TaskOrder) -> Ownership:
        purpose = ownership.SNAPSHOT if order.records_snapshots else ownership.BASE_SNAPSHOT
        return self._surface.owner(task.session_id, task.id, purpose)


def meant_volumes(configuration: InstanceConfiguration, order: TaskOrder) -> list[VolumeConfiguration]:
    """The volumes of an instance that its policy does not leave out (E02)."""
    exclude = order.policy.exclude
    return [
        volume
        for volume in configuration.volumes
        if not exclude.leaves_out(volume.volume_id, volume.tags, root=volume.root)
    ]
