"""Takes what workers report out of their queue and into the book; only then it is deleted from the queue.

Queues deliver at least once and in any order: reports count by their number, figures only grow, and the last word of an
attempt is kept as it came first. Who says something of a task that is not known is not heard: the id of its session in
the repository, 16 random bytes that only its worker is told, is what a report proves itself by.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import FormatError, PermissionDeniedError, UnsupportedFormatError, UsageError
from holdfast.domain.session import ItemError, LogLevel, Task, TaskProgress, WorkerFacts
from holdfast.domain.time import parse_time
from holdfast.protocol.worker_messages import EventType, WorkerEvent, decode_event

_log = logging.getLogger(__name__)
# Longer than a worker goes on that nobody hears.
_OTHERS_KEPT = timedelta(hours=1)


class EventPump:
    """One for all regions."""

    def __init__(self, surface: Surface, book: SessionBook) -> None:
        self._surface = surface
        self._book = book

    def pump(self, region: str, wait_seconds: float) -> int:
        """Store what is in that region's queue; how many messages there were."""
        queue = self._surface.cloud.events(region)
        try:
            messages = queue.receive(wait_seconds)
            ours = [(receipt, body) for receipt, body in messages if not self._is_for_another(body)]
            if ours:
                self.store(body for _, body in ours)
                queue.done([receipt for receipt, _ in ours])
        except PermissionDeniedError as error:
            self._say_deaf(error)
            raise
        return len(messages)

    def store(self, bodies: Iterable[str]) -> None:
        """Write down what these messages say."""
        tasks: dict[tuple[str, int], str] | None = None
        for body in bodies:
            try:
                event = decode_event(body)
            except (FormatError, UnsupportedFormatError) as error:
                _log.warning("a message in the queue of events is not used: %s", error)
                continue
            if tasks is None:
                tasks = self._tasks()
            task_id = tasks.get((event.session, event.attempt))
            if task_id is not None:
                self._store(task_id, event)

    def _is_for_another(self, body: str) -> bool:
        """One queue serves all appliances of a stack: what is another's comes again, and to it. What nobody has taken
        for long is nobody's any more.
        """
        try:
            event = decode_event(body)
            is_new = abs(self._surface.surroundings.now() - parse_time(event.time)) < _OTHERS_KEPT
        except (FormatError, UnsupportedFormatError, UsageError):
            return False
        return is_new and event.appliance not in ("", self._surface.appliance_id)

    def _say_deaf(self, error: PermissionDeniedError) -> None:
        """Whoever watches a session that has a worker must see why nothing moves."""
        running = self._surface.records.sessions.running_tasks()
        for session_id in sorted({task.session_id for task in running if any(one.instance_id for one in task.workers)}):
            self._book.warn(session_id, f"what workers report cannot be read: {error.what}: {error.why}")

    def reporter(self) -> Callable[[str], None]:
        """For workers that speak to us directly."""
        return lambda body: self.store([body])

    def _tasks(self) -> dict[tuple[str, int], str]:
        running = self._surface.records.sessions.running_tasks()
        return {(worker.work, worker.attempt): task.id for task in running for worker in task.workers if worker.work}

    def _store(self, task_id: str, event: WorkerEvent) -> None:
        now = self._surface.surroundings.now()
        before = self._surface.records.sessions.task(task_id)
        after = self._book.change(task_id, lambda task: _told(task, event, now))
        if event.type == EventType.LOG and after != before:
            self._book.say(after.session_id, event.message, LogLevel.INFO, task_id)


def _told(task: Task, event: WorkerEvent, now: datetime) -> Task:
    """The task after that event; unchanged when it was heard before."""
    workers = list(task.workers)
    for number, worker in enumerate(workers):
        if (worker.work, worker.attempt) == (event.session, event.attempt):
            workers[number] = _heard(worker, event, now)
            break
    progress = task.progress
    is_latest = bool(workers) and workers[-1].attempt == event.attempt
    if is_latest and event.done_bytes is not None:
        progress = TaskProgress(
            done_bytes=max(progress.done_bytes, event.done_bytes),
            total_bytes=max(progress.total_bytes, event.total_bytes or 0),
            read_bytes=progress.read_bytes,
            stored_bytes=progress.stored_bytes,
        )
    return replace(task, workers=tuple(workers), progress=progress)


def _heard(worker: WorkerFacts, event: WorkerEvent, now: datetime) -> WorkerFacts:
    if worker.outcome or (event.sequence <= worker.reports and not event.is_last):
        return worker
    told, status = event.error, event.exit_status or 1
    error = None if told is None else ItemError(told.code, told.what, told.why, told.cure, status, told.objects)
    return replace(
        worker,
        heard_at=now,
        reports=max(worker.reports, event.sequence),
        outcome=event.type.value if event.is_last else "",
        error=error,
    )
