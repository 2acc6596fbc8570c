"""An ObjectStore over a strict bucket: what a test says of Object Lock is said against this one."""

import hashlib
from collections.abc import Iterator
from datetime import datetime

from holdfast.domain.archive import Tier
from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, ObjectNotFoundError, PermissionDeniedError
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, Protection, StorageTerms
from holdfast.repository.stores.byte_ranges import check_range
from holdfast.repository.stores.locks import whole_second
from holdfast.repository.stores.object_keys import check_key
from holdfast.repository.stores.without_versions import no_locks, no_versions
from holdfast.testing.strict_bucket import Guise, StrictBucket, Version


class StrictStore:
    """It speaks to `bucket` as the S3 store does, request by request."""

    def __init__(self, bucket: StrictBucket) -> None:
        self.bucket = bucket

    @property
    def location(self) -> str:
        """Always `strict:`."""
        return "strict:"

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """A conditional PUT with its checksum and lock."""
        check_key(key)
        until = terms.retain_until
        if until is not None and not self.bucket.can_lock:
            raise no_locks(self.location)
        self.bucket.put(
            key,
            bytes(body),
            sha256=sha256,
            if_none_match=True,
            retain_until=None if until is None else whole_second(until),
        )

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """A GET; behind a delete marker the newest version."""
        check_range(offset, length)
        found = self._found(key, version)
        if found.guise is Guise.TOO_LARGE and length is None:
            raise IntegrityError(f"{key} is too large", why="more than any object", cure="remove it", objects=(key,))
        body = _seen(found, Guise.COLD, Guise.FOREIGN_KEY).body or b""
        return body[offset:] if length is None else body[offset : offset + length]

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """A HEAD."""
        return self._describe(_seen(self._found(key, version), Guise.FOREIGN_KEY))

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """What is current, without checksums, versions and locks, as in S3's lists."""
        found = [one for one in self.bucket.listed() if one.key.startswith(prefix) and one.key > start_after]
        return iter([ObjectInfo(one.key, len(one.body or b""), None, None, one.modified) for one in found])

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every version, no markers."""
        found, before = [], ""
        for one in self.bucket.every_version():
            if one.key.startswith(prefix) and one.body is not None:
                shown = one.key == before or self.bucket.current(one.key) == one
                found.append(ObjectInfo(one.key, len(one.body), None, one.id, one.modified, shown=shown))
                before = one.key
        return iter(found)

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """Nothing here comes back."""
        self._found(key, version)

    def delete(self, key: str) -> bool:
        """Each version and marker by its id, the newest last; nothing where what is read is locked."""
        check_key(key)
        gone = True
        newest = next((one for one in self.bucket.every_version() if one.key == key and one.body is not None), None)
        if newest is not None and newest.locked_until is not None and newest.locked_until > self.bucket.now():
            return False
        for one in reversed([one for one in self.bucket.every_version() if one.key == key]):
            try:
                self.bucket.delete_version(key, one.id)
            except PermissionDeniedError:
                gone = False
        return gone

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """PutObjectRetention."""
        check_key(key)
        if not self.bucket.can_lock:
            raise no_locks(self.location)
        self.bucket.retain(key, self._found(key, version).id, whole_second(until))

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """Markers go by their ids; over another version a marker, then a conditional PUT."""
        found = self.bucket.version(key, version)
        of_key = [one for one in self.bucket.every_version() if one.key == key]
        above = of_key[: [one.id for one in of_key].index(version)]
        if all(one.body is None for one in above):
            for marker in above:
                self.bucket.delete_version(key, marker.id)
            return
        body = _seen(found, Guise.COLD, Guise.FOREIGN_KEY).body or b""
        if above[0].body == body and above[0].guise is Guise.NONE:
            return
        if above[0].body is not None:
            self.bucket.delete(key)
        self.create(key, body, hashlib.sha256(body).digest(), terms)

    def hide(self, key: str) -> None:
        """A DELETE without a version."""
        self._found(key, None)
        if not self.bucket.keeps_versions:
            raise no_versions(self.location)
        self.bucket.delete(key)

    def protection(self) -> Protection:
        """As the bucket was made."""
        bucket = self.bucket
        return Protection(bucket.keeps_versions, bucket.can_lock, bucket.default_lock is not None)

    def time(self) -> datetime | None:
        """The bucket's."""
        return self.bucket.now()

    def close(self) -> None:
        """Nothing is held."""

    def _found(self, key: str, version: str | None) -> Version:
        check_key(key)
        if version is not None:
            return self.bucket.version(key, version)
        for one in self.bucket.every_version():
            if one.key == key and one.body is not None:
                return one
        raise ObjectNotFoundError(key)

    def _describe(self, found: Version) -> ObjectInfo:
        body = found.body or b""
        version = found.id if self.bucket.keeps_versions else None
        return ObjectInfo(
            found.key, len(body), hashlib.sha256(body).digest(), version, found.modified, found.locked_until
        )


def _seen(found: Version, *kept_back: Guise) -> Version:
    """The version, unless its guise is one that keeps back what is asked for."""
    if found.guise is Guise.COLD and Guise.COLD in kept_back:
        raise NeedsRetrievalError(f"{found.key} is cold", why="InvalidObjectState", cure="retrieve it")
    if found.guise is Guise.FOREIGN_KEY and Guise.FOREIGN_KEY in kept_back:
        raise PermissionDeniedError(f"{found.key} was refused", why="AccessDenied: kms:Decrypt", cure="ask for the key")
    return found
