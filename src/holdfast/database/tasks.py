"""The tasks of sessions."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, select, update

from holdfast.database import tables
from holdfast.database.statements import add_row, count_change, count_changes, missing
from holdfast.domain.session import State, Task
from holdfast.protocol.encoding import from_json, to_json

_TASKS = tables.tasks
FINAL = [state.value for state in State if state.final]


def add_tasks(connection: Connection, session_id: str, tasks: Iterable[Task]) -> None:
    """Add those that are not there; the number of that change is their place in the order."""
    for task in tasks:
        if task.session_id != session_id:
            raise ValueError("a task of another session")
        if add_row(connection, _TASKS, {**_row(task), "position": 0}):
            position = count_change(connection, "task", task.id)
            connection.execute(update(_TASKS).where(_TASKS.c.id == task.id).values(position=position))


def read_task(connection: Connection, task_id: str) -> Task:
    """Raises NotFoundError."""
    text = connection.execute(select(_TASKS.c.document).where(_TASKS.c.id == task_id)).scalar()
    if text is None:
        raise missing("task", task_id)
    return _task(text)


def put_task(connection: Connection, task: Task) -> None:
    """Replace one that has not ended. Raises NotFoundError."""
    change = update(_TASKS).where(_TASKS.c.id == task.id, _TASKS.c.state.not_in(FINAL)).values(_row(task))
    if connection.execute(change).rowcount == 1:
        count_change(connection, "task", task.id)
    else:
        read_task(connection, task.id)


def tasks_of(connection: Connection, session_id: str) -> list[Task]:
    """In the order in which they were added."""
    return _read(connection, select(_TASKS.c.document).where(_TASKS.c.session_id == session_id))


def unfinished_tasks(connection: Connection) -> list[Task]:
    """Every task in no final state."""
    return _read(connection, select(_TASKS.c.document).where(_TASKS.c.state.not_in(FINAL)))


def has_unfinished(session_id: ColumnElement[str]) -> ColumnElement[bool]:
    """A condition: whether the session of that id has a task in no final state."""
    return exists().where(_TASKS.c.session_id == session_id, _TASKS.c.state.not_in(FINAL))


def remove_tasks(connection: Connection, sessions: Collection[str]) -> None:
    """All of these sessions."""
    removed = delete(_TASKS).where(_TASKS.c.session_id.in_(sessions)).returning(_TASKS.c.id)
    ids = list(connection.execute(removed).scalars())
    if ids:
        count_changes(connection, "task", ids)


def _read(connection: Connection, query: Select[Any]) -> list[Task]:
    return [_task(text) for text in connection.execute(query.order_by(_TASKS.c.position)).scalars()]


def _row(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "session_id": task.session_id,
        "state": task.state.value,
        "document": to_json(task).decode(),
    }


def _task(text: str) -> Task:
    return from_json(Task, text, "task")
