"""The port through which many cold objects are asked for by one job, where a place has such jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JobState:
    """How far a job is. `complaint`: why it has ended without having asked for all; None where it has, or is at it."""

    ended: bool
    complaint: str | None = None


class RetrievalJobs(Protocol):
    """Of one place. A job asks for each object of its list as `ObjectStore.retrieve` would, minutes later: until it has
    ended an object that is not under way may be asked for yet.
    """

    def begin(self, list_key: str, keys: Sequence[str], days: int) -> str:
        """Leave the list under that key, a fresh one, and begin a job that asks for all of it; the job's name. The
        copies stay for `days`. Asked again with the same words it is the same job. Whoever began it deletes the list
        when the job has ended.

        Raises PermissionDeniedError, UnavailableError, and HoldfastError for a place without such jobs.
        """

    def look(self, job: str) -> JobState:
        """How far it is. Raises as `begin`."""


# Opened when somebody wants it; None where there is none, or nobody has said under whose rights.
OpenJobs = Callable[[], RetrievalJobs | None]


def no_jobs() -> None:
    """Where there is none."""
