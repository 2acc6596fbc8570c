"""A store as a worker may use it: it reads, and creates what belongs to its own session, and
of a backup or copy packs. No more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from holdfast.domain.archive import Tier
from holdfast.domain.errors import HoldfastError, ObjectNotFoundError, PermissionDeniedError
from holdfast.repository.format import names
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, Protection, StorageTerms

# How S3 begins to say that the right itself is missing ("Troubleshoot access denied (403 Forbidden) errors").
_NO_RIGHT_TO_READ = "is not authorized to perform: s3:GetObject"


@dataclass(frozen=True, slots=True)
class NarrowStore:
    """An ObjectStore that refuses what the rights of a worker's role refuse, also where there is no role.

    A role that may not list a bucket hears "denied" of an object that is not there (S3 API reference, GetObject). S3
    says which right is missing: of what is there that is reading, of what is gone it is listing, which no worker has.
    Where S3 does not say (another account's bucket, HEAD), a pack or index run that is denied is one that is gone: the
    task was read with the same right. So it is with a checkpoint, of which nobody knows how many there are.
    """

    inner: ObjectStore
    session: bytes
    writes_packs: bool

    @property
    def location(self) -> str:
        """As the store inside."""
        return self.inner.location

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Objects of the own session, and of a backup or copy packs."""
        own = f"{names.SESSIONS}{self.session.hex()}/"
        if not key.startswith((names.PACKS, own) if self.writes_packs else own):
            self._refuse("write", key)
        self.inner.create(key, body, sha256, terms)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside; ObjectNotFoundError for a pack, index run or checkpoint that is denied."""
        try:
            return self.inner.get(key, offset, length, version)
        except PermissionDeniedError as refusal:
            raise _of_denied(key, refusal) from None

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside; ObjectNotFoundError for a pack, index run or checkpoint that is denied."""
        try:
            return self.inner.head(key, version)
        except PermissionDeniedError as refusal:
            raise _of_denied(key, refusal) from None

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """Refused."""
        self._refuse("list", prefix)

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Refused."""
        self._refuse("list", prefix)

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """Refused: it costs money."""
        self._refuse("retrieve", key)

    def delete(self, key: str) -> bool:
        """Refused."""
        self._refuse("delete", key)

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """Refused."""
        self._refuse("lock", key)

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """Refused."""
        self._refuse("reinstate", key)

    def hide(self, key: str) -> None:
        """Refused."""
        self._refuse("hide", key)

    def protection(self) -> Protection:
        """Refused."""
        self._refuse("look into", "the bucket's settings")

    def time(self) -> datetime | None:
        """As the store inside."""
        return self.inner.time()

    def close(self) -> None:
        """As the store inside."""
        self.inner.close()

    def _refuse(self, verb: str, key: str) -> NoReturn:
        raise PermissionDeniedError(
            f"a worker may not {verb} {key}",
            why="it reads, and creates what belongs to its own session, and of a backup or copy packs",
            cure="this is a defect in Holdfast, please report it",
        )


def _of_denied(key: str, refusal: PermissionDeniedError) -> HoldfastError:
    may_be_gone = key.startswith((names.PACKS, names.INDEX)) or f"/{names.SESSION_CHECKPOINT}" in key
    if not may_be_gone or _NO_RIGHT_TO_READ in refusal.why:
        return refusal
    return ObjectNotFoundError(
        key,
        why=f"it is not there, or the worker may not read it: {refusal.why}",
        cure="run `holdfast repository check`; when it is there, look at the rights of the worker's role",
    )
