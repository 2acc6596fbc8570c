"""A store in which everything that has to be locked is locked by its own PUT (rule 9.1)."""

import dataclasses
from collections.abc import Callable
from datetime import datetime

from holdfast.repository.object_store import ORDINARY, Buffer, ObjectStore, StorageTerms
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.trust.lock_terms import is_lockable


class LockingStore(PassingStore):
    """An ObjectStore over `inner`. `until` says how long what is written at this moment is locked; where one of these
    stands in another one, the later end counts.
    """

    def __init__(self, inner: ObjectStore, until: Callable[[], datetime]) -> None:
        super().__init__(inner)
        self._until = until

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside, with a lock."""
        self._inner.create(key, body, sha256, self._locked(key, terms))

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside, with a lock on what comes on top."""
        self._inner.reinstate(key, version, self._locked(key, terms))

    def _locked(self, key: str, terms: StorageTerms) -> StorageTerms:
        if not is_lockable(key):
            return terms
        until = self._until() if terms.retain_until is None else max(self._until(), terms.retain_until)
        return dataclasses.replace(terms, retain_until=until)
