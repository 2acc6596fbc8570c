"""Work that was prepared for a worker, as whoever prepared it holds it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from holdfast.repository.delegation.tasks import Task
from holdfast.repository.opening.repository import Repository

Ordered = TypeVar("Ordered", bound=Task, covariant=True)


@dataclass(frozen=True, slots=True, repr=False)
class Prepared(Generic[Ordered]):
    """A task for the workers of one session of `repository`; `write_*_task` leaves it where they find it."""

    repository: Repository
    task: Ordered

    @property
    def session(self) -> bytes:
        """The id of the session, or of the reader: the scratch's, the pin's, and a new point's."""
        return self.task.session

    @property
    def scratch_key(self) -> bytes:
        """SS, in the task's key epoch: the one key that is wrapped for a worker."""
        return self.repository.epochs.of(self.task.owner.kid).scratch_key(self.session)
