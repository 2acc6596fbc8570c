"""What a wrapper leaves as it is: every request goes to the store inside."""

from collections.abc import Iterator
from datetime import datetime

from holdfast.domain.archive import Tier
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, Protection, StorageTerms


class PassingStore:
    """An ObjectStore over `inner` that changes nothing; a wrapper defines anew what its one concern is about. One that
    must see every request (to count, stop or retry it) is none of these: what the port learns one day would slip past.
    """

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside."""
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

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """As the store inside."""
        self._inner.retrieve(key, days, tier, version)

    def delete(self, key: str) -> bool:
        """As the store inside."""
        return self._inner.delete(key)

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """As the store inside."""
        self._inner.extend(key, version, until)

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside."""
        self._inner.reinstate(key, version, terms)

    def hide(self, key: str) -> None:
        """As the store inside."""
        self._inner.hide(key)

    def protection(self) -> Protection:
        """As the store inside."""
        return self._inner.protection()

    def time(self) -> datetime | None:
        """As the store inside."""
        return self._inner.time()

    def close(self) -> None:
        """Close the store inside."""
        self._inner.close()
