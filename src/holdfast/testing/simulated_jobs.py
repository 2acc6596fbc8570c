"""Jobs that retrieve, over a cold store in this process: a minute until their turn comes, then each object at once."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.errors import NotFoundError, ObjectExistsError, ObjectNotFoundError
from holdfast.repository.retrieval_jobs import JobState
from holdfast.testing.cold_store import ColdStore

TURN, UNKNOWN = timedelta(minutes=1), timedelta(seconds=1)


@dataclass(slots=True)
class _Job:
    list_key: str
    days: int
    due: datetime
    state: JobState


class SimulatedJobs:
    """Implements RetrievalJobs. They go on when somebody looks, or calls `advance`."""

    def __init__(self, store: ColdStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._jobs: dict[str, _Job] = {}

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self._jobs)

    def begin(self, list_key: str, keys: Sequence[str], days: int) -> str:
        """Named after its list."""
        body = "\n".join(keys).encode()
        try:
            self._store.create(list_key, body, hashlib.sha256(body).digest())
        except ObjectExistsError:
            return list_key
        self._jobs[list_key] = _Job(list_key, days, self._clock() + TURN, JobState(ended=False))
        return list_key

    def look(self, job: str) -> JobState:
        """How far it is; for a moment it is not known yet."""
        self.advance()
        if job not in self._jobs or self._clock() < self._jobs[job].due - TURN + UNKNOWN:
            raise NotFoundError(f"there is no job {job}", why="nobody began it", cure="begin one")
        return self._jobs[job].state

    def advance(self) -> None:
        """Carry out what is due."""
        for job in self._jobs.values():
            if not job.state.ended and job.due <= self._clock():
                job.state = self._carried_out(job)

    def _carried_out(self, job: _Job) -> JobState:
        try:
            keys = bytes(self._store.get(job.list_key)).decode().split("\n")
        except ObjectNotFoundError:
            return JobState(ended=True, complaint="the list is not there")
        refused = sum(itertools.starmap(self._is_refused, ((key, job.days) for key in keys)))
        return JobState(ended=True, complaint=f"{refused} objects were refused" if refused else None)

    def _is_refused(self, key: str, days: int) -> bool:
        try:
            coldness = self._store.head(key).coldness
        except ObjectNotFoundError:
            return True
        if coldness is not None and coldness.under_way:
            return True  # RestoreAlreadyInProgress
        self._store.retrieve_by_job(key, days)
        return False
