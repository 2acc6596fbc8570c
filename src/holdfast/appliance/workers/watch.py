"""Listening to a worker until it has ended: its reports first, and on silence the instance and the repository."""

import re
from datetime import datetime
from typing import Any

from holdfast.appliance.ports.cloud import Worker, WorkerInstances
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.errands import Errand
from holdfast.domain.errors import HoldfastError, PermissionDeniedError, UnavailableError
from holdfast.domain.session import ItemError, Task, WorkerFacts
from holdfast.protocol.worker_messages import EventType

_LIVING = ("pending", "running")
_CONSOLE_CHARACTERS = 1000
# An error line of the program, and of what boots it.
_DENIED = re.compile(r"\b([a-z0-9-]+:[A-Z]\w+ on \S[^\n]*?) was refused[^\n]*\[permission-denied\]")
# Passing faults of a worker: another attempt may do better. Who was interrupted was ended by somebody else than us:
# a cancellation is seen before.
_PASSING = ("unavailable", "throttled", "worker-lost", "chunks-moved", "interrupted")


class WorkerWatch:
    """Reads the cancel flag and the reports often, asks AWS seldom."""

    def __init__(self, surface: Surface, book: SessionBook) -> None:
        self._surface = surface
        self._book = book

    async def until_ended(self, errand: Errand, attempt: int, launched: dict[str, Any]) -> dict[str, Any]:
        """`{"done": True}`, or `{"done": False, "why": …}` when the worker is lost. Raises what it reported as its
        failure, CancelledError.
        """
        surface, facts, worker = self._surface, errand.facts, Worker(**launched)
        asked_at = surface.surroundings.now()
        while True:
            told: WorkerFacts = await surface.surroundings.aside(self._told, facts.session_id, facts.task_id, attempt)
            if told.outcome == EventType.DONE:
                return {"done": True}
            if told.outcome == EventType.FAILED:
                return another_attempt(told.error)
            now = surface.surroundings.now()
            if self._is_silent(told, now) and (now - asked_at).total_seconds() >= surface.patience.silence_seconds / 2:
                asked_at = now
                ended: dict[str, Any] | None = await surface.surroundings.aside(
                    self._ask_if_possible, errand, attempt, worker, told, now
                )
                if ended is not None:
                    return ended
            await surface.surroundings.sleep(surface.patience.worker_poll_seconds)

    def _told(self, session_id: str, task_id: str, attempt: int) -> WorkerFacts:
        self._book.check_cancelled(session_id)
        return worker_of(self._surface.records.sessions.task(task_id), attempt)

    def _is_silent(self, told: WorkerFacts, now: datetime) -> bool:
        return _silent_seconds(told, now) >= self._surface.patience.silence_seconds

    def _ask_if_possible(
        self, errand: Errand, attempt: int, worker: Worker, told: WorkerFacts, now: datetime
    ) -> dict[str, Any] | None:
        """What cuts off this appliance for some minutes costs no worker its work: it goes on meanwhile."""
        try:
            return self._ask(errand, attempt, worker, told, now)
        except UnavailableError as error:
            if _silent_seconds(told, now) >= self._surface.patience.silent_limit_seconds:
                raise
            self._book.stage(errand.facts.task_id, f"cannot look after {worker.instance_id} now: {error.what}")
            return None

    def _ask(
        self, errand: Errand, attempt: int, worker: Worker, told: WorkerFacts, now: datetime
    ) -> dict[str, Any] | None:
        """The truth about a worker that says nothing: None while there is hope. Raises what would end another, too."""
        patience, workers = self._surface.patience, self._surface.cloud.workers(worker.region)
        if errand.finished(attempt):
            return self._finished_unheard(errand, workers, worker)
        state, silent_seconds = workers.state(worker), _silent_seconds(told, now)
        if state not in _LIVING:
            # Between the two questions it may have written its result, or told why there is none, and ended.
            if errand.finished(attempt):
                return self._finished_unheard(errand, workers, worker)
            if self._told(errand.facts.session_id, errand.facts.task_id, attempt).outcome:
                return None
        else:
            if told.heard_at is None and silent_seconds < patience.boot_timeout_seconds:
                return None
            if told.heard_at is not None and silent_seconds < patience.silent_limit_seconds:
                return None
        if told.heard_at is None:
            why = f"worker {worker.instance_id} ({state or 'gone'}) said nothing within {silent_seconds:.0f} s"
        else:
            why = f"worker {worker.instance_id} ({state or 'gone'}) has been silent for {silent_seconds:.0f} s"
        if state not in _LIVING and (reason := workers.why_ended(worker)):
            why += f"; AWS says of its end: {reason}"
        console = _console(workers, worker)
        if console:
            why += f"; the end of its console: {console[-_CONSOLE_CHARACTERS:]}"
        self._book.stage(errand.facts.task_id, f"lost a worker: {why}")
        if (denied := _denied_in(console)) is not None:
            raise PermissionDeniedError(denied, why=why, cure="see which rights workers have in docs/permissions.md")
        return {"done": False, "why": why}

    def _finished_unheard(self, errand: Errand, workers: WorkerInstances, worker: Worker) -> dict[str, Any]:
        if (denied := _denied_in(_console(workers, worker))) is not None:
            self._book.warn(errand.facts.session_id, f"worker {worker.instance_id} could not report: {denied}")
        return {"done": True}


def _console(workers: WorkerInstances, worker: Worker) -> str:
    """Also of one that has ended: AWS keeps it for a while. Where it cannot be read, why not."""
    try:
        return workers.console(worker).strip()
    except HoldfastError as error:
        return f"it cannot be read: {error.what}: {error.why}"


def _denied_in(console: str) -> str | None:
    """What the program on a worker was denied at last, by its console: that of which it could not report."""
    found = _DENIED.findall(console)
    return f"{found[-1]} was refused" if found else None


def worker_of(task: Task, attempt: int) -> WorkerFacts:
    """The worker of that attempt."""
    return next(one for one in task.workers if one.attempt == attempt)


def _silent_seconds(told: WorkerFacts, now: datetime) -> float:
    heard = told.heard_at or told.started_at or now
    return (now - heard).total_seconds()


def another_attempt(error: ItemError | None) -> dict[str, Any]:
    """Another attempt for a passing fault; what would fail again is raised at once."""
    if error is None or error.code in _PASSING:
        return {
            "done": False,
            "why": "it failed and did not say why" if error is None else f"{error.what}: {error.why}",
        }
    raise error.as_error()
