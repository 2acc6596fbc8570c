"""A bucket with the rules that AWS documents for versions and Object Lock, in memory, without chance and by its clock.

After the Amazon S3 User Guide: "How S3 Versioning works" and "Working with delete markers" (a DELETE without a version
puts a marker on top; only a DELETE of a version frees space), "Locking objects with Object Lock" (a lock in mode
COMPLIANCE is on one version, nobody shortens it, a locked version is not deleted, neither new versions nor markers are
kept off), "How to prevent object overwrites with conditional writes" (If-None-Match looks at the current version alone,
so it succeeds behind a marker), "Checking object integrity" (a body that has not the checksum sent is refused),
"Using server-side encryption with AWS KMS keys" (whoever puts an object names the key, without which its bytes are
refused, and with them its checksum), "Working with archived objects" (what is in an archive class is not read).
"""

import hashlib
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from holdfast.domain.errors import (
    IntegrityError,
    ObjectExistsError,
    ObjectNotFoundError,
    PermissionDeniedError,
    UsageError,
)


class Guise(Enum):
    """What keeps an object's bytes from its readers, by the wish of whoever has put it."""

    NONE = "none"
    COLD = "an archive class"
    FOREIGN_KEY = "a KMS key of another account"
    TOO_LARGE = "more bytes than any object of a repository"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key; `body` None is a delete marker. `locked_until` in mode COMPLIANCE. `guise`: how it was put,
    by somebody who wants nobody to read it.
    """

    key: str
    id: str
    body: bytes | None
    modified: datetime
    locked_until: datetime | None = None
    guise: Guise = Guise.NONE


class StrictBucket:
    """Any thread may use it. `default_lock`: how long each new object is locked where its PUT does not say."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        versions: bool = True,
        locks: bool = True,
        default_lock: timedelta | None = None,
    ) -> None:
        self.keeps_versions, self.can_lock, self.default_lock = versions, locks, default_lock
        self._clock = clock
        self._numbers = itertools.count(1)
        self._keys: dict[str, list[Version]] = {}  # of each key the oldest first
        self._turn = threading.RLock()

    def put(
        self,
        key: str,
        body: bytes,
        *,
        sha256: bytes | None = None,
        if_none_match: bool = False,
        retain_until: datetime | None = None,
        guise: Guise = Guise.NONE,
    ) -> str:
        """PutObject; the new version's id. Raises ObjectExistsError (412), IntegrityError (a wrong checksum),
        UsageError (a lock where there are none, or one that has ended).
        """
        with self._turn:
            now = self._clock()
            if sha256 is not None and hashlib.sha256(body).digest() != sha256:
                raise IntegrityError("BadDigest", why="the checksum is not the body's", cure="send it again")
            if retain_until is None and self.default_lock is not None:
                retain_until = now + self.default_lock
            if retain_until is not None:
                self._check_lock(retain_until, now)
            if if_none_match and self.current(key) is not None:
                raise ObjectExistsError(key)
            made = Version(key, self._new_id(), body, now, retain_until, guise)
            self.add(made)
            return made.id

    def current(self, key: str) -> Version | None:
        """What a GET without a version finds: nothing under a delete marker."""
        with self._turn:
            newest = self._keys[key][-1] if key in self._keys else None
            return None if newest is None or newest.body is None else newest

    def version(self, key: str, version_id: str) -> Version:
        """A version by its id. Raises ObjectNotFoundError."""
        with self._turn:
            for one in self._keys.get(key, ()):
                if one.id == version_id and one.body is not None:
                    return one
        raise ObjectNotFoundError(key)

    def delete(self, key: str) -> None:
        """DeleteObject without a version: a marker on top where versions are kept, whatever is locked below."""
        with self._turn:
            if self.keeps_versions:
                self.add(Version(key, self._new_id(), None, self._clock()))
            else:
                self._keys.pop(key, None)

    def delete_version(self, key: str, version_id: str) -> None:
        """DeleteObject of a version or marker. Raises PermissionDeniedError for a locked one."""
        with self._turn:
            versions = self._keys.get(key, [])
            for one in versions:
                if one.id == version_id and one.locked_until is not None and one.locked_until > self._clock():
                    raise PermissionDeniedError(
                        f"{key} is locked", why=f"until {one.locked_until}", cure="wait; nobody can shorten it"
                    )
            left = [one for one in versions if one.id != version_id]
            if left:
                self._keys[key] = left
            else:
                self._keys.pop(key, None)

    def retain(self, key: str, version_id: str, until: datetime) -> None:
        """PutObjectRetention in mode COMPLIANCE. Raises PermissionDeniedError where that shortens a lock."""
        with self._turn:
            now = self._clock()
            self._check_lock(until, now)
            known = self.version(key, version_id)
            if known.locked_until is not None and known.locked_until > now and until < known.locked_until:
                raise PermissionDeniedError(
                    f"{key} stays locked until {known.locked_until}",
                    why="a lock in mode COMPLIANCE is never shortened",
                    cure="ask for a later date",
                )
            versions = self._keys[key]
            versions[versions.index(known)] = replace(known, locked_until=until)

    def add(self, made: Version) -> None:
        """A version as it is, on top: one that was kept elsewhere comes back."""
        with self._turn:
            if self.keeps_versions:
                self._keys.setdefault(made.key, []).append(made)
            else:
                self._keys[made.key] = [made]

    def change(self, other: Version) -> None:
        """What a lifecycle rule, or a change of keys, makes of the version of that id."""
        with self._turn:
            versions = self._keys[other.key]
            versions[[one.id for one in versions].index(other.id)] = other

    def now(self) -> datetime:
        """Its time."""
        return self._clock()

    def copied(self, clock: Callable[[], datetime]) -> "StrictBucket":
        """The same in a bucket of its own, by another clock."""
        other = StrictBucket(clock, versions=self.keeps_versions, locks=self.can_lock, default_lock=self.default_lock)
        with self._turn:
            other._keys = {key: list(versions) for key, versions in self._keys.items()}
            other._numbers = itertools.count(next(self._numbers) + 1)
        return other

    def listed(self) -> list[Version]:
        """ListObjectsV2: current versions, ascending by key; what is under a marker is not shown."""
        with self._turn:
            found = [self.current(key) for key in sorted(self._keys)]
        return [one for one in found if one is not None]

    def every_version(self) -> list[Version]:
        """ListObjectVersions: versions and markers, ascending by key, of each key the newest first."""
        with self._turn:
            return [one for key in sorted(self._keys) for one in reversed(self._keys[key])]

    def _check_lock(self, until: datetime, now: datetime) -> None:
        if not self.can_lock:
            raise UsageError("InvalidRequest", why="the bucket has no Object Lock", cure="make another bucket")
        if until <= now:
            raise UsageError("InvalidArgument", why="the retain-until date must be in the future", cure="wait less")

    def _new_id(self) -> str:
        return f"v{next(self._numbers):08}" if self.keeps_versions else "null"
