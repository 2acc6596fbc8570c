"""An archive class of S3 in this process, as AWS documents it, under a clock that the test moves.

Rules: S3 API Reference, RestoreObject, GetObject and HeadObject; S3 User Guide, "Restoring an archived object". A cold
object is not read; a copy takes its tier's time (here always the longest that AWS calls typical) and goes at the
midnight in UTC after its days; a request for one under way is refused unless it is faster; DEEP_ARCHIVE has no
expedited tier.
"""

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, Tier, end_of_copy
from holdfast.domain.errors import NeedsRetrievalError, UsageError
from holdfast.repository.object_store import (
    ORDINARY,
    Buffer,
    Coldness,
    ObjectInfo,
    ObjectStore,
    StorageTerms,
)
from holdfast.repository.stores.passing import PassingStore


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that S3 took on, and would bill."""

    key: str
    days: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class _Copy:
    ready: datetime
    gone: datetime
    tier: Tier


class ColdStore(PassingStore):
    """An ObjectStore over `inner`: what is created for an archive class is cold there. `billed` is what it took on."""

    def __init__(self, inner: ObjectStore, clock: Callable[[], datetime]) -> None:
        super().__init__(inner)
        self._clock = clock
        self._cold: dict[str, ArchiveClass] = {}
        self._copies: dict[str, _Copy] = {}
        self._lock = threading.Lock()
        self.billed: list[Asked] = []

    def copied(self, inner: ObjectStore) -> "ColdStore":
        """The same over a copy of the objects, under the same clock, with nothing billed yet."""
        copy = ColdStore(inner, self._clock)
        with self._lock:
            copy._cold, copy._copies = dict(self._cold), dict(self._copies)
        return copy

    @property
    def cold(self) -> frozenset[str]:
        """The keys of all objects in an archive class."""
        with self._lock:
            return frozenset(self._cold)

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Cold from the first moment, where the terms say so."""
        self._inner.create(key, body, sha256, terms)
        if terms.archive_class is not None:
            with self._lock:
                self._cold[key] = terms.archive_class

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside; NeedsRetrievalError where the object is cold and has no copy."""
        coldness = self.head(key).coldness
        if coldness is not None and coldness.readable_until is None:
            raise NeedsRetrievalError(f"{key} is not read", why="InvalidObjectState", cure="retrieve it first")
        return self._inner.get(key, offset, length, version)

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside, with how far a retrieval is."""
        found = self._inner.head(key, version)
        with self._lock:
            if key not in self._cold:
                return found
            copy = self._copy(key)
        coldness = Coldness()
        if copy is not None:
            ready = copy.ready <= self._clock()
            coldness = Coldness(under_way=not ready, readable_until=copy.gone if ready else None)
        return dataclasses.replace(found, coldness=coldness)

    def retrieve(self, key: str, days: int, tier: Tier) -> None:
        """As RestoreObject: a new copy, a new end for one that is there, a faster tier, or nothing."""
        self._inner.head(key)
        now = self._clock()
        with self._lock:
            archive_class = self._cold.get(key)
            if archive_class is None:
                return
            offers = LIST_PRICES.offers(archive_class)
            if tier not in offers or days < 1:
                raise UsageError(f"{key} is not retrieved so", why=f"{tier}, {days} days", cure="choose another tier")
            copy = self._copy(key)
            if copy is not None and copy.ready <= now:
                ready = copy.ready
                gone = end_of_copy(now, days)
            else:
                if copy is not None and offers[copy.tier].longest <= offers[tier].longest:
                    return  # RestoreAlreadyInProgress
                ready = now + offers[tier].longest
                gone = end_of_copy(ready, days)
            self._copies[key] = _Copy(ready, gone, tier)
            self.billed.append(Asked(key, days, tier))

    def delete(self, key: str) -> bool:
        """As the store inside; the copy goes with the object."""
        gone = self._inner.delete(key)
        if gone:
            with self._lock:
                self._cold.pop(key, None)
                self._copies.pop(key, None)
        return gone

    def _copy(self, key: str) -> _Copy | None:
        copy = self._copies.get(key)
        if copy is not None and copy.gone <= self._clock():
            del self._copies[key]
            return None
        return copy
