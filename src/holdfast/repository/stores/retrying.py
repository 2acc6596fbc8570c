"""Patience: passing faults of a store are retried, and a lost answer is told from a taken name."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from holdfast.domain.archive import Tier
from holdfast.domain.errors import ObjectExistsError, UnavailableError
from holdfast.patience import DEFAULT_POLICY, REAL_WAITING, Patience, RetryPolicy, Waiting
from holdfast.repository.object_store import (
    ORDINARY,
    Buffer,
    ObjectInfo,
    ObjectStore,
    Protection,
    StorageTerms,
    holds,
)

Result = TypeVar("Result")


class RetryingStore:
    """An ObjectStore that retries UnavailableError and ThrottledError of the store inside, and nothing else."""

    def __init__(
        self, inner: ObjectStore, policy: RetryPolicy = DEFAULT_POLICY, waiting: Waiting = REAL_WAITING
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._waiting = waiting

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Write the object; a name found taken after a failed attempt is ours when it holds our bytes (a lost answer).

        Raises ObjectExistsError when the name is another's, else what the store inside raised last.
        """
        patience = Patience(self._policy, self._waiting)
        may_be_ours = False
        while True:
            try:
                self._inner.create(key, body, sha256, terms)
                return
            except ObjectExistsError:
                if may_be_ours and holds(self, key, memoryview(body).nbytes, sha256):
                    return
                raise
            except UnavailableError as error:
                may_be_ours = True
                patience.wait_or_raise(error)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside, with patience."""
        return self._repeat(lambda: self._inner.get(key, offset, length, version))

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside, with patience."""
        return self._repeat(lambda: self._inner.head(key, version))

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """As the store inside; after a fault the list goes on behind the last object given, no object comes twice."""
        patience = Patience(self._policy, self._waiting)
        while True:
            try:
                for found in self._inner.list(prefix, start_after):
                    start_after = found.key
                    patience = Patience(self._policy, self._waiting)
                    yield found
                return
            except UnavailableError as error:
                patience.wait_or_raise(error)

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """As the store inside, with patience: all of them are asked for again after a fault."""
        return iter(self._repeat(lambda: list(self._inner.versions(prefix))))

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """As the store inside, with patience: a second one of the same tier costs nothing. Where expedited retrievals
        have no room, another tier is quicker than waiting.
        """
        impatient = replace(self._policy, throttled_attempts=None, throttled_seconds=None)
        self._repeat(lambda: self._inner.retrieve(key, days, tier, version), impatient)

    def delete(self, key: str) -> bool:
        """As the store inside, with patience."""
        return self._repeat(lambda: self._inner.delete(key))

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """As the store inside, with patience: to lock until the same moment again changes nothing."""
        self._repeat(lambda: self._inner.extend(key, version, until))

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside, with patience: what was done of it is not done again."""
        self._repeat(lambda: self._inner.reinstate(key, version, terms))

    def hide(self, key: str) -> None:
        """As the store inside, with patience: two markers hide no more than one."""
        self._repeat(lambda: self._inner.hide(key))

    def protection(self) -> Protection:
        """As the store inside, with patience."""
        return self._repeat(self._inner.protection)

    def time(self) -> datetime | None:
        """As the store inside."""
        return self._inner.time()

    def close(self) -> None:
        """Close the store inside."""
        self._inner.close()

    def _repeat(self, request: Callable[[], Result], policy: RetryPolicy | None = None) -> Result:
        patience = Patience(policy or self._policy, self._waiting)
        while True:
            try:
                return request()
            except UnavailableError as error:
                patience.wait_or_raise(error)
