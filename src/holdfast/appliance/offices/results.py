"""Sessions, restore points and restores, as people ask for them; and changes, as the server does."""

import time
from collections.abc import Sequence
from dataclasses import fields, replace

from holdfast.appliance.desk.desk import Desk
from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.deletion import deletion_task
from holdfast.appliance.restores.order import RestoreOrder
from holdfast.appliance.restores.task import needs_consent, restore_task
from holdfast.domain.errors import UsageError
from holdfast.domain.policy import WorkerMode
from holdfast.domain.restore import InstanceRestore, Place, RestorePlan, VolumeRestore
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.retrieval import require_readable
from holdfast.domain.session import LogLine, Session, SessionKind
from holdfast.protocol.appliance_answers import ChangePage, PointDetail, SessionDetail
from holdfast.protocol.encoding import to_document

_POLL_SECONDS = 0.25


class Results(Desk):
    """What came of it."""

    def list_sessions(
        self, *, before: str | None, limit: int, kind: str | None = None, subject: str | None = None
    ) -> list[Session]:
        """Newest first."""
        return self._records.sessions.page(before=before, limit=limit, kind=kind, subject=subject)

    def get_session(self, session_id: str) -> SessionDetail:
        """With its tasks."""
        session = self._records.sessions.get(session_id)
        return SessionDetail(session, tuple(self._records.sessions.tasks(session.id)))

    def session_log(self, session_id: str, after: int, limit: int) -> Sequence[LogLine]:
        """Oldest first, after that line."""
        return self._records.sessions.lines(self._records.sessions.get(session_id).id, after, limit)

    def cancel_session(self, session_id: str) -> SessionDetail:
        """Ask for its end: what runs ends its worker and removes what it made."""
        return self._cancel(self._records.sessions.get(session_id).id)

    def list_points(self, *, before: str | None, limit: int, workload_id: str | None = None) -> list[RestorePoint]:
        """Newest first."""
        return self._records.points.page(before=before, limit=limit, workload_id=workload_id)

    def get_point(self, point_id: str) -> PointDetail:
        """With how its workload was made up; never its user data."""
        point = self._records.points.get(point_id)
        configuration = Configurations(self._surface).of_point(point.id)
        return PointDetail(point, to_document(replace(configuration, user_data=None)))

    def delete_point(self, point_id: str) -> Session:
        """Delete it for good."""
        point = self._records.points.get(point_id)
        session_id = self._new_session()
        tasks = [deletion_task(session_id, point)]
        return self._open(session_id, SessionKind.DELETE_POINT, point.id, {"point": point.id}, tasks)

    def plan_restore(self, order: InstanceRestore | VolumeRestore) -> RestorePlan:
        """Everything that would happen. Raises UsageError for an order that cannot be meant."""
        _check_mode(order.worker_mode)
        planner = self._workflows.planner
        if isinstance(order, VolumeRestore):
            return planner.plan_volumes(order)
        _check_place(order)
        return planner.plan_instance(order)

    def start_restore(self, order: InstanceRestore | VolumeRestore) -> Session:
        """Bring it back, when nothing stands in the way. Raises UsageError with what does, ConflictError where an
        instance still stands and nobody said that it may be touched, NeedsRetrievalError where the point lies in an
        archive and nobody said that it may be retrieved, or kept while it is read.
        """
        planner = self._workflows.planner
        source = planner.source(order.point)
        plan = self.plan_restore(order)
        if plan.retrieval is not None and order.retrieval is None:
            require_readable(f"restore point {source.point.id}", plan.retrieval, self._surface.surroundings.now())
        if isinstance(order, InstanceRestore) and not order.replace:
            standing = planner.standing(order, source)
            if standing is not None:
                raise needs_consent(standing)
        if plan.problems:
            raise UsageError(
                f"restore point {source.point.id} cannot be restored like this",
                why="; ".join(plan.problems),
                cure="mend it, or restore elsewhere; --plan shows everything",
            )
        region = (order.new.region if isinstance(order, InstanceRestore) else order.region) or (
            source.point.lies_in.region
        )
        wish = replace(order, point=source.point.id)
        session_id = self._new_session()
        tasks = [restore_task(session_id, source.point)]
        details = RestoreOrder(wish, region, source.needs_worker).details()
        return self._open(session_id, SessionKind.RESTORE, source.point.id, details, tasks)

    def changes(self, after: int, limit: int, wait_seconds: float) -> ChangePage:
        """What changed after that number; waits at most that long for the first. Blocks: to be called in a thread."""
        deadline_seconds = time.monotonic() + wait_seconds
        while True:
            found = self._records.changes.after(after, limit)
            if found or time.monotonic() >= deadline_seconds or self._ending.wait(_POLL_SECONDS):
                return ChangePage(tuple(found), self._records.changes.newest(), after, self._is_leaving())

    def stop_waiting(self) -> None:
        """The appliance ends: who waits for changes is answered at once."""
        self._ending.set()


def _check_mode(mode: str) -> None:
    if mode not in list(WorkerMode):
        raise UsageError(
            f"no worker mode {mode!r}", why=f"there are {', '.join(WorkerMode)}", cure="choose one of these"
        )


def _check_place(order: InstanceRestore) -> None:
    """A person who says what is to differ means another instance, and never the one that may still stand."""
    differing = [one.name for one in fields(order.new) if getattr(order.new, one.name) is not None]
    if order.place == Place.ORIGINAL and differing:
        raise UsageError(
            f"{', '.join(differing)} cannot differ where the instance was",
            why="the place is `original`, where it comes back as it was",
            cure="restore to the place `new` (--new), or leave out what is to differ",
        )
