"""A bounded cache of small reads, for objects whose bytes never change."""

import threading
from collections import OrderedDict

from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.stores.passing import PassingStore

# Folders whose objects are written once and read by exact name; elsewhere presence itself is a fact that may change.
IMMUTABLE_FOLDERS = ("packs/", "index/")

_Place = tuple[str, int, int | None, str | None]


class CachingStore(PassingStore):
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
        super().__init__(inner)
        self._capacity_bytes = capacity_bytes
        self._largest_bytes = min(largest_bytes, capacity_bytes)
        self._folders = folders
        self._lock = threading.Lock()
        self._answers: OrderedDict[_Place, bytes] = OrderedDict()
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """How many bytes of answers are held now."""
        with self._lock:
            return self._held_bytes

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

    def delete(self, key: str) -> bool:
        """As the store inside; forgets what was remembered of the object, before and after."""
        self._forget(key)
        gone = self._inner.delete(key)
        self._forget(key)
        return gone

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
