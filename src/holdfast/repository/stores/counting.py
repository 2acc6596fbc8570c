"""Counting requests and bytes: the figures that `image backup` and `image restore` report."""

import threading
from collections.abc import Iterator
from datetime import datetime

from holdfast.domain.archive import Tier
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, Protection, StorageTerms

# What one LIST answer of S3 holds at most; other stores are counted as if they paged like it.
LIST_PAGE_OBJECTS = 1000


class RequestCounts:
    """Requests by kind and payload bytes by direction; shared by all threads that use a store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = {"get": 0, "put": 0, "list": 0, "head": 0, "delete": 0, "retrieve": 0}
        self._sent_bytes = 0
        self._received_bytes = 0

    def add(self, kind: str, *, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        """Count one request of `kind` (get, put, list, head, delete or retrieve) and its payload."""
        with self._lock:
            self._requests[kind] += 1
            self._sent_bytes += sent_bytes
            self._received_bytes += received_bytes

    def add_received(self, received_bytes: int) -> None:
        """Count payload that arrived for a request counted before."""
        with self._lock:
            self._received_bytes += received_bytes

    @property
    def requests(self) -> dict[str, int]:
        """A copy of the counts: {"get": …, "put": …, "list": …, "head": …, "delete": …, "retrieve": …}."""
        with self._lock:
            return dict(self._requests)

    @property
    def sent_bytes(self) -> int:
        """Payload handed to `create`, also where the store refused it."""
        with self._lock:
            return self._sent_bytes

    @property
    def received_bytes(self) -> int:
        """Payload that `get` brought."""
        with self._lock:
            return self._received_bytes

    def snapshot(self) -> dict[str, int]:
        """Requests by kind with `sent_bytes` and `received_bytes`, taken at one moment."""
        with self._lock:
            return {**self._requests, "sent_bytes": self._sent_bytes, "received_bytes": self._received_bytes}


class CountingStore:
    """An ObjectStore that counts every request to the store inside, failed ones too: they cost as much."""

    def __init__(self, inner: ObjectStore, counts: RequestCounts) -> None:
        self._inner = inner
        self.counts = counts

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """One `put`."""
        self.counts.add("put", sent_bytes=memoryview(body).nbytes)
        self._inner.create(key, body, sha256, terms)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """One `get`."""
        self.counts.add("get")
        body = self._inner.get(key, offset, length, version)
        self.counts.add_received(len(body))
        return body

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """One `head`."""
        self.counts.add("head")
        return self._inner.head(key, version)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """One `list` for each page of 1,000 objects."""
        return self._paged(self._inner.list(prefix, start_after))

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """One `list` for each page of 1,000 versions."""
        return self._paged(self._inner.versions(prefix))

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """One `retrieve`."""
        self.counts.add("retrieve")
        self._inner.retrieve(key, days, tier, version)

    def delete(self, key: str) -> bool:
        """One `delete`."""
        self.counts.add("delete")
        return self._inner.delete(key)

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """One `put`."""
        self.counts.add("put")
        self._inner.extend(key, version, until)

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """One `put`, where it is one: markers are taken away by deletions, which cost nothing."""
        self.counts.add("put")
        self._inner.reinstate(key, version, terms)

    def hide(self, key: str) -> None:
        """One `delete`."""
        self.counts.add("delete")
        self._inner.hide(key)

    def protection(self) -> Protection:
        """Two `get`: of the versions and of the locks."""
        self.counts.add("get")
        self.counts.add("get")
        return self._inner.protection()

    def time(self) -> datetime | None:
        """As the store inside."""
        return self._inner.time()

    def close(self) -> None:
        """Close the store inside; the counts stay readable."""
        self._inner.close()

    def _paged(self, listed: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        self.counts.add("list")
        for position, found in enumerate(listed):
            if position and position % LIST_PAGE_OBJECTS == 0:
                self.counts.add("list")
            yield found
