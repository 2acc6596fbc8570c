"""The events of one attempt: how far it is, at most once a second, and a sign of life when nothing moves."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.domain.time import format_time
from holdfast.patience import Waiting
from holdfast.protocol.worker_messages import EventError, EventType, TaskPointer, WorkerEvent, shortened
from holdfast.worker.ports import EventSink

_STEP_SECONDS = 0.25
# Notes beyond this many that wait for delivery are dropped: the console has them, too.
_WAITING_NOTES = 200


@dataclass(frozen=True, slots=True)
class ReportingLimits:
    """How often events are sent, and how long nobody may listen before the work is given up."""

    progress_seconds: float = 1.0
    heartbeat_seconds: float = 10.0
    undeliverable_seconds: float = 15 * 60.0


class EventReporter:
    """Implements Progress; told from any thread. A thread of its own delivers, in order, each event until it is taken.

    When nobody has taken an event for `undeliverable_seconds`, the next report of progress raises UnavailableError:
    work that nobody hears of is not continued.
    """

    def __init__(
        self,
        pointer: TaskPointer,
        sink: EventSink,
        now: Callable[[], datetime],
        waiting: Waiting,
        limits: ReportingLimits | None = None,
    ) -> None:
        self._pointer = pointer
        self._sink = sink
        self._now = now
        self._waiting = waiting
        self._limits = limits if limits is not None else ReportingLimits()
        self._lock = threading.Lock()
        self._outbox: deque[WorkerEvent] = deque()
        self._sequence = 0
        self._done_bytes = 0
        self._total_bytes: int | None = None
        self._moved = False
        self._sent_seconds = self._delivered_seconds = waiting.monotonic()
        self._refusal: HoldfastError | None = None
        self._gave_up = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._pump, name="events", daemon=True)

    def begin(self) -> None:
        """Say that the attempt has started, and go on saying how it goes."""
        self._put(EventType.STARTED)
        self._thread.start()

    def total(self, size_bytes: int | None) -> None:
        """How much there is to do in all, as far as it is known by now."""
        with self._lock:
            self._total_bytes = size_bytes
            self._moved = True

    def advance(self, size_bytes: int) -> None:
        """So much more is done. Raises UnavailableError when nobody has listened for too long."""
        with self._lock:
            self._done_bytes += size_bytes
            self._moved = True
            gave_up = self._gave_up
        if gave_up:
            raise self._unheard()

    def skip(self, size_bytes: int) -> None:
        """The same: an event tells how much is done, and not how fast."""
        self.advance(size_bytes)

    def note(self, text: str) -> None:
        """A line for the session's log."""
        if len(self._outbox) < _WAITING_NOTES:
            self._put(EventType.LOG, message=shortened(text))

    def end(self, exit_status: int, error: HoldfastError | None = None) -> None:
        """Send the last event, and wait until everything is delivered.

        Raises UnavailableError when nobody has taken it for too long.
        """
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        told = None if error is None else EventError.of(error)
        kind = EventType.DONE if error is None else EventType.FAILED
        self._put(kind, error=told, exit_status=exit_status)
        while True:
            self.step()
            if not self._outbox:
                return
            if self._gave_up:
                raise self._unheard()
            self._waiting.sleep(1.0)

    def step(self) -> None:
        """Deliver what is due at this moment; what is refused stays where it is, in order."""
        self._tell_progress()
        while self._outbox:
            try:
                self._sink.send(self._outbox[0])
            except HoldfastError as refusal:
                self._refusal = refusal
                silent_seconds = self._waiting.monotonic() - self._delivered_seconds
                self._gave_up = silent_seconds > self._limits.undeliverable_seconds
                return
            self._outbox.popleft()
            self._delivered_seconds = self._sent_seconds = self._waiting.monotonic()

    def _tell_progress(self) -> None:
        """Only when nothing waits: later figures replace earlier ones."""
        idle_seconds = self._waiting.monotonic() - self._sent_seconds
        limits = self._limits
        due = idle_seconds >= limits.heartbeat_seconds or (self._moved and idle_seconds >= limits.progress_seconds)
        if due and not self._outbox and not self._stop.is_set():
            self._moved = False
            self._put(EventType.PROGRESS)

    def _put(
        self, kind: EventType, *, message: str = "", error: EventError | None = None, exit_status: int | None = None
    ) -> None:
        with self._lock:
            self._sequence += 1
            event = WorkerEvent(
                session=self._pointer.session,
                attempt=self._pointer.attempt,
                sequence=self._sequence,
                time=format_time(self._now()),
                type=kind,
                done_bytes=self._done_bytes,
                total_bytes=self._total_bytes,
                message=message,
                error=error,
                exit_status=exit_status,
                appliance=self._pointer.appliance,
            )
            self._outbox.append(event)

    def _pump(self) -> None:
        while not self._stop.wait(_STEP_SECONDS):
            self.step()

    def _unheard(self) -> UnavailableError:
        return UnavailableError(
            f"nobody has taken an event of {self._pointer.name} for {self._limits.undeliverable_seconds:.0f} s",
            why="nothing says why" if self._refusal is None else f"{self._refusal.what} [{self._refusal.code}]",
            cure="look at the queue of events and at the rights to it; the appliance starts another attempt",
        )
