"""A store that ignores If-None-Match as who writes in single-writer mode sees it: written once all the same (8.3)."""

import hashlib
import threading

from holdfast.domain.errors import ObjectExistsError, ObjectNotFoundError, SecondWriterError
from holdfast.repository.format import names
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectStore, StorageTerms
from holdfast.repository.opening.single_writer.lease import Holder, Lease
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.trust.presence import is_there


class GuardedStore(PassingStore):
    """An ObjectStore over `inner` that nobody writes to or deletes from without the lease. Reading asks for nothing."""

    def __init__(self, inner: ObjectStore, lease: Lease) -> None:
        super().__init__(inner)
        self._lease = lease
        self._lock = threading.Lock()
        self._last_batch: tuple[str, bytes] | None = None

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside should have done it. Raises LeaseHeldError, and SecondWriterError where somebody else
        wrote at the same time.
        """
        if key.startswith(names.PACKS):
            self._lease.hold()
            self._inner.create(key, body, sha256, terms)
            return
        with self._lock:
            self._lease.confirm()
            is_batch = key.startswith(names.LEDGER) and not key.startswith(names.CHECKPOINTS)
            if is_batch:
                self._require_last_batch()
            if is_there(self._inner, key):
                raise ObjectExistsError(key)
            self._inner.create(key, body, sha256, terms)
            self._require(key, sha256)
            if is_batch:
                self._last_batch = (key, sha256)

    def delete(self, key: str) -> bool:
        """As the store inside, with the lease. Raises LeaseHeldError, SecondWriterError."""
        self._lease.confirm()
        return self._inner.delete(key)

    def take_over(self) -> tuple[Holder, ...]:
        """The lease, from holders that are dead; who they were. Raises LeaseHeldError while one may be alive."""
        return self._lease.take_over()

    def give_back(self) -> None:
        """The work here is over, others may write. Raises SecondWriterError where somebody did already."""
        try:
            self._require_last_batch()
        finally:
            self._lease.give_back()

    def _require_last_batch(self) -> None:
        if self._last_batch is not None:
            self._require(*self._last_batch)

    def _require(self, key: str, sha256: bytes) -> None:
        """It is there as this party wrote it."""
        try:
            found = hashlib.sha256(self._inner.get(key)).digest()
        except ObjectNotFoundError:
            found = b""
        if found != sha256:
            raise SecondWriterError(
                f"{key} of {self.location} is not what was written here a moment ago",
                why="it holds something else: somebody else writes there" if found else "it is not there any more",
                cure="stop all that writes there; then run `holdfast repository check`, which names what was hurt",
            )
