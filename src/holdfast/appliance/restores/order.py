"""What a restore session was opened to do, and where: read again by each of its steps."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from holdfast.appliance.ports.cloud import MadeInstance, Ownership, RestoreSite
from holdfast.appliance.ports.engine import Lane
from holdfast.appliance.restores.plan import RestorePlanner, Source
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.lanes import restore_lane
from holdfast.appliance.surface import Surface
from holdfast.domain import ownership
from holdfast.domain.infrastructure import Account
from holdfast.domain.policy import WorkerMode
from holdfast.domain.restore import InstanceRestore, VolumeRestore
from holdfast.domain.session import TaskResult
from holdfast.protocol.encoding import from_document, to_document


@dataclass(frozen=True, slots=True)
class RestoreOrder:
    """What a restore session was opened to do."""

    wish: InstanceRestore | VolumeRestore
    region: str
    needs_worker: bool = True

    @property
    def lane(self) -> Lane:
        """Where it waits for its turn."""
        mode = WorkerMode(self.wish.worker_mode) if self.needs_worker else WorkerMode.EC2
        return restore_lane(mode, self.region)

    def details(self) -> dict[str, Any]:
        """For the session."""
        kind = "instance" if isinstance(self.wish, InstanceRestore) else "volumes"
        wish = to_document(self.wish)
        return {"kind": kind, "wish": wish, "region": self.region, "needs_worker": self.needs_worker}

    @classmethod
    def of(cls, details: Any) -> "RestoreOrder":
        """The reverse."""
        wish, what = details["wish"], "the restore of a session"
        # Earlier versions did not say so.
        region, needs_worker = details["region"], details.get("needs_worker", True)
        if details["kind"] == "instance":
            return cls(from_document(InstanceRestore, wish, what), region, needs_worker)
        return cls(from_document(VolumeRestore, wish, what), region, needs_worker)


class RestoreOrders:
    """Orders by the sessions that carry them out."""

    def __init__(self, surface: Surface, book: SessionBook, planner: RestorePlanner) -> None:
        self._surface = surface
        self._book = book
        self._planner = planner

    def of(self, session_id: str) -> RestoreOrder:
        """What the session was opened for. Raises NotFoundError."""
        return RestoreOrder.of(self._surface.records.sessions.details(session_id))

    def instance(self, session_id: str) -> InstanceRestore:
        """The same of one that brings an instance back."""
        wish = self.of(session_id).wish
        if not isinstance(wish, InstanceRestore):
            raise TypeError("a restore of volumes makes no instance and exchanges no volumes")
        return wish

    def source(self, session_id: str, snapshots: dict[str, str] | None = None) -> Source:
        """The point that is restored; with the snapshots that a worker made of it."""
        source = self._planner.source(self.of(session_id).wish.point)
        return source if snapshots is None else source.with_snapshots(snapshots)

    def account(self, session_id: str) -> Account:
        """Where it goes."""
        return self._surface.account(self.source(session_id).point.lies_in.account)

    def site(self, session_id: str) -> RestoreSite:
        """The same, as restores see it: who cancels the session is heard at each wait there."""
        go_on = partial(self._book.check_cancelled, session_id)
        return self._surface.cloud.restore_site(self.account(session_id), self.of(session_id).region, go_on)

    def owner(self, session_id: str, task_id: str) -> Ownership:
        """Whose everything is that it makes and that stays."""
        return self._surface.owner(session_id, task_id, ownership.RESTORED)


def result_of(made: MadeInstance) -> TaskResult:
    """What the result of a task says of an instance."""
    return {"instance_id": made.instance_id, "volumes": dict(made.volumes)}
