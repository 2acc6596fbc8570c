"""One restore, of an instance or of volumes: a session with one task.

From snapshots directly; from an image backup by way of a worker, which writes new snapshots that are removed after it.
What was restored stays; when a restore fails, nothing of it stays, and an instance that still stood runs again.
"""

from typing import Any

from holdfast.appliance.points.damage import NOT_LOOKED_AT, PointDamage
from holdfast.appliance.ports.cloud import OwnedObject
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.restores.errand import RestoreErrand
from holdfast.appliance.restores.order import RestoreOrders, result_of
from holdfast.appliance.restores.plan import RestorePlanner
from holdfast.appliance.restores.standing import StandingRestore
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.surface import OWN_ACCOUNT, Surface, derived_id
from holdfast.appliance.workers.errands import ErrandFacts
from holdfast.appliance.workers.fleet import WorkerFleet
from holdfast.domain import ownership
from holdfast.domain.errors import ConflictError, HoldfastError, UnavailableError
from holdfast.domain.infrastructure import Account
from holdfast.domain.policy import WorkerMode
from holdfast.domain.restore import InstanceRestore, VolumeRestore
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import State, Task
from holdfast.protocol.worker_messages import TaskKind

RESTORE = "restore"


def restore_task(session_id: str, point: RestorePoint) -> Task:
    """The one task of such a session."""
    return Task(derived_id(session_id, point.id), session_id, point.workload, State.QUEUED)


class RestoreTask:
    """The workflow `restore`."""

    def __init__(
        self, surface: Surface, book: SessionBook, fleet: WorkerFleet, planner: RestorePlanner, damage: PointDamage
    ) -> None:
        self._surface = surface
        self._book = book
        self._fleet = fleet
        self._planner = planner
        self._damage = damage
        self._orders = RestoreOrders(surface, book, planner)
        self._standing = StandingRestore(surface, book, planner, self._orders)

    async def run(self, step: Step, session_id: str, task_id: str) -> None:
        """The session, to its end."""
        try:
            begun = await step(self.begin, session_id, task_id)
            snapshots: dict[str, str] = begun["snapshots"]
            if begun["needs_worker"]:
                snapshots = await self._fetch(step, session_id, task_id, begun)
            await self._make(step, session_id, task_id, begun, snapshots)
        except HoldfastError as error:
            await undone(step, self._book, session_id, self.remove_temporary, session_id, task_id)
            await step(self.end, session_id, task_id, error)
            return
        await undone(step, self._book, session_id, self.remove_temporary, session_id, task_id)
        await step(self.end, session_id, task_id, None)

    async def _fetch(self, step: Step, session_id: str, task_id: str, begun: dict[str, Any]) -> dict[str, str]:
        """Have a worker write the volumes into new snapshots; device -> snapshot id."""
        work: str = await step(self.new_work, begun["point"])
        mode = WorkerMode(begun["mode"])
        facts = ErrandFacts(TaskKind.RESTORE, session_id, task_id, work, begun["region"], mode)
        errand = RestoreErrand(self._surface, self._planner, self._orders, facts)
        try:
            attempt = await self._fleet.run(step, errand)
            snapshots: dict[str, str] = await step(self.collect, errand, attempt)
        except HoldfastError as error:
            look, point = self._damage.look_after_failure, begun["point"]
            await undone(step, self._book, session_id, look, session_id, task_id, point, error, later=NOT_LOOKED_AT)
            await undone(step, self._book, session_id, self.end_work, errand)
            raise
        await undone(step, self._book, session_id, self.end_work, errand)
        return snapshots

    async def _make(
        self, step: Step, session_id: str, task_id: str, begun: dict[str, Any], snapshots: dict[str, str]
    ) -> None:
        """Make what was asked for of the snapshots; when that fails, nothing of it stays."""
        standing: str | None = begun["standing"]
        if not begun["instance"]:
            try:
                for device in begun["devices"]:
                    await step(self.create_volume, session_id, task_id, device, snapshots)
            except HoldfastError:
                await undone(step, self._book, session_id, self.remove_restored, session_id, task_id)
                raise
        elif standing is None:
            try:
                await step(self.make_instance, session_id, task_id, snapshots)
            except HoldfastError:
                await undone(step, self._book, session_id, self.remove_restored, session_id, task_id)
                raise
        else:
            await self._standing.run(step, session_id, task_id, standing, snapshots)

    def begin(self, session_id: str, task_id: str) -> dict[str, Any]:
        """What there is to do, as it is decided once."""
        self._book.begin(session_id)
        self._book.begin_task(task_id)
        self._book.check_cancelled(session_id)
        order = self._orders.of(session_id)
        wish, source = order.wish, self._orders.source(session_id)
        standing = None
        if isinstance(wish, InstanceRestore):
            standing = self._planner.standing(wish, source)
            if standing is not None and not wish.replace:
                raise needs_consent(standing)
        return {
            "point": source.point.id,
            "region": order.region,
            "mode": wish.worker_mode,
            "instance": isinstance(wish, InstanceRestore),
            "needs_worker": source.needs_worker,
            "standing": standing,
            "devices": list(self._planner.volumes(wish, source)),
            "snapshots": dict(source.snapshots),
        }

    def new_work(self, point_id: str) -> str:
        """The id of the repository's session, before it is opened."""
        point = self._surface.records.points.get(point_id)
        with self._surface.repositories.open(point.repository or "") as repository:
            return repository.new_session()

    def collect(self, errand: RestoreErrand, attempt: int) -> dict[str, str]:
        """The snapshots that the worker made."""
        restored = errand.restored(attempt)
        if restored is None:
            raise UnavailableError(
                "the worker said that it is done, and its result is not there",
                why="the repository has no result of that attempt",
                cure="run the restore again",
            )
        errand.check_origin(attempt, restored)
        errand.note_created(attempt, restored)
        errand.share(restored)
        return restored

    def end_work(self, errand: RestoreErrand) -> None:
        """Unpin the point."""
        errand.end()

    def create_volume(self, session_id: str, task_id: str, device: str, snapshots: dict[str, str]) -> str:
        """One volume; it stays."""
        self._book.check_cancelled(session_id)
        wish, source = self._orders.of(session_id).wish, self._orders.source(session_id, snapshots)
        if not isinstance(wish, VolumeRestore):
            raise TypeError("only a restore of volumes makes volumes one by one")
        self._book.stage(task_id, f"making the volume {device}")
        order = self._planner.volume_orders(wish, source)[device]
        owner = self._orders.owner(session_id, task_id)
        volume_id = self._orders.site(session_id).create_volume(owner, order)
        self._book.result(task_id, {"volumes": {device: volume_id}})
        return volume_id

    def make_instance(self, session_id: str, task_id: str, snapshots: dict[str, str]) -> str:
        """The instance where none stands."""
        self._book.check_cancelled(session_id)
        self._book.stage(task_id, "making the instance")
        wish, source = self._orders.instance(session_id), self._orders.source(session_id, snapshots)
        order, owner = self._planner.instance_order(wish, source), self._orders.owner(session_id, task_id)
        made = self._orders.site(session_id).make_instance(owner, order)
        self._book.result(task_id, result_of(made))
        return made.instance_id

    def remove_temporary(self, session_id: str, task_id: str) -> None:
        """The snapshots that workers made for this restore, of whatever attempt."""
        region = self._orders.of(session_id).region
        self._remove(OWN_ACCOUNT, region, session_id, task_id, ownership.RESTORE)

    def remove_restored(self, session_id: str, task_id: str) -> None:
        """What a restore that failed has made, finished or not."""
        self._book.withdraw(task_id)
        account, region = self._orders.account(session_id), self._orders.of(session_id).region
        self._remove(account, region, session_id, task_id, ownership.RESTORE, ownership.RESTORED)

    def end(self, session_id: str, task_id: str, error: HoldfastError | None) -> None:
        """Task and session."""
        self._book.end_task(task_id, error)
        self._book.end(session_id)

    def _remove(self, account: Account, region: str, session_id: str, task_id: str, *purposes: str) -> None:
        """Everything of these purposes. What resists does not keep the rest; the first error is raised at the end."""
        belongings = self._surface.cloud.belongings(account, region)
        errors = []
        for one in list(belongings.owned()):
            if any(_is_of(one, session_id, task_id, purpose) for purpose in purposes):
                try:
                    belongings.remove(one)
                except HoldfastError as error:
                    errors.append(error)
        if errors:
            raise errors[0]


def needs_consent(standing: str) -> ConflictError:
    """An instance is in the way, and nobody has said that it may be touched."""
    return ConflictError(
        f"{standing} still stands",
        why="a restore to the original place stops it and exchanges its volumes",
        cure="say so with --yes, or restore to a new place",
    )


def _is_of(one: OwnedObject, session_id: str, task_id: str, purpose: str) -> bool:
    owner = one.ownership
    return owner is not None and (owner.session_id, owner.task_id, owner.purpose) == (session_id, task_id, purpose)
