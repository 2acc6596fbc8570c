"""A store in memory: for tests and for `memory:` locations; everything is lost with the process."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.domain.errors import IntegrityError, ObjectExistsError, ObjectNotFoundError
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, StorageTerms
from holdfast.repository.stores.byte_ranges import check_range
from holdfast.repository.stores.object_keys import check_key
from holdfast.repository.stores.without_versions import StoreWithoutVersions, refuse_lock, require_no_version


@dataclass(frozen=True, slots=True)
class _StoredObject:
    body: bytes
    sha256: bytes
    modified: datetime


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class MemoryStore(StoreWithoutVersions):
    """An ObjectStore over one dictionary; checks the given SHA-256 of each body as a strict S3 does."""

    def __init__(self, clock: Callable[[], datetime] = _wall_clock) -> None:
        self._clock = clock
        self._objects: dict[str, _StoredObject] = {}
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        """Always `memory:`; two stores in memory share nothing."""
        return "memory:"

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Keep a copy of `body`; raises ObjectExistsError, or IntegrityError when `sha256` is not the body's."""
        check_key(key)
        refuse_lock(self.location, terms)
        copy = bytes(body)
        if hashlib.sha256(copy).digest() != sha256:
            raise IntegrityError(
                f"object {key} was not stored",
                why="its bytes do not have the checksum that was sent with them",
                cure="run the command again; if it happens again, test this machine's memory",
                objects=(key,),
            )
        stored = _StoredObject(copy, sha256, self._clock())
        with self._lock:
            if self._objects.setdefault(key, stored) is not stored:
                raise ObjectExistsError(key)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """The bytes asked for; raises ObjectNotFoundError."""
        check_range(offset, length)
        require_no_version(key, version)
        body = self._stored(key).body
        return body[offset:] if length is None else body[offset : offset + length]

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """Size, checksum and time of the object; raises ObjectNotFoundError."""
        require_no_version(key, version)
        return _describe(key, self._stored(key))

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """Objects present at the time of the call, ascending by key."""
        with self._lock:
            keys = sorted(key for key in self._objects if key.startswith(prefix) and key > start_after)
            found = [_describe(key, self._objects[key]) for key in keys]
        return iter(found)

    def delete(self, key: str) -> bool:
        """Forget the object, if it is there."""
        check_key(key)
        with self._lock:
            self._objects.pop(key, None)
        return True

    def close(self) -> None:
        """Nothing is held; the objects stay readable by who still has the store."""

    def _stored(self, key: str) -> _StoredObject:
        check_key(key)
        with self._lock:
            stored = self._objects.get(key)
        if stored is None:
            raise ObjectNotFoundError(key)
        return stored


def _describe(key: str, stored: _StoredObject) -> ObjectInfo:
    return ObjectInfo(key, len(stored.body), stored.sha256, None, stored.modified)
