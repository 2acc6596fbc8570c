"""Patience: passing faults are retried with exponential backoff and full jitter, within bounded attempts and time.

Full jitter is the variant that AWS's Architecture Blog ("Exponential Backoff And Jitter", 2015) measured as the least
total work under contention.
"""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from holdfast.domain.errors import ObjectExistsError, ObjectNotFoundError, UnavailableError
from holdfast.repository.object_store import Buffer, ObjectInfo, ObjectStore

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long, and how far apart: attempt n (from 0) is followed by random() * first_delay * 2^n seconds.

    An attempt that would begin after `total_seconds` is not made.
    """

    attempts: int = 8
    first_delay_seconds: float = 0.1
    longest_delay_seconds: float = 20.0
    total_seconds: float = 300.0


class _Patience:
    """The waiting between the attempts of one request."""

    def __init__(self, store: "RetryingStore") -> None:
        self._store = store
        self._failures = 0
        self._started_seconds = store.monotonic()

    def wait_or_raise(self, error: UnavailableError) -> None:
        """Sleep before the next attempt, or raise `error` when attempts or time are used up."""
        policy = self._store.policy
        self._failures += 1
        ceiling = min(policy.longest_delay_seconds, policy.first_delay_seconds * 2 ** (self._failures - 1))
        delay_seconds = self._store.uniform() * ceiling
        elapsed_seconds = self._store.monotonic() - self._started_seconds
        if self._failures >= policy.attempts or elapsed_seconds + delay_seconds > policy.total_seconds:
            raise error
        self._store.sleep(delay_seconds)


class RetryingStore:
    """An ObjectStore that retries UnavailableError and ThrottledError of the store inside, and nothing else.

    `sleep` takes seconds, `uniform` gives a number in [0, 1), `monotonic` gives seconds.
    """

    def __init__(
        self,
        inner: ObjectStore,
        policy: RetryPolicy = RetryPolicy(),
        *,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self.policy = policy
        self.sleep = sleep
        self.uniform = uniform
        self.monotonic = monotonic

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    def create(self, key: str, body: Buffer, sha256: bytes) -> None:
        """Write the object; a name found taken after a failed attempt is ours when it holds our bytes (a lost answer).

        Raises ObjectExistsError when the name is another's, else what the store inside raised last.
        """
        patience = _Patience(self)
        may_be_ours = False
        while True:
            try:
                self._inner.create(key, body, sha256)
                return
            except ObjectExistsError:
                if may_be_ours and self._holds(key, memoryview(body).nbytes, sha256):
                    return
                raise
            except UnavailableError as error:
                may_be_ours = True
                patience.wait_or_raise(error)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> Buffer:
        """As the store inside, with patience."""
        return self._repeat(lambda: self._inner.get(key, offset, length))

    def head(self, key: str) -> ObjectInfo:
        """As the store inside, with patience."""
        return self._repeat(lambda: self._inner.head(key))

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """As the store inside; after a fault the list goes on behind the last object given, no object comes twice."""
        patience = _Patience(self)
        while True:
            try:
                for found in self._inner.list(prefix, start_after):
                    start_after = found.key
                    patience = _Patience(self)
                    yield found
                return
            except UnavailableError as error:
                patience.wait_or_raise(error)

    def delete(self, key: str) -> None:
        """As the store inside, with patience."""
        self._repeat(lambda: self._inner.delete(key))

    def close(self) -> None:
        """Close the store inside."""
        self._inner.close()

    def _repeat(self, request: Callable[[], Result]) -> Result:
        patience = _Patience(self)
        while True:
            try:
                return request()
            except UnavailableError as error:
                patience.wait_or_raise(error)

    def _holds(self, key: str, size_bytes: int, sha256: bytes) -> bool:
        try:
            found = self.head(key)
            if found.size_bytes != size_bytes:
                return False
            stored = found.sha256 if found.sha256 is not None else hashlib.sha256(self.get(key)).digest()
        except ObjectNotFoundError:
            return False
        return stored == sha256
