"""What is asked for by one job: S3 retrieves faster then, at the same price for each object (section 17).

Nobody relies on it. A job that cannot be begun, or has not ended within an hour, and whatever one has not asked for,
leaves packs that are asked for one by one, as without it. Whoever is killed meanwhile and asks again for the same packs
within the hour gets the same job.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from holdfast.domain.errors import HoldfastError, NotFoundError, UnavailableError, UsageError
from holdfast.domain.time import format_time
from holdfast.repository.format import names
from holdfast.repository.opening.repository import Repository
from holdfast.repository.retrieval_jobs import JobState, OpenJobs, RetrievalJobs

# S3 gives no promise how soon a job's turn comes; for longer than this a job spares nobody any time.
LONGEST_JOB = timedelta(hours=1)
# For so long S3 may not know a job yet that it has made (S3 User Guide, "Troubleshooting Batch Operations").
_UNKNOWN_AT_FIRST = timedelta(minutes=5)
_NO_ROLE = "nobody has named a role for it (docs/archive.md)"


class ByJob:
    """The one job of a retrieval that was `ordered` then, if told: not begun, at work, or over."""

    def __init__(self, repository: Repository, open_jobs: OpenJobs, ordered: datetime | None) -> None:
        self._open_jobs = open_jobs
        self._jobs: RetrievalJobs | None = None
        self._store = repository.store
        self._now = repository.surroundings.now
        self._ordered = ordered
        self._job, self._list, self._began = "", "", self._now()
        self._keys: frozenset[str] = frozenset()
        self._may_begin = True

    @property
    def may_begin(self) -> bool:
        """Whether none was tried."""
        return self._may_begin

    @property
    def is_at_work(self) -> bool:
        """Whether one was begun, and was not seen to have ended."""
        return bool(self._keys)

    def begin(self, keys: Sequence[str], days: int) -> str | None:
        """Why there is no job that asks for these; None where there is one. None is tried again. Raises UsageError
        where somebody has named as a role what is none.
        """
        self._may_begin, self._began = False, self._now()
        self._list = names.retrieval(self._id(keys, days))
        try:
            self._jobs = self._open_jobs()
            if self._jobs is None:
                return _NO_ROLE
            self._job = self._jobs.begin(self._list, keys, days)
        except UsageError:
            raise
        except HoldfastError as error:
            self.end()
            return str(error)
        self._keys = frozenset(keys)
        return None

    def _id(self, keys: Sequence[str], days: int) -> bytes:
        """The same for who asks again: for the same order, or within the same hour."""
        when = self._ordered or self._began.replace(minute=0, second=0, microsecond=0)
        words = "\n".join((format_time(when), str(days), *keys))
        return hashlib.sha256(words.encode()).digest()[:16]

    def may_ask_for(self, key: str) -> bool:
        """Whether a job is at work that has this one in its list."""
        return key in self._keys

    def look(self) -> str | None:
        """Why a job that has ended since the last look has not asked for all; None where it has, or none has ended. One
        of which nothing is heard is at work, for an hour.
        """
        if self._jobs is None or not self.is_at_work:
            return None
        state, lasted = self._state(self._jobs), self._now() - self._began
        if not state.ended and lasted < LONGEST_JOB:
            return None
        self.end()
        return state.complaint if state.ended else f"job {self._job} has not ended within {LONGEST_JOB}"

    def _state(self, jobs: RetrievalJobs) -> JobState:
        try:
            return jobs.look(self._job)
        except UnavailableError:
            return JobState(ended=False)
        except HoldfastError as error:
            is_new = self._now() - self._began < _UNKNOWN_AT_FIRST
            if isinstance(error, NotFoundError) and is_new:
                return JobState(ended=False)
            return JobState(ended=True, complaint=str(error))

    def end(self) -> None:
        """Nobody waits for it. Without its list a job whose turn has not come asks for nothing; a list that cannot be
        deleted now goes with a collection.
        """
        self._keys = frozenset()
        if self._jobs is not None and self._list:
            with suppress(HoldfastError):
                self._store.delete(self._list)
        self._list = ""
