"""Sessions, their tasks and lines, in memory."""

import copy
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from holdfast.domain.session import LogLine, Session, State, Task
from holdfast.testing.memory_changes import MemoryChanges, missing


class MemorySessions:
    """As `domain.records.Sessions` promises."""

    def __init__(self, changes: MemoryChanges) -> None:
        self._changes = changes
        self._lock = threading.RLock()
        self._sessions: dict[str, Session] = {}
        self._details: dict[str, Mapping[str, Any]] = {}
        self._tasks: dict[str, dict[str, Task]] = {}
        self._session_of: dict[str, str] = {}
        self._running: dict[str, None] = {}
        self._cancel: set[str] = set()
        self._lines: dict[str, list[LogLine]] = {}

    def open(self, session: Session, tasks: Iterable[Task], details: Mapping[str, Any]) -> None:
        with self._lock:
            if session.id in self._sessions:
                return
            self._sessions[session.id] = session
            self._details[session.id] = copy.deepcopy(dict(details))
            self._tasks[session.id] = {}
            self._lines[session.id] = []
            self._changes.note("session", session.id, session)
            self.add_tasks(session.id, tasks)

    def details(self, session_id: str) -> Mapping[str, Any]:
        self.get(session_id)
        return self._details[session_id]

    def get(self, session_id: str) -> Session:
        if session_id not in self._sessions:
            raise missing("session", session_id)
        return self._sessions[session_id]

    def put(self, session: Session) -> None:
        with self._lock:
            if self.get(session.id).state.final:
                return
            if session.id in self._cancel and not session.state.final:
                session = replace(session, state=State.CANCELLING)
            self._sessions[session.id] = session
            self._changes.note("session", session.id, session)

    def page(
        self, *, before: str | None, limit: int, kind: str | None = None, subject: str | None = None
    ) -> list[Session]:
        newest_first = sorted(self._sessions.values(), key=lambda one: (one.created_at, one.id), reverse=True)
        if before is not None:
            limit_key = (self.get(before).created_at, before)
            newest_first = [one for one in newest_first if (one.created_at, one.id) < limit_key]
        chosen = [one for one in newest_first if kind in (None, one.kind) and subject in (None, one.subject)]
        return chosen[:limit]

    def unfinished(self) -> list[Session]:
        open_ones = [session for session in self._sessions.values() if not session.state.final]
        return sorted(open_ones, key=lambda one: (one.created_at, one.id))

    def add_tasks(self, session_id: str, tasks: Iterable[Task]) -> None:
        with self._lock:
            for task in tasks:
                if task.id not in self._tasks[session_id]:
                    self._session_of[task.id] = session_id
                    self._keep(task)

    def task(self, task_id: str) -> Task:
        if task_id not in self._session_of:
            raise missing("task", task_id)
        return self._tasks[self._session_of[task_id]][task_id]

    def put_task(self, task: Task) -> None:
        with self._lock:
            if not self.task(task.id).state.final:
                self._keep(task)

    def tasks(self, session_id: str) -> list[Task]:
        self.get(session_id)
        return list(self._tasks[session_id].values())

    def running_tasks(self) -> list[Task]:
        return [self.task(task_id) for task_id in list(self._running)]

    def cancel_requested(self, session_id: str) -> bool:
        return session_id in self._cancel

    def request_cancel(self, session_id: str) -> State:
        session = self.get(session_id)
        if not session.state.final:
            self._cancel.add(session_id)
            self.put(session)
        return self.get(session_id).state

    def forget(self, opened_before: datetime, spared: Collection[str], limit: int) -> int:
        with self._lock:
            ended = [
                one
                for one in self._sessions.values()
                if one.created_at < opened_before
                and one.state.final
                and one.id not in spared
                and all(task.state.final for task in self._tasks[one.id].values())
            ]
            oldest = sorted(ended, key=lambda one: one.created_at)[:limit]
            for session in oldest:
                self._forget(session.id)
            return len(oldest)

    def log(self, line: LogLine) -> None:
        with self._lock:
            lines = self._lines[self.get(line.session_id).id]
            lines.append(replace(line, sequence=len(lines) + 1))

    def lines(self, session_id: str, after: int, limit: int) -> list[LogLine]:
        self.get(session_id)
        return self._lines[session_id][after : after + limit]

    def _forget(self, session_id: str) -> None:
        for kept in (self._sessions, self._details, self._lines):
            del kept[session_id]
        for task_id in self._tasks.pop(session_id):
            del self._session_of[task_id]
            self._changes.note("task", task_id, None)
        self._changes.note("session", session_id, None)

    def _keep(self, task: Task) -> None:
        self._tasks[task.session_id][task.id] = task
        if task.state.final:
            self._running.pop(task.id, None)
        else:
            self._running[task.id] = None
        self._changes.note("task", task.id, task)
