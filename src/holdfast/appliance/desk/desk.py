"""What the use cases share: the surface, the workflows, and how a session is opened and started."""

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.appliance.desk.recovery import Recovery
from holdfast.appliance.desk.workflows import Workflows
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import CancelledError, ConflictError
from holdfast.domain.identifiers import new_id
from holdfast.domain.session import Session, SessionKind, Task
from holdfast.protocol.appliance_answers import SessionDetail

PERSON = "person"
LEAVING = "leaving"


class Desk:
    """The base of each part of the service."""

    def __init__(self, surface: Surface, workflows: Workflows) -> None:
        self._surface = surface
        self._workflows = workflows
        self._records = surface.records
        self._book: SessionBook = workflows.book
        self._recovery = Recovery(surface, workflows.book)
        self._ending = threading.Event()

    def _new_session(self) -> str:
        return new_id(self._surface.surroundings.random_bytes(16))

    def _is_leaving(self) -> bool:
        """Whether its server has told it of its removal, and has not taken that back."""
        return bool(self._records.settings.get(LEAVING))

    def _open(
        self,
        session_id: str,
        kind: SessionKind,
        subject: str,
        details: Mapping[str, Any],
        tasks: Iterable[Task] = (),
        trigger: str = PERSON,
    ) -> Session:
        if self._is_leaving():
            raise ConflictError(
                "this appliance begins nothing more",
                why="its server is removing it",
                cure="let another appliance do it; where its removal came to nothing, it hears that within a minute",
            )
        session = self._book.open(session_id, kind, subject, trigger, details, tasks)
        self._recovery.start(session)
        return session

    def _cancel(self, session_id: str) -> SessionDetail:
        session, dropped = self._book.cancel(session_id)
        for task_id in dropped:
            self._surface.engine().drop_queued(task_id)
        if self._surface.engine().drop_queued(session.id):
            cancelled = CancelledError("the session was cancelled", why="somebody asked for it", cure="start it again")
            for task in self._records.sessions.tasks(session.id):
                self._book.end_task(task.id, cancelled)
            self._book.end(session.id)
        return SessionDetail(self._records.sessions.get(session.id), tuple(self._records.sessions.tasks(session.id)))
