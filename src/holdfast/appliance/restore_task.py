"""One restore, of an instance or of volumes: a session with one task.

From snapshots directly; from an image backup by way of a worker, which writes new snapshots that are removed after it.
What was restored stays; when a restore fails, nothing of it stays, and an instance that still stood runs again.
"""

from dataclasses import dataclass
from typing import Any

from holdfast.appliance.cleaning import undone
from holdfast.appliance.errands import ErrandFacts
from holdfast.appliance.ports.cloud import OwnedObject, Ownership, RestoreSite
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.restore_errand import RestoreErrand
from holdfast.appliance.restore_plan import RestorePlanner, Source
from holdfast.appliance.session_book import SessionBook
from holdfast.appliance.surface import OWN_ACCOUNT, Surface, derived_id
from holdfast.appliance.worker_fleet import WorkerFleet
from holdfast.domain import ownership
from holdfast.domain.errors import ConflictError, HoldfastError, UnavailableError
from holdfast.domain.infrastructure import Account
from holdfast.domain.policy import WorkerMode
from holdfast.domain.restore import InstanceRestore, VolumeRestore
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import State, Task
from holdfast.protocol.encoding import from_document, to_document
from holdfast.protocol.worker_messages import TaskKind

RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class RestoreOrder:
    """What a restore session was opened to do."""

    wish: InstanceRestore | VolumeRestore
    region: str

    def details(self) -> dict[str, Any]:
        """For the session."""
        kind = "instance" if isinstance(self.wish, InstanceRestore) else "volumes"
        return {"kind": kind, "wish": to_document(self.wish), "region": self.region}

    @classmethod
    def of(cls, details: Any) -> "RestoreOrder":
        """The reverse."""
        wish, what = details["wish"], "the restore of a session"
        if details["kind"] == "instance":
            return cls(from_document(InstanceRestore, wish, what), details["region"])
        return cls(from_document(VolumeRestore, wish, what), details["region"])


def restore_task(session_id: str, point: RestorePoint) -> Task:
    """The one task of such a session."""
    return Task(derived_id(session_id, point.id), session_id, point.workload, State.QUEUED)


class RestoreTask:
    """The workflow `restore`."""

    def __init__(self, surface: Surface, book: SessionBook, fleet: WorkerFleet, planner: RestorePlanner) -> None:
        self._surface = surface
        self._book = book
        self._fleet = fleet
        self._planner = planner

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
        errand = RestoreErrand(self._surface, self._planner, facts, begun["point"], tuple(begun["devices"]))
        try:
            attempt = await self._fleet.run(step, errand)
            snapshots: dict[str, str] = await step(self.collect, errand, attempt)
        except HoldfastError:
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
            # From here on an instance that its owner has stopped would be started by whoever undoes it.
            await step(self.still_wanted, session_id)
            try:
                await step(self.stop, session_id, task_id, standing)
                await step(self.exchange, session_id, task_id, standing, snapshots)
            except HoldfastError:
                await undone(step, self._book, session_id, self.put_back, session_id, task_id, standing)
                raise
            await undone(step, self._book, session_id, self.discard, session_id, task_id, standing)

    def begin(self, session_id: str, task_id: str) -> dict[str, Any]:
        """What there is to do, as it is decided once."""
        self._book.begin(session_id)
        self._book.begin_task(task_id)
        self._book.check_cancelled(session_id)
        order = self._order(session_id)
        wish, source = order.wish, self._planner.source(order.wish.point)
        standing = None
        if isinstance(wish, InstanceRestore):
            standing = self._planner.standing(wish, source)
            if standing is not None and not wish.replace:
                raise needs_consent(standing)
            devices = list(self._planner.instance_order(wish, source).volumes)
        else:
            devices = list(self._planner.volume_orders(wish, source))
        return {
            "point": source.point.id,
            "region": order.region,
            "mode": wish.worker_mode,
            "instance": isinstance(wish, InstanceRestore),
            "needs_worker": source.needs_worker,
            "standing": standing,
            "devices": devices,
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
        errand.note_created(attempt, restored)
        errand.share(restored)
        return restored

    def end_work(self, errand: RestoreErrand) -> None:
        """Unpin the point."""
        errand.end()

    def create_volume(self, session_id: str, task_id: str, device: str, snapshots: dict[str, str]) -> str:
        """One volume; it stays."""
        self._book.check_cancelled(session_id)
        wish, source = self._order(session_id).wish, self._source(session_id, snapshots)
        if not isinstance(wish, VolumeRestore):
            raise TypeError("only a restore of volumes makes volumes one by one")
        self._book.stage(task_id, f"making the volume {device}")
        order = self._planner.volume_orders(wish, source)[device]
        volume_id = self._site(session_id, source).create_volume(self._restored(session_id, task_id), order)
        self._book.result(task_id, {"volumes": {device: volume_id}})
        return volume_id

    def make_instance(self, session_id: str, task_id: str, snapshots: dict[str, str]) -> str:
        """The instance where none stands."""
        self._book.check_cancelled(session_id)
        self._book.stage(task_id, "making the instance")
        wish, source = self._order(session_id).wish, self._source(session_id, snapshots)
        if not isinstance(wish, InstanceRestore):
            raise TypeError("a restore of volumes makes no instance")
        order = self._planner.instance_order(wish, source)
        made = self._site(session_id, source).make_instance(self._restored(session_id, task_id), order)
        self._note(task_id, made.instance_id, dict(made.volumes))
        return made.instance_id

    def still_wanted(self, session_id: str) -> None:
        """Raises CancelledError."""
        self._book.check_cancelled(session_id)

    def stop(self, session_id: str, task_id: str, standing: str) -> None:
        """The one that stands, with the person's yes."""
        self._book.stage(task_id, f"stopping {standing}")
        self._site(session_id, self._source(session_id)).stop_instance(standing)

    def exchange(self, session_id: str, task_id: str, standing: str, snapshots: dict[str, str]) -> None:
        """Its volumes, as long as nobody has cancelled."""
        self._book.check_cancelled(session_id)
        self._book.stage(task_id, f"exchanging the volumes of {standing}")
        wish, source = self._order(session_id).wish, self._source(session_id, snapshots)
        if not isinstance(wish, InstanceRestore):
            raise TypeError("a restore of volumes exchanges none")
        order = self._planner.instance_order(wish, source)
        made = self._site(session_id, source).exchange_volumes(self._restored(session_id, task_id), standing, order)
        self._note(task_id, made.instance_id, dict(made.volumes))

    def put_back(self, session_id: str, task_id: str, standing: str) -> None:
        """As if nothing had been done."""
        site = self._site(session_id, self._source(session_id))
        site.put_back_volumes(self._restored(session_id, task_id), standing)

    def discard(self, session_id: str, task_id: str, standing: str) -> None:
        """The volumes that it had before."""
        site = self._site(session_id, self._source(session_id))
        site.discard_kept_volumes(self._restored(session_id, task_id), standing)

    def remove_temporary(self, session_id: str, task_id: str) -> None:
        """The snapshots that workers made for this restore, of whatever attempt."""
        region = self._order(session_id).region
        self._remove(OWN_ACCOUNT, region, session_id, task_id, ownership.RESTORE)

    def remove_restored(self, session_id: str, task_id: str) -> None:
        """What a restore that failed has made, finished or not."""
        source = self._source(session_id)
        account = self._surface.account(source.point.workload.account)
        region = self._order(session_id).region
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

    def _source(self, session_id: str, snapshots: dict[str, str] | None = None) -> Source:
        source = self._planner.source(self._order(session_id).wish.point)
        return source if snapshots is None else source.with_snapshots(snapshots)

    def _site(self, session_id: str, source: Source) -> RestoreSite:
        account = self._surface.account(source.point.workload.account)
        return self._surface.cloud.restore_site(account, self._order(session_id).region)

    def _restored(self, session_id: str, task_id: str) -> Ownership:
        return self._surface.owner(session_id, task_id, ownership.RESTORED)

    def _note(self, task_id: str, instance_id: str, volumes: dict[str, str]) -> None:
        self._book.result(task_id, {"instance_id": instance_id, "volumes": volumes})

    def _order(self, session_id: str) -> RestoreOrder:
        return RestoreOrder.of(self._surface.records.sessions.details(session_id))


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
