"""Work in a repository that may be told to stop: between two requests, where it may be killed, too."""

from collections.abc import Callable, Iterator
from datetime import datetime

from holdfast.domain.archive import Tier
from holdfast.domain.errors import CancelledError
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, Protection, StorageTerms


class StoppableStore:
    """An ObjectStore that asks `stopped`, which must be quick, before every request: CancelledError once it is true."""

    def __init__(self, inner: ObjectStore, stopped: Callable[[], bool]) -> None:
        self._inner = inner
        self._stopped = stopped

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside."""
        self._go_on()
        self._inner.create(key, body, sha256, terms)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside."""
        self._go_on()
        return self._inner.get(key, offset, length, version)

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside."""
        self._go_on()
        return self._inner.head(key, version)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """As the store inside; asked before each object, for a list is long."""
        for found in self._inner.list(prefix, start_after):
            self._go_on()
            yield found

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """As the store inside; asked before each object."""
        for found in self._inner.versions(prefix):
            self._go_on()
            yield found

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """As the store inside."""
        self._go_on()
        self._inner.retrieve(key, days, tier, version)

    def delete(self, key: str) -> bool:
        """As the store inside."""
        self._go_on()
        return self._inner.delete(key)

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """As the store inside."""
        self._go_on()
        self._inner.extend(key, version, until)

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside."""
        self._go_on()
        self._inner.reinstate(key, version, terms)

    def hide(self, key: str) -> None:
        """As the store inside."""
        self._go_on()
        self._inner.hide(key)

    def protection(self) -> Protection:
        """As the store inside."""
        self._go_on()
        return self._inner.protection()

    def time(self) -> datetime | None:
        """As the store inside: nothing is asked for."""
        return self._inner.time()

    def close(self) -> None:
        """Close the store inside."""
        self._inner.close()

    def _go_on(self) -> None:
        if self._stopped():
            raise CancelledError(
                f"the work in {self.location} was stopped",
                why="somebody asked for it, or the program ends",
                cure="start it again: it goes on where it can",
            )
