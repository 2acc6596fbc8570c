"""Sessions that nobody works on: started if they never were, ended as broken off if their workflow is no more."""

from holdfast.appliance.backups.archive_run import ARCHIVE_RUN
from holdfast.appliance.backups.policy_run import POLICY_RUN
from holdfast.appliance.care.collection_work import COLLECTION
from holdfast.appliance.care.verify_task import VERIFICATION, VerifyOrder
from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.deletion import DELETE_POINT
from holdfast.appliance.ports.engine import Lane
from holdfast.appliance.restores.order import RestoreOrder
from holdfast.appliance.restores.retrieval import RETRIEVAL
from holdfast.appliance.restores.task import RESTORE
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.lanes import collection_lane, retrieval_lane, verification_lane
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import HoldfastError
from holdfast.domain.session import Session, SessionKind

_WORKFLOWS = {
    SessionKind.POLICY: POLICY_RUN,
    SessionKind.MANUAL_SNAPSHOT: POLICY_RUN,
    SessionKind.DELETE_POINT: DELETE_POINT,
    SessionKind.VERIFY: VERIFICATION,
    SessionKind.ARCHIVE: ARCHIVE_RUN,
    SessionKind.COLLECT_GARBAGE: COLLECTION,
    SessionKind.LOOK_FOR_GARBAGE: COLLECTION,
}
_WITHOUT_TASK = (SessionKind.POLICY, SessionKind.MANUAL_SNAPSHOT, SessionKind.VERIFY, SessionKind.ARCHIVE)


class Recovery:
    """Starts sessions, and looks after them."""

    def __init__(self, surface: Surface, book: SessionBook) -> None:
        self._surface = surface
        self._book = book

    def start(self, session: Session) -> None:
        """Have the engine work on it; again is no error."""
        arguments: tuple[str, ...] = (session.id,)
        if session.kind not in _WITHOUT_TASK:
            arguments = (session.id, self._surface.records.sessions.tasks(session.id)[0].id)
        workflow, lane = self._place(session)
        self._surface.engine().start(workflow, session.id, arguments, lane)

    def _place(self, session: Session) -> tuple[str, Lane | None]:
        """The workflow that works on it, and where that waits."""
        if session.kind == SessionKind.RESTORE:
            order = RestoreOrder.of(self._surface.records.sessions.details(session.id))
            if order.wish.retrieval is not None:
                return RETRIEVAL, retrieval_lane()
            return RESTORE, order.lane
        return _WORKFLOWS[session.kind], self._lane(session)

    def _lane(self, session: Session) -> Lane | None:
        match session.kind:
            case SessionKind.COLLECT_GARBAGE | SessionKind.LOOK_FOR_GARBAGE:
                return collection_lane(session.subject)
            case SessionKind.VERIFY:
                order = VerifyOrder.of(self._surface.records.sessions.details(session.id))
                return verification_lane(order.choice.mode)
            case _:
                return None

    def sweep(self) -> list[str]:
        """Start what was opened and never started, end what was broken off; the ids of the sessions ended."""
        ended, engine, sessions = [], self._surface.engine(), self._surface.records.sessions
        for session in sessions.unfinished():
            if engine.running(session.id):
                continue
            self.start(session)
            if engine.running(session.id):
                continue
            error = _broken_off("session")
            for task in sessions.tasks(session.id):
                if not task.state.final and not engine.running(task.id):
                    self._end_task(task.id, error)
            self._book.end(session.id, error)
            ended.append(session.id)
        for task in sessions.running_tasks():
            # It went on when its session had been broken off, and has been broken off, too.
            if sessions.get(task.session_id).state.final and not engine.running(task.id):
                self._end_task(task.id, _broken_off("task"))
        return ended

    def _end_task(self, task_id: str, error: HoldfastError) -> None:
        """With what its own last step would have done."""
        Configurations(self._surface).forget(task_id)
        self._book.end_task(task_id, error)


def _broken_off(what: str) -> HoldfastError:
    return HoldfastError(
        f"the {what} was broken off",
        why="the appliance met a defect of its own; its log has the details",
        cure="report it, and start it again",
    )
