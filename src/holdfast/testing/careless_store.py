"""A store that ignores If-None-Match: of two writes of one name the last one wins, and nobody hears of it."""

from datetime import datetime

from holdfast.repository.object_store import ORDINARY, Buffer, StorageTerms
from holdfast.repository.stores.memory import MemoryStore


class CarelessStore(MemoryStore):
    """An ObjectStore in memory, but for what `create` promises: as `rclone serve s3` and older S3 servers are."""

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Keep a copy of `body` in the place of whatever was there."""
        with self._lock:
            self._objects.pop(key, None)
        super().create(key, body, sha256, terms)

    def time(self) -> datetime | None:
        """As the Date of a server's answer tells it."""
        return self._clock()
