"""A bounded cache of small reads, for objects whose bytes never change."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime

from holdfast.domain.archive import Tier
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, Protection, StorageTerms

# Folders whose objects are written once and read by exact name; elsewhere presence itself is a fact that may change.
IMMUTABLE_FOLDERS = ("packs/", "index/")

_Place = tuple[str, int, int | None, str | None]


class CachingStore:
    """An ObjectStore that remembers `get` answers of at most `largest_bytes` each, `capacity_bytes` in all.

    What was used least recently goes first. Only keys under `folders` are remembered, and never that
    something is absent.
    """

    def __init__(
        self,
        inner: ObjectStore,
        capacity_bytes: int,
        *,
        largest_bytes: int = 1024 * 1024,
        folders: tuple[str, ...] = IMMUTABLE_FOLDERS,
    ) -> None:
        self._inner = inner
        self._capacity_bytes = capacity_bytes
        self._largest_bytes = min(largest_bytes, capacity_bytes)
        self._folders = folders
        self._lock = threading.Lock()
        self._answers: OrderedDict[_Place, bytes] = OrderedDict()
        self._held_bytes = 0

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    @property
    def held_bytes(self) -> int:
        """How many bytes of answers are held now."""
        with self._lock:
            return self._held_bytes

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside; what is written is not remembered."""
        self._inner.create(key, body, sha256, terms)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """The remembered answer to exactly this range, else the store's."""
        if not key.startswith(self._folders):
            return self._inner.get(key, offset, length, version)
        place = (key, offset, length, version)
        with self._lock:
            known = self._answers.get(place)
            if known is not None:
                self._answers.move_to_end(place)
                return known
        body = self._inner.get(key, offset, length, version)
        if len(body) <= self._largest_bytes:
            self._remember(place, bytes(body))
        return body

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside."""
        return self._inner.head(key, version)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """As the store inside."""
        return self._inner.list(prefix, start_after)

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """As the store inside."""
        return self._inner.versions(prefix)

    def retrieve(self, key: str, days: int, tier: Tier) -> None:
        """As the store inside."""
        self._inner.retrieve(key, days, tier)

    def delete(self, key: str) -> bool:
        """As the store inside; forgets what was remembered of the object, before and after."""
        self._forget(key)
        gone = self._inner.delete(key)
        self._forget(key)
        return gone

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """As the store inside."""
        self._inner.extend(key, version, until)

    def protection(self) -> Protection:
        """As the store inside."""
        return self._inner.protection()

    def close(self) -> None:
        """Forget everything and close the store inside."""
        with self._lock:
            self._answers.clear()
            self._held_bytes = 0
        self._inner.close()

    def _remember(self, place: _Place, body: bytes) -> None:
        with self._lock:
            if place in self._answers:
                return
            self._answers[place] = body
            self._held_bytes += len(body)
            while self._held_bytes > self._capacity_bytes:
                _, oldest = self._answers.popitem(last=False)
                self._held_bytes -= len(oldest)

    def _forget(self, key: str) -> None:
        with self._lock:
            for place in [place for place in self._answers if place[0] == key]:
                self._held_bytes -= len(self._answers.pop(place))
