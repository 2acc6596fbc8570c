"""One worker's life: wait for a task, do it, say how it ended. Here, and nowhere else, anything at all is caught."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.errors import (
    HoldfastError,
    InterruptedByUserError,
    NotFoundError,
    UnavailableError,
)
from holdfast.patience import Waiting, told_to
from holdfast.protocol.worker_messages import TaskPointer
from holdfast.repository.progress import Progress
from holdfast.worker.new_rights import when_allowed
from holdfast.worker.ports import EventSinks, TaskQueue
from holdfast.worker.reporting import EventReporter, ReportingLimits

DONE = 0
DONE_WITH_WARNINGS = 3
IDLE_TIMEOUT_SECONDS = 300.0
# SQS waits no longer in one request (Amazon SQS Developer Guide, "Long polling").
LONGEST_POLL_SECONDS = 20.0

# Does the task that a pointer names; the warnings that it ended with.
Move = Callable[[TaskPointer, Progress], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Surface:
    """What a runner touches: the queue, the listeners, clocks, and `say` for a line on the console."""

    queue: TaskQueue
    sinks: EventSinks
    now: Callable[[], datetime]
    waiting: Waiting
    say: Callable[[str], None]


class TaskRunner:
    """Does one task and no second one."""

    def __init__(
        self,
        surface: Surface,
        move: Move,
        *,
        idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS,
        limits: ReportingLimits | None = None,
    ) -> None:
        self._surface = surface
        self._move = move
        self._idle_timeout_seconds = idle_timeout_seconds
        self._limits = limits

    def run(self) -> int:
        """The exit code: of the error that the task failed with, or whether there were warnings.

        Raises NotFoundError when no task came, HoldfastError when the queue cannot be read, UnavailableError when
        nobody took the last event; KeyboardInterrupt when the process was told to stop, after saying so.
        """
        surface = self._surface
        with told_to(surface.say):
            pointer = self._take()
        surface.say(f"took {pointer.name}")
        reporter = EventReporter(pointer, surface.sinks.of(pointer), surface.now, surface.waiting, self._limits)
        reporter.begin()
        try:
            with told_to(reporter.note):
                warnings = self._move(pointer, reporter)
        except HoldfastError as error:
            return self._failed(reporter, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the appliance must hear of it
            surface.say(traceback.format_exc().rstrip())
            return self._failed(reporter, _defect(error))
        except BaseException:
            self._failed(reporter, _stopped())
            raise
        for warning in warnings:
            reporter.note(f"warning: {warning}")
        status = DONE_WITH_WARNINGS if warnings else DONE
        reporter.end(status)
        surface.say(f"done: {pointer.name}")
        return status

    def _take(self) -> TaskPointer:
        surface = self._surface
        began_seconds = surface.waiting.monotonic()
        while True:
            left_seconds = self._idle_timeout_seconds - (surface.waiting.monotonic() - began_seconds)
            if left_seconds <= 0:
                raise NotFoundError(
                    f"no task came within {self._idle_timeout_seconds:.0f} s",
                    why="the queue stayed empty",
                    cure="nothing is lost: whoever launched this worker starts another one",
                )
            poll_seconds = min(left_seconds, LONGEST_POLL_SECONDS)
            pointer = when_allowed(lambda: surface.queue.take(poll_seconds), surface.waiting)  # noqa: B023
            if pointer is not None:
                return pointer

    def _failed(self, reporter: EventReporter, error: HoldfastError) -> int:
        for line in (f"error: {error.what} [{error.code}]", f"  why: {error.why}", f"  cure: {error.cure}"):
            self._surface.say(line)
        try:
            reporter.end(error.exit_status, error)
        except UnavailableError as unheard:
            self._surface.say(f"error: {unheard}")
        return error.exit_status


def _defect(error: Exception) -> HoldfastError:
    return HoldfastError(
        f"unexpected {type(error).__name__}: {error}",
        why="this is a defect in Holdfast; a repository is never left half written by one",
        cure="start the session again, and report this with the console of the worker",
    )


def _stopped() -> InterruptedByUserError:
    return InterruptedByUserError(
        "the worker was told to stop",
        why="its process or its machine was ended from outside",
        cure="nothing is half done that counts; the session may be started again",
    )
