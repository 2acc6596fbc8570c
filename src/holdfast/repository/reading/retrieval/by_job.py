"""What is asked for by one job: S3 retrieves faster then, at the same price for each object (section 17).

Nobody relies on it. A job that cannot be begun, or has not ended within an hour, and whatever one has not asked for,
leaves packs that are asked for one by one, as without it; and whoever is killed meanwhile begins another one, which
finds what the first has asked for under way.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.repository.format import names
from holdfast.repository.opening.repository import Repository
from holdfast.repository.retrieval_jobs import OpenJobs, RetrievalJobs

# S3 gives no promise how soon a job's turn comes; for longer than this a job spares nobody any time.
LONGEST_JOB = timedelta(hours=1)
_NO_ROLE = "nobody has named a role for it (docs/archive.md)"


class ByJob:
    """The one job of a retrieval: not begun, at work, or over."""

    def __init__(self, repository: Repository, open_jobs: OpenJobs) -> None:
        self._open_jobs = open_jobs
        self._jobs: RetrievalJobs | None = None
        self._store = repository.store
        self._surroundings = repository.surroundings
        self._job, self._list, self._began = "", "", repository.surroundings.now()
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
        self._jobs = self._open_jobs()
        self._may_begin = False
        if self._jobs is None:
            return _NO_ROLE
        self._list = names.retrieval(self._surroundings.random_bytes(16))
        try:
            self._job = self._jobs.begin(self._list, keys, days)
        except HoldfastError as error:
            self._end()
            return str(error)
        self._keys, self._began = frozenset(keys), self._surroundings.now()
        return None

    def may_ask_for(self, key: str) -> bool:
        """Whether a job is at work that has this one in its list."""
        return key in self._keys

    def look(self) -> str | None:
        """Why a job that has ended since the last look has not asked for all; None where it has, or none has ended. One
        of which nothing is heard is at work, for an hour.
        """
        if self._jobs is None or not self.is_at_work:
            return None
        if self._surroundings.now() - self._began >= LONGEST_JOB:
            complaint: str | None = f"job {self._job} has not ended within {LONGEST_JOB}"
        else:
            try:
                state = self._jobs.look(self._job)
            except UnavailableError:
                return None
            except HoldfastError as error:
                complaint = str(error)
            else:
                if not state.ended:
                    return None
                complaint = state.complaint
        self._end()
        return complaint

    def _end(self) -> None:
        """The list is needed no more; one that cannot be deleted now goes with a collection."""
        self._keys = frozenset()
        with suppress(HoldfastError):
            self._store.delete(self._list)
