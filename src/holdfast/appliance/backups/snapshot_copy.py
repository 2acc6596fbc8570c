"""A manual snapshot that is kept elsewhere: taken beside its volumes, copied to another region or account, removed.

The point is the copy. Where anything fails, or somebody cancels, neither stays.
"""

from dataclasses import replace

from holdfast.appliance.backups.backup_task import BackupTask
from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.snapshot_points import SnapshotPoints
from holdfast.appliance.policies.task_order import TaskOrder, order_of
from holdfast.appliance.ports.cloud import Compute, Ownership
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.sessions.waiting import pause, until_completed
from holdfast.appliance.surface import Surface
from holdfast.domain import ownership
from holdfast.domain.errors import HoldfastError, QuotaReachedError
from holdfast.domain.restore_point import SnapshotPlace
from holdfast.domain.session import Task, TaskProgress


class SnapshotCopy:
    """The workflow `snapshot-copy`: one instance."""

    def __init__(self, surface: Surface, book: SessionBook, backup: BackupTask) -> None:
        self._surface = surface
        self._book = book
        self._backup = backup
        self._points = SnapshotPoints(surface, book)
        self._configurations = Configurations(surface)

    async def run(self, step: Step, task_id: str) -> None:
        """The task, to its end."""
        backup = self._backup
        if not await step(backup.begin, task_id):
            return
        session_id: str = await step(backup.session_of, task_id)
        snapshots: dict[str, str] = {}
        try:
            volumes = await step(backup.describe, task_id)
            snapshots = await step(backup.snapshot, task_id, volumes)
            await step(backup.until_completed, task_id, snapshots)
            await step(self.share, task_id, snapshots)
            copies = await step(self.copy, task_id, snapshots)
            await step(self.until_copied, task_id, copies)
            await step(self.record, task_id, copies)
        except HoldfastError as error:
            await undone(step, self._book, session_id, self.remove_copies, task_id)
            await undone(step, self._book, session_id, backup.remove_snapshots, task_id, snapshots)
            await step(backup.fail, task_id, error)
            return
        await undone(step, self._book, session_id, backup.remove_snapshots, task_id, snapshots)
        await step(backup.finish, task_id)

    def share(self, task_id: str, snapshots: dict[str, str]) -> None:
        """Another account copies only what is shared with it; that ends with the snapshots."""
        task, _, place = self._task(task_id)
        surface = self._surface
        to_account = surface.tenant(place.account)
        if to_account != surface.tenant(task.workload.account):
            compute = surface.cloud.compute(surface.account(task.workload.account), task.workload.region)
            compute.share_snapshots(tuple(snapshots.values()), to_account)

    async def copy(self, task_id: str, snapshots: dict[str, str]) -> dict[str, str]:
        """Volume id -> its copy; waits while AWS has no room for more at once."""
        surface = self._surface
        task, _, place = self._task(task_id)
        self._book.stage(task_id, f"copying to {place.region} of {place.account}")
        configuration = self._configurations.kept(task_id)
        volumes = configuration.volumes if configuration is not None else ()
        tags = {volume.volume_id: volume.tags for volume in volumes}
        waited_seconds = 0.0
        while True:
            self._book.check_cancelled(task.session_id)
            try:
                copies: dict[str, str] = await surface.surroundings.aside(
                    self._compute(place).copy_snapshots,
                    self._owner(task),
                    snapshots,
                    task.workload.region,
                    tags,
                    f"Holdfast: {task.workload.id}, copied from {task.workload.region}",
                    place.kms_key_id,
                )
                return copies
            except QuotaReachedError as error:
                if waited_seconds >= surface.patience.quota_patience_seconds:
                    raise
                if not waited_seconds:
                    self._book.stage(task_id, f"waiting for room: {error.what}")
            seconds = surface.patience.quota_pause_seconds
            waited_seconds += await pause(surface, self._book, task.session_id, seconds)

    async def until_copied(self, task_id: str, copies: dict[str, str]) -> None:
        """Minutes to hours: what is copied goes over the wire."""
        task, _, place = self._task(task_id)

        def told(percent: int) -> None:
            self._book.change(task_id, lambda task: replace(task, progress=_at(task, percent)))

        ids = tuple(copies.values())
        await until_completed(self._surface, self._book, task.session_id, self._compute(place), ids, told)

    def record(self, task_id: str, copies: dict[str, str]) -> None:
        """They are the restore point."""
        task, order, _ = self._task(task_id)
        self._points.record(task, order, copies)

    def remove_copies(self, task_id: str) -> None:
        """Also those of which the answer was lost. What a point was made of stays."""
        task, _, place = self._task(task_id)
        account, owner = self._surface.account(place.account), self._owner(task)
        points = self._surface.records.points.of_workload(task.workload)
        named = {one for point in points for one in point.snapshots.values()}
        found = list(self._surface.cloud.belongings(account, place.region).owned())
        copies = [one.id for one in found if one.kind == "snapshot" and one.ownership == owner and one.id not in named]
        if copies:
            self._compute(place).delete_snapshots(tuple(copies))

    def _task(self, task_id: str) -> tuple[Task, TaskOrder, SnapshotPlace]:
        task = self._surface.records.sessions.task(task_id)
        order = order_of(self._surface.records.sessions.details(task.session_id))
        if order.destination is None:
            raise ValueError("a snapshot without a destination is not copied")
        return task, order, order.destination

    def _compute(self, place: SnapshotPlace) -> Compute:
        return self._surface.cloud.compute(self._surface.account(place.account), place.region)

    def _owner(self, task: Task) -> Ownership:
        return self._surface.owner(task.session_id, task.id, ownership.SNAPSHOT)


def _at(task: Task, percent: int) -> TaskProgress:
    return replace(task.progress, done_bytes=task.progress.total_bytes * percent // 100)
