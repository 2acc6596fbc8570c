"""What a worker asks of the world around it."""

from typing import Protocol

from holdfast.protocol.worker_messages import TaskPointer, WorkerEvent


class TaskQueue(Protocol):
    """Where the one task comes from."""

    def take(self, wait_seconds: float) -> TaskPointer | None:
        """The next pointer, which nobody else gets any more; None when none came within `wait_seconds`.

        Raises FormatError for a message that is no pointer, PermissionDeniedError, UnavailableError.
        """


class EventSink(Protocol):
    """Where events go."""

    def send(self, event: WorkerEvent) -> None:
        """Hand the event over; it may arrive twice. Raises HoldfastError when it could not be handed over."""


class EventSinks(Protocol):
    """The sinks of tasks: a pointer says who listens."""

    def of(self, pointer: TaskPointer) -> EventSink:
        """Where the events of that task go."""


class KeyUnwrapper(Protocol):
    """What turns a pointer into the one key that opens the task."""

    def unwrap(self, pointer: TaskPointer) -> bytes:
        """The scratch key of the pointer's session.

        Raises WrongKeyError when the task is another worker's, PermissionDeniedError when the right is missing.
        """
