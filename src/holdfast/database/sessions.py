"""Sessions and how they end."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.log_lines import add_line, lines_of, remove_lines
from holdfast.database.statements import (
    add_row,
    by_prefix,
    count_change,
    count_changes,
    cursor_of,
    missing,
    newest_first,
)
from holdfast.database.tasks import (
    FINAL,
    add_tasks,
    has_unfinished,
    put_task,
    read_task,
    remove_tasks,
    tasks_of,
    unfinished_tasks,
)
from holdfast.domain.session import LogLine, Session, State, Task
from holdfast.protocol.encoding import from_json, to_json

_SESSIONS = tables.sessions


class SessionsTable:
    """`Sessions` in SQL, with their tasks and logs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, session: Session, tasks: Iterable[Task], details: Mapping[str, Any]) -> None:
        """Add a session with its tasks; adding one again that is there changes nothing."""
        row = {**_row(session), "cancel_requested": False, "line_count": 0, "details": json.dumps(dict(details))}
        with self._database.writing() as connection:
            if add_row(connection, _SESSIONS, row):
                count_change(connection, "session", session.id)
                add_tasks(connection, session.id, tasks)

    def details(self, session_id: str) -> Mapping[str, Any]:
        """What it was opened with. Raises NotFoundError."""
        with self._database.reading() as connection:
            row = connection.execute(select(_SESSIONS.c.details).where(_SESSIONS.c.id == session_id)).first()
        if row is None:
            raise missing("session", session_id)
        details: Mapping[str, Any] = json.loads(row.details)
        return details

    def get(self, session_id: str) -> Session:
        """By id or unique prefix. Raises NotFoundError, UsageError for a prefix of several."""
        with self._database.reading() as connection:
            row = by_prefix(connection, select(_SESSIONS.c.document), _SESSIONS.c.id, "session", session_id)
        return read_session(row.document)

    def put(self, session: Session) -> None:
        """Replace; a final state is never left again, and what is asked to end is not shown as if it were not."""
        with self._database.writing() as connection:
            row = _locked(connection, session.id)
            if row.state in FINAL:
                return
            _write(connection, _cancelling(session) if row.cancel_requested else session)

    def page(
        self, *, before: str | None, limit: int, kind: str | None = None, subject: str | None = None
    ) -> list[Session]:
        """Newest first, after the session `before`."""
        query = select(_SESSIONS.c.document)
        if kind is not None:
            query = query.where(_SESSIONS.c.kind == kind)
        if subject is not None:
            query = query.where(_SESSIONS.c.subject == subject)
        with self._database.reading() as connection:
            moment = select(_SESSIONS.c.created_at).where(_SESSIONS.c.id == before)
            last = cursor_of(connection, moment, "session", before)
            rows = connection.execute(newest_first(query, _SESSIONS, last, limit)).scalars()
            return [read_session(text) for text in rows]

    def unfinished(self) -> list[Session]:
        """Those in no final state, oldest first."""
        query = select(_SESSIONS.c.document).where(_SESSIONS.c.state.not_in(FINAL))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(_SESSIONS.c.created_at, _SESSIONS.c.id)).scalars()
            return [read_session(text) for text in rows]

    def add_tasks(self, session_id: str, tasks: Iterable[Task]) -> None:
        """Add tasks; those that are there stay as they are."""
        with self._database.writing() as connection:
            _locked(connection, session_id)
            add_tasks(connection, session_id, tasks)

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return read_task(connection, task_id)

    def put_task(self, task: Task) -> None:
        """Replace; a final state is never left again."""
        with self._database.writing() as connection:
            put_task(connection, task)

    def tasks(self, session_id: str) -> list[Task]:
        """In the order in which they were added."""
        with self._database.reading() as connection:
            return tasks_of(connection, session_id)

    def running_tasks(self) -> list[Task]:
        """Every task in no final state."""
        with self._database.reading() as connection:
            return unfinished_tasks(connection)

    def cancel_requested(self, session_id: str) -> bool:
        """Whether somebody asked to cancel it."""
        query = select(_SESSIONS.c.cancel_requested).where(_SESSIONS.c.id == session_id)
        with self._database.reading() as connection:
            return bool(connection.execute(query).scalar())

    def request_cancel(self, session_id: str) -> State:
        """Ask; the state that the session is in afterwards. Raises NotFoundError."""
        with self._database.writing() as connection:
            row = _locked(connection, session_id)
            if row.state not in FINAL and not row.cancel_requested:
                connection.execute(update(_SESSIONS).where(_SESSIONS.c.id == session_id).values(cancel_requested=True))
                _write(connection, _cancelling(read_session(row.document)))
                return State.CANCELLING
            return State(row.state)

    def forget(self, opened_before: datetime, spared: Collection[str], limit: int) -> int:
        """Forget sessions that were opened before that moment and have ended, with their tasks and logs: the oldest
        first, at most so many; how many. Not those of `spared`, nor one with a task that goes on.
        """
        old = (_SESSIONS.c.created_at < opened_before, _SESSIONS.c.state.in_(FINAL), _SESSIONS.c.id.not_in(spared))
        some = select(_SESSIONS.c.id).where(*old, ~has_unfinished(_SESSIONS.c.id))
        with self._database.writing() as connection:
            ids = list(connection.execute(some.order_by(_SESSIONS.c.created_at).limit(limit)).scalars())
            if ids:
                remove_lines(connection, ids)
                remove_tasks(connection, ids)
                connection.execute(delete(_SESSIONS).where(_SESSIONS.c.id.in_(ids)))
                count_changes(connection, "session", ids)
        return len(ids)

    def log(self, line: LogLine) -> None:
        """Add a line; its sequence is given here."""
        with self._database.writing() as connection:
            add_line(connection, line)

    def lines(self, session_id: str, after: int, limit: int) -> list[LogLine]:
        """By sequence, after the one given."""
        with self._database.reading() as connection:
            return lines_of(connection, session_id, after, limit)


def read_session(text: str) -> Session:
    """A session from its document."""
    return from_json(Session, text, "session")


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "kind": session.kind.value,
        "subject": session.subject,
        "state": session.state.value,
        "created_at": session.created_at,
        "document": to_json(session).decode(),
    }


def _locked(connection: Connection, session_id: str) -> Row[Any]:
    row = connection.execute(select(_SESSIONS).where(_SESSIONS.c.id == session_id).with_for_update()).first()
    if row is None:
        raise missing("session", session_id)
    return row


def _write(connection: Connection, session: Session) -> None:
    connection.execute(update(_SESSIONS).where(_SESSIONS.c.id == session.id).values(_row(session)))
    count_change(connection, "session", session.id)


def _cancelling(session: Session) -> Session:
    return session if session.state.final else replace(session, state=State.CANCELLING)
