"""An archive class of S3 in this process, as AWS documents it, under a clock that the test moves.

Rules: S3 API Reference, RestoreObject, GetObject and HeadObject; S3 User Guide, "Restoring an archived object". A cold
object is not read; a copy takes its tier's time (the longest that AWS calls typical, but of jobs) and goes at the
midnight in UTC after its days; a request for one under way is refused unless it is faster; DEEP_ARCHIVE has no
expedited tier. Of a key with several versions each has its own class and its own copy.
"""

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.archive import BY_JOB_MOSTLY, LIST_PRICES, ArchiveClass, Tier, end_of_copy
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


# A key and the id of one version of it, None where the store keeps no versions.
_Name = tuple[str, str | None]


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
        self._cold: dict[_Name, ArchiveClass] = {}
        self._copies: dict[_Name, _Copy] = {}
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
        """The keys of all objects of which a version is in an archive class."""
        with self._lock:
            return frozenset(key for key, _version in self._cold)

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Cold from the first moment, where the terms say so."""
        self._inner.create(key, body, sha256, terms)
        self._take(key, terms)

    def _take(self, key: str, terms: StorageTerms) -> None:
        if terms.archive_class is not None:
            name = key, self._inner.head(key).version
            with self._lock:
                self._cold[name] = terms.archive_class

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside; NeedsRetrievalError where the object is cold and has no copy."""
        coldness = self.head(key, version).coldness
        if coldness is not None and coldness.readable_until is None:
            raise NeedsRetrievalError(f"{key} is not read", why="InvalidObjectState", cure="retrieve it first")
        return self._inner.get(key, offset, length, version)

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside, with how far a retrieval is."""
        found = self._inner.head(key, version)
        name = key, found.version
        with self._lock:
            if name not in self._cold:
                return found
            copy = self._copy(name)
        coldness = Coldness()
        if copy is not None:
            ready = copy.ready <= self._clock()
            coldness = Coldness(under_way=not ready, readable_until=copy.gone if ready else None)
        return dataclasses.replace(found, coldness=coldness)

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """As RestoreObject: a new copy, a new end for one that is there, a faster tier, or nothing."""
        if tier.is_by_job:
            raise UsageError(f"{key} is not retrieved so", why=f"{tier} is for jobs", cure="choose another tier")
        self._retrieve(key, days, tier, version)

    def retrieve_by_job(self, key: str, days: int) -> None:
        """The same as a job of S3 Batch Operations asks: sooner than alone, where the class has that."""
        archive_class = self._cold.get((key, self._inner.head(key).version))
        offers = () if archive_class is None else LIST_PRICES.offers(archive_class)
        self._retrieve(key, days, Tier.ACCELERATED if Tier.ACCELERATED in offers else Tier.STANDARD, None)

    def _retrieve(self, key: str, days: int, tier: Tier, version: str | None) -> None:
        name = key, self._inner.head(key, version).version
        now = self._clock()
        with self._lock:
            archive_class = self._cold.get(name)
            if archive_class is None:
                return
            offers = LIST_PRICES.offers(archive_class)
            if tier not in offers or days < 1:
                raise UsageError(f"{key} is not retrieved so", why=f"{tier}, {days} days", cure="choose another tier")
            copy = self._copy(name)
            if copy is not None and copy.ready <= now:
                ready = copy.ready
                gone = end_of_copy(now, days)
            else:
                if copy is not None and offers[copy.tier].longest <= offers[tier].longest:
                    return  # RestoreAlreadyInProgress
                ready = now + (BY_JOB_MOSTLY if tier.is_by_job else offers[tier].longest)
                gone = end_of_copy(ready, days)
            self._copies[name] = _Copy(ready, gone, tier)
            self.billed.append(Asked(key, days, tier))

    def delete(self, key: str) -> bool:
        """As the store inside; the copy goes with the object."""
        gone = self._inner.delete(key)
        if gone:
            with self._lock:
                for name in [name for name in self._cold if name[0] == key]:
                    del self._cold[name]
                    self._copies.pop(name, None)
        return gone

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside; a copy is made of what can be read alone, and is as cold as the terms say."""
        newest = next((one.version for one in self._inner.versions(key) if one.key == key), None)
        if newest != version:
            self.get(key, 0, 1, version)
        self._inner.reinstate(key, version, terms)
        if newest != version and self._inner.head(key).version != newest:
            self._take(key, terms)

    def _copy(self, name: _Name) -> _Copy | None:
        copy = self._copies.get(name)
        if copy is not None and copy.gone <= self._clock():
            del self._copies[name]
            return None
        return copy
