"""What a worker is sent out for, as the fleet of workers sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.appliance.ports.repositories import PreparedWork
from holdfast.domain.policy import WorkerMode
from holdfast.protocol.worker_messages import TaskKind, TaskPointer


@dataclass(frozen=True, slots=True)
class ErrandFacts:
    """Whose errand it is. `work` is the repository's session, `region` where the worker runs; attempts of that session
    are counted from `first_attempt`, where an earlier run had made others.
    """

    kind: TaskKind
    session_id: str
    task_id: str
    work: str
    region: str
    mode: WorkerMode
    first_attempt: int = 1

    def pointer(self, attempt: int, work: PreparedWork) -> TaskPointer:
        """Where a worker finds what was prepared for that attempt."""
        return TaskPointer(
            session=work.session,
            attempt=attempt,
            kind=self.kind,
            location=work.location,
            repository=work.repository_id,
            kid=work.kid,
            region=self.region,
        )


class Errand(Protocol):
    """One errand; each attempt of it is prepared anew."""

    @property
    def facts(self) -> ErrandFacts:
        """Whose it is."""

    def prepare(self, attempt: int) -> PreparedWork:
        """Write the sealed task of that attempt, if it is not written yet."""

    def order(self, owner: Ownership, work: PreparedWork) -> WorkerOrder:
        """The worker that it takes."""

    def finished(self, attempt: int) -> bool:
        """Whether the result of that attempt lies in the repository: the truth, whatever was reported."""


def lock_days(work: PreparedWork, now: datetime) -> int | None:
    """For how long its worker locks what it writes: whole days, rounded up, with one more, for clocks differ, and the
    worker locks from its own now on. None where it locks nothing.
    """
    return None if work.locks_until is None else (work.locks_until - now).days + 2
