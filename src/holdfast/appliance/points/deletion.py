"""A person, or a time that is over, deletes one restore point: a session with one task. Nothing but this point goes."""

from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import State, Task

DELETE_POINT = "delete-point"
# Who asks for it where a time is over.
RETENTION = "retention"
_REMOVING = "removing the restore point"


def deletion_task(session_id: str, point: RestorePoint) -> Task:
    """The one task of such a session."""
    return Task(derived_id(session_id, point.id), session_id, point.workload, State.QUEUED)


class PointDeletion:
    """The workflow `delete-point`."""

    def __init__(self, surface: Surface, book: SessionBook, retention: RetentionWork) -> None:
        self._surface = surface
        self._book = book
        self._retention = retention

    async def run(self, step: Step, session_id: str, task_id: str) -> None:
        """The session, to its end."""
        try:
            await step(self.delete, session_id, task_id)
        except HoldfastError as error:
            await step(self.end, session_id, task_id, error)
            return
        await step(self.end, session_id, task_id, None)

    def delete(self, session_id: str, task_id: str) -> None:
        """Asked again, it is gone already."""
        self._book.begin(session_id)
        self._book.check_cancelled(session_id)
        going_on = self._book.begin_task(task_id).stage == _REMOVING
        point_id = str(self._surface.records.sessions.details(session_id)["point"])
        try:
            point = self._surface.records.points.get(point_id)
        except NotFoundError:
            return
        by_itself = self._surface.records.sessions.get(session_id).trigger == RETENTION
        if by_itself and not going_on and not self._retention.lets_go(point):
            self._book.say(session_id, f"restore point {point.id} stays: its policy was changed, or it is being read")
            return
        self._book.stage(task_id, _REMOVING)  # from here on there is no way back
        self._retention.remove(point)
        self._book.result(task_id, {"removed_point": point.id})

    def end(self, session_id: str, task_id: str, error: HoldfastError | None) -> None:
        """Task and session."""
        self._book.end_task(task_id, error)
        self._book.end(session_id)
