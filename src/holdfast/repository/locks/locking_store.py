"""A store in which everything that has to be locked is locked by its own PUT (rule 9.1)."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime

from holdfast.domain.archive import Tier
from holdfast.repository.locks.terms import is_lockable
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, Protection, StorageTerms


class LockingStore:
    """An ObjectStore over `inner`. `until` says how long what is written at this moment is locked; where one of these
    stands in another one, the later end counts.
    """

    def __init__(self, inner: ObjectStore, until: Callable[[], datetime]) -> None:
        self._inner = inner
        self._until = until

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside, with a lock."""
        if is_lockable(key):
            until = self._until() if terms.retain_until is None else max(self._until(), terms.retain_until)
            terms = dataclasses.replace(terms, retain_until=until)
        self._inner.create(key, body, sha256, terms)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside."""
        return self._inner.get(key, offset, length, version)

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
        """As the store inside."""
        return self._inner.delete(key)

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """As the store inside."""
        self._inner.extend(key, version, until)

    def protection(self) -> Protection:
        """As the store inside."""
        return self._inner.protection()

    def close(self) -> None:
        """As the store inside."""
        self._inner.close()
