"""A store seen with the master keys: objects go in and come out as bodies, sealed and checked by kind and name."""

import hashlib
from collections.abc import Callable
from typing import TypeVar

from holdfast.domain.errors import IntegrityError, ObjectExistsError, ObjectNotFoundError, UnreadableError
from holdfast.repository.crypto.keys import MasterKey
from holdfast.repository.format import envelope, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.keys.epochs import KeyEpochs
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.first_version import open_first_good
from holdfast.repository.trust.older_versions import UNSEEN, as_damage, open_newest_good

_LABELS = {
    Kind.CONFIG: "config",
    Kind.TENANT: "tenant",
    Kind.MANIFEST: "point",
    Kind.TOMBSTONE: "point",
    Kind.RETIREMENT: "retired",
    Kind.LEDGER_BATCH: "ledger",
    Kind.LEDGER_CHECKPOINT: "ledger",
    Kind.PLAN: "plan",
    Kind.EPOCH: "epoch",
    Kind.LEASE: "lease",
}
_SCRATCH = (Kind.ACKNOWLEDGEMENT, Kind.TASK, Kind.RESULT, Kind.ALIVE, Kind.SESSION_CHECKPOINT)
# What several parties may write under one name, with all kinds that may stand there.
_POINT = (Kind.MANIFEST, Kind.TOMBSTONE)
_CONTESTED = {
    Kind.TENANT: (Kind.TENANT,),
    Kind.MANIFEST: _POINT,
    Kind.TOMBSTONE: _POINT,
    Kind.LEDGER_BATCH: (Kind.LEDGER_BATCH,),
    Kind.PLAN: (Kind.PLAN,),
}

Opened = TypeVar("Opened")


class SealedStore:
    """Reads and writes every kind of object but packs and key slots. What is written is sealed under the newest key
    epoch that is known, what is read opens with the keys of its own. `first_counts`: of several versions of a contested
    name the oldest that opens is the object (rule 9.7).
    """

    def __init__(
        self, store: ObjectStore, epochs: KeyEpochs, surroundings: Surroundings, *, first_counts: bool = False
    ) -> None:
        self.store = store
        self.epochs = epochs
        self.surroundings = surroundings
        self.first_counts = first_counts

    def write(self, kind: Kind, key: str, body: bytes) -> bytes:
        """Seal and create; returns the SHA-256 of the whole object. Raises ObjectExistsError when the key is taken, be
        it by what a delete marker hides.
        """
        master = self.epochs.newest
        data = envelope.seal(
            kind,
            body,
            kind_key=_kind_key(master, kind, key),
            object_key=key,
            repository=master.repository,
            kid=master.kid,
            salt=self.surroundings.random_bytes(envelope.SALT_BYTES),
            suite=master.suite,
        )
        sha256 = hashlib.sha256(data).digest()
        self.store.create(key, data, sha256)
        if self.first_counts and kind in _CONTESTED:
            self._require_first(kind, key, sha256)
        return sha256

    def read(self, key: str, *kinds: Kind) -> tuple[Kind, bytes]:
        """Kind and body of an object that must be of one of `kinds`. Raises ObjectNotFoundError, IntegrityError."""
        return self.counting(kinds[0], key, lambda data: self.open(key, data, *kinds))

    def counting(self, kind: Kind, key: str, opened: Callable[[Buffer], Opened]) -> Opened:
        """What `opened` makes of the version that counts. Raises ObjectNotFoundError, IntegrityError."""
        if not self.first_counts or kind not in _CONTESTED:
            return open_newest_good(self.store, key, opened)
        try:
            return open_first_good(self.store, key, opened)
        except UnreadableError:
            raise  # hidden or not, it may be the one
        except IntegrityError as error:
            if self.is_hidden(key):
                raise ObjectNotFoundError(key) from error  # nobody can read it, and it takes no name
            raise

    def is_hidden(self, key: str) -> bool:
        """Whether no LIST shows what is there: the one way to be rid of what does not open and is locked."""
        return all(found.key != key for found in self.store.list(key))

    def open(self, key: str, data: Buffer, *kinds: Kind) -> tuple[Kind, bytes]:
        """The same for bytes that were fetched already."""
        return envelope.open_object(
            data,
            kinds=kinds,
            kind_key=lambda kid: _kind_key(self.epochs.of(kid), kinds[0], key),
            object_key=key,
            repository=self.epochs.newest.repository,
        )

    def _require_first(self, kind: Kind, key: str, sha256: bytes) -> None:
        """If-None-Match looks at the newest version alone: behind a delete marker another one's may have been there."""
        versions = [one.version for one in self.store.versions(key) if one.key == key]
        for version in reversed(versions[1:]):
            try:
                data = self.store.get(key, version=version)
                self.open(key, data, *_CONTESTED[kind])
            except (IntegrityError, ObjectNotFoundError):
                continue  # whoever may put objects can have been there first; what does not open takes no name
            except UNSEEN as error:
                raise as_damage(self.store, key, error, version) from error  # it may be another one's
            if hashlib.sha256(data).digest() != sha256:
                raise ObjectExistsError(key)
            return


def _kind_key(master: MasterKey, kind: Kind, key: str) -> bytes:
    if kind is Kind.INDEX_RUN:
        return master.index_key(_hex_part(key, names.INDEX))
    if kind in _SCRATCH:
        return master.scratch_key(_hex_part(key, names.SESSIONS))
    return master.sub(_LABELS[kind])


def _hex_part(key: str, prefix: str) -> bytes:
    """The id that follows the prefix in a key of section 2."""
    return bytes.fromhex(key.removeprefix(prefix).split("/", 1)[0])
