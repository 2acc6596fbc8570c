"""The object store port: everything a repository asks of a place that keeps objects.

Keys are relative to the repository's prefix, `/`-separated ASCII. Every object is written once
(docs/format/ordering.md,
rule 1), so there is no overwrite: `create` is the only write. All methods may be called from many threads at once and
raise only errors of `holdfast.domain.errors`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import ObjectNotFoundError

Buffer = bytes | bytearray | memoryview
_READ_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Coldness:
    """Of an object in an archive class. It is read only while it has a retrieved copy, which goes at `readable_until`;
    `under_way`: the first copy has been asked for and is not there yet.
    """

    under_way: bool = False
    readable_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of one object without reading it.

    `sha256` is the store's own checksum of the whole object where it keeps one, `version` its version id where it has
    versions; both may be None. `modified` is the store's clock, which decides liveness and never safety.
    `locked_until`: nobody may delete that version before; None where no lock is on it, or the store does not say.
    `coldness` is None for what is read at once; only `head` tells it. `shown` is False, of a version, where it is the
    newest of its key and no LIST shows it: a delete marker stands over it.
    """

    key: str
    size_bytes: int
    sha256: bytes | None
    version: str | None
    modified: datetime | None
    locked_until: datetime | None = None
    coldness: Coldness | None = None
    shown: bool = True


@dataclass(frozen=True, slots=True)
class StorageTerms:
    """How an object is to be kept.

    `archive_class`: nobody needs it before a restore, so it goes where it has to be retrieved first. A store that has
    no such place keeps it as all else.
    `retain_until`: nobody may delete or change it before; None for no lock. A store that cannot keep such a promise
    refuses.
    """

    archive_class: ArchiveClass | None = None
    retain_until: datetime | None = None


ORDINARY = StorageTerms()


@dataclass(frozen=True, slots=True)
class Protection:
    """What a place does for the objects in it: whether it keeps versions, whether objects can be locked there, and
    whether it locks each new object by itself.
    """

    versions: bool = False
    locks: bool = False
    default_lock: bool = False


class ObjectStore(Protocol):
    """A flat, write-once key space. One contract suite (holdfast.testing) runs over every implementation."""

    @property
    def location(self) -> str:
        """The place as a person writes it, without secrets."""

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Write `body` under `key` unless the key exists, durably, all or nothing.

        `sha256` is the SHA-256 of the whole body; a store that can checks it on arrival. `terms` say how it is kept.
        Raises ObjectExistsError when the key is taken, OutOfSpaceError, PermissionDeniedError, UnavailableError.
        """

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """The object's bytes, or exactly `length` bytes from `offset` (fewer only where the object ends).

        Without a `version` the newest there is: what a delete marker hides is found all the same (rule 9).
        Raises ObjectNotFoundError, NeedsRetrievalError, PermissionDeniedError, UnavailableError.
        """

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """What the store knows of the object, as `get` would find it, or of one version. Raises ObjectNotFoundError."""

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, ascending by key, after `start_after`.

        Presence in a list is a fact, absence never is one (rule 5). A store may leave sha256, version and modified
        None.
        """

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every version that is kept, hidden ones too, ascending by key, of one key the newest first. A store without
        versions lists its objects, with None for a version.
        """

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """Ask that a cold object, or one version of it, can be read, one day; nothing waits. Once it can, it stays so
        for `days` from then on. Without a `version` the newest there is, as `get` finds it, cold or not.

        Of one that can be read it sets the end anew, `days` from now. One that is under way goes on as it was asked
        for, unless `tier` is a faster one; nothing is done to what is not cold. Raises ObjectNotFoundError, UsageError
        for a tier that the object's class has not, HoldfastError for the one that jobs alone get (`retrieval_jobs`),
        ThrottledError where expedited retrievals have no room now.
        """

    def delete(self, key: str) -> bool:
        """Remove the object with all its versions, the one that is read last of all; a key that is not there is no
        error. False where a lock holds any of them: that is still there, and read as before.
        """

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """Lock that version of an object until then, a whole second rounded up. A lock is never shortened: one that
        lasts longer makes it a PermissionDeniedError. Raises UsageError where nothing can be locked,
        ObjectNotFoundError.
        """

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """Make that version what is found under the key: delete markers over it are taken away; where other versions
        stand over it, a copy of it, kept by `terms`, comes on top. Raises ObjectNotFoundError, ObjectExistsError where
        somebody else was quicker, and where a copy is made of what is cold NeedsRetrievalError, before anything is
        changed. Running it again is safe.
        """

    def hide(self, key: str) -> None:
        """Put a delete marker over what is found under the key, whatever locks it: it stays, and the name can be
        created again. Raises UsageError where no versions are kept, ObjectNotFoundError. Running it again is safe.
        """

    def protection(self) -> Protection:
        """What the place does for what is in it."""

    def time(self) -> datetime | None:
        """What time it is by the store's own clock, as its latest answer told it; None where it tells none."""

    def close(self) -> None:
        """Release connections; the store is not used afterwards."""


def holds(store: ObjectStore, key: str, size_bytes: int, sha256: bytes) -> bool:
    """Whether that very object is there: by the store's own checksum, or, where it has none, by what it gives back.
    Raises what `get` does, but for what is not there.
    """
    try:
        found = store.head(key)
        if found.size_bytes != size_bytes:
            return False
        if found.sha256 is not None:
            return found.sha256 == sha256
        digest = hashlib.sha256()
        for offset in range(0, size_bytes, _READ_BYTES):
            digest.update(store.get(key, offset, min(_READ_BYTES, size_bytes - offset)))
    except ObjectNotFoundError:
        return False
    return digest.digest() == sha256
