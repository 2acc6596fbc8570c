"""A queue, listeners and a clock that a test holds in its hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from holdfast.domain.errors import HoldfastError
from holdfast.patience import Waiting
from holdfast.protocol.worker_messages import TaskKind, TaskPointer, WorkerEvent
from holdfast.worker.task_runner import Surface

POINTER = TaskPointer("ab" * 16, 2, TaskKind.BACKUP, "memory:", "cd" * 16, 1, "eu-west-1", appliance="ap-1")


@dataclass
class Hand:
    """Time that passes when somebody sleeps, polls or a test says so."""

    seconds: float = 0.0
    slept_seconds: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept_seconds.append(seconds)
        self.seconds += seconds

    @property
    def waiting(self) -> Waiting:
        return Waiting(sleep=self.sleep, uniform=lambda: 1.0, monotonic=lambda: self.seconds)

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=self.seconds)


@dataclass
class ScriptedQueue:
    """Answers in order, then nothing; each poll takes its whole time."""

    hand: Hand
    answers: list[TaskPointer | HoldfastError | None] = field(default_factory=list)

    def take(self, wait_seconds: float) -> TaskPointer | None:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, HoldfastError):
            raise answer
        if answer is None:
            self.hand.seconds += wait_seconds
        return answer


@dataclass
class Listener:
    """Takes events, unless `refuse` gives an error for one."""

    events: list[WorkerEvent] = field(default_factory=list)
    refuse: Callable[[WorkerEvent], HoldfastError | None] = lambda event: None

    def of(self, pointer: TaskPointer) -> "Listener":
        return self

    def send(self, event: WorkerEvent) -> None:
        refusal = self.refuse(event)
        if refusal is not None:
            raise refusal
        self.events.append(event)

    @property
    def types(self) -> list[str]:
        return [event.type.value for event in self.events]


def surface(hand: Hand, queue: ScriptedQueue, listener: Listener, lines: list[str]) -> Surface:
    return Surface(queue, listener, hand.now, hand.waiting, lines.append)
