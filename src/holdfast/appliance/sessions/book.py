"""The book of sessions: opens them, writes down how they go, and ends them. Every change of a task goes through here.

Changes are read, made and written under one lock, so that a worker's report and a step of the task do not overwrite
each other; an appliance is one process.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from holdfast.appliance.ports.surroundings import Surroundings
from holdfast.domain.errors import CancelledError, HoldfastError
from holdfast.domain.records import Sessions
from holdfast.domain.session import (
    ItemError,
    LogLevel,
    LogLine,
    Session,
    SessionKind,
    State,
    Task,
    TaskResult,
    counts_of,
    state_of,
)

_log = logging.getLogger(__name__)


class SessionBook:
    """Sessions and tasks as they go on."""

    def __init__(self, sessions: Sessions, surroundings: Surroundings) -> None:
        self._sessions = sessions
        self._surroundings = surroundings
        self._lock = threading.RLock()

    def open(
        self,
        session_id: str,
        kind: SessionKind,
        subject: str,
        trigger: str,
        details: Mapping[str, Any],
        tasks: Iterable[Task] = (),
    ) -> Session:
        """A new session that waits; one that is there already stays as it is."""
        session = Session(session_id, kind, subject, State.QUEUED, trigger, self._surroundings.now())
        self._sessions.open(session, tasks, details)
        return self._sessions.get(session_id)

    def begin(self, session_id: str) -> None:
        """It runs."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session.state == State.QUEUED:
                now = self._surroundings.now()
                self._sessions.put(replace(session, state=State.RUNNING, started_at=now))

    def end(self, session_id: str, error: HoldfastError | None = None) -> Session:
        """What its tasks make of it; with `error` it failed before or beside them."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session.state.final:
                return session
            tasks = self._sessions.tasks(session_id)
            state = State.FAILED if error is not None else state_of(tasks)
            if not tasks and self._sessions.cancel_requested(session_id):
                state = State.CANCELLED
            if state == State.SUCCEEDED and session.warnings:
                state = State.WARNING
            ended = replace(
                session,
                state=state,
                ended_at=self._surroundings.now(),
                error=None if error is None else ItemError.of(error),
                counts=counts_of(tasks),
            )
            self._sessions.put(ended)
        self.say(session_id, f"the session ended: {state}", LogLevel.INFO)
        return ended

    def warn(self, session_id: str, message: str) -> None:
        """A line of the log that also makes the session end with a warning."""
        with self._lock:
            session = self._sessions.get(session_id)
            if message not in session.warnings:
                self._sessions.put(replace(session, warnings=(*session.warnings, message)))
        self.say(session_id, message, LogLevel.WARNING)

    def say(self, session_id: str, message: str, level: LogLevel = LogLevel.INFO, task_id: str | None = None) -> None:
        """A line of the session's log."""
        _log.info("session %s: %s", session_id, message)
        self._sessions.log(LogLine(session_id, 0, self._surroundings.now(), level, message, task_id))

    def change(self, task_id: str, change: Callable[[Task], Task]) -> Task:
        """Change a task that has not ended; the task as it is then."""
        with self._lock:
            task = self._sessions.task(task_id)
            if not task.state.final:
                changed = change(task)
                if changed != task:
                    self._sessions.put_task(changed)
                    return changed
            return task

    def begin_task(self, task_id: str) -> Task:
        """It runs, if it has not ended before (cancelled while it waited)."""
        now = self._surroundings.now()
        return self.change(task_id, lambda task: replace(task, state=State.RUNNING, started_at=task.started_at or now))

    def stage(self, task_id: str, stage: str) -> None:
        """What it does now; also a line of the log."""
        task = self.change(task_id, lambda task: replace(task, stage=stage))
        self.say(task.session_id, f"{task.workload.name or task.workload.id}: {stage}", LogLevel.INFO, task_id)

    def result(self, task_id: str, facts: TaskResult, warnings: Iterable[str] = ()) -> None:
        """Add to what came of it; to a map that is there, too."""
        self.change(
            task_id,
            lambda task: replace(
                task,
                result=_added(task.result, facts),
                warnings=tuple(dict.fromkeys([*task.warnings, *warnings])),
            ),
        )

    def withdraw(self, task_id: str) -> None:
        """What came of it is undone: its result names nothing any more."""
        self.change(task_id, lambda task: replace(task, result={}))

    def end_task(self, task_id: str, error: HoldfastError | None = None) -> None:
        """It ended: with the error, else with what its warnings make of it."""

        def ended(task: Task) -> Task:
            if error is None:
                state = State.WARNING if task.warnings else State.SUCCEEDED
            else:
                state = State.CANCELLED if isinstance(error, CancelledError) else State.FAILED
            failure = None if error is None or state == State.CANCELLED else ItemError.of(error)
            return replace(task, state=state, stage="", error=failure, ended_at=self._surroundings.now())

        before = self._sessions.task(task_id)
        task = self.change(task_id, ended)
        if before.state.final:
            return
        name = task.workload.name or task.workload.id
        if task.error is None:
            self.say(task.session_id, f"{name}: {task.state}", LogLevel.INFO, task_id)
        else:
            what = f"{name}: {task.error.what}: {task.error.why}. {task.error.cure}"
            self.say(task.session_id, what, LogLevel.ERROR, task_id)

    def check_cancelled(self, session_id: str) -> None:
        """Raises CancelledError when somebody asked to cancel the session."""
        if self._sessions.cancel_requested(session_id):
            raise CancelledError(
                "the session was cancelled", why="somebody asked for it", cure="start it again when it is wanted"
            )

    def cancel(self, session_id: str) -> tuple[Session, list[str]]:
        """Ask to cancel; tasks that still wait end at once, and their ids are given back."""
        with self._lock:
            self._sessions.request_cancel(session_id)
            session = self._sessions.get(session_id)
            if session.state.final:
                return session, []
            if session.state != State.CANCELLING:
                self._sessions.put(replace(session, state=State.CANCELLING))
            ended = []
            for task in self._sessions.tasks(session_id):
                if task.state == State.QUEUED:
                    now = self._surroundings.now()
                    self._sessions.put_task(replace(task, state=State.CANCELLED, ended_at=now))
                    ended.append(task.id)
        self.say(session_id, "cancelling", LogLevel.WARNING)
        return self._sessions.get(session_id), ended


def _added(result: TaskResult, facts: TaskResult) -> TaskResult:
    """Facts beside those that are there; entries of a map beside those that it has."""
    added = dict(result)
    for name, fact in facts.items():
        known = added.get(name)
        added[name] = {**known, **fact} if isinstance(known, Mapping) and isinstance(fact, Mapping) else fact
    return added
