"""A store seen with the master keys: objects go in and come out as bodies, sealed and checked by kind and name."""

import hashlib

from holdfast.repository.crypto.keys import MasterKey
from holdfast.repository.format import envelope, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.keys.epochs import KeyEpochs
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.older_versions import open_newest_good

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


class SealedStore:
    """Reads and writes every kind of object but packs and key slots. What is written is sealed under the newest key
    epoch that is known, what is read opens with the keys of its own.
    """

    def __init__(self, store: ObjectStore, epochs: KeyEpochs, surroundings: Surroundings) -> None:
        self.store = store
        self.epochs = epochs
        self.surroundings = surroundings

    def write(self, kind: Kind, key: str, body: bytes) -> bytes:
        """Seal and create; returns the SHA-256 of the whole object. Raises ObjectExistsError when the key is taken."""
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
        return sha256

    def read(self, key: str, *kinds: Kind) -> tuple[Kind, bytes]:
        """Kind and body of an object that must be of one of `kinds`. Raises ObjectNotFoundError, IntegrityError."""
        return open_newest_good(self.store, key, lambda data: self.open(key, data, *kinds))

    def open(self, key: str, data: Buffer, *kinds: Kind) -> tuple[Kind, bytes]:
        """The same for bytes that were fetched already."""
        return envelope.open_object(
            data,
            kinds=kinds,
            kind_key=lambda kid: _kind_key(self.epochs.of(kid), kinds[0], key),
            object_key=key,
            repository=self.epochs.newest.repository,
        )


def _kind_key(master: MasterKey, kind: Kind, key: str) -> bytes:
    if kind is Kind.INDEX_RUN:
        return master.index_key(_hex_part(key, names.INDEX))
    if kind in _SCRATCH:
        return master.scratch_key(_hex_part(key, names.SESSIONS))
    return master.sub(_LABELS[kind])


def _hex_part(key: str, prefix: str) -> bytes:
    """The id that follows the prefix in a key of section 2."""
    return bytes.fromhex(key.removeprefix(prefix).split("/", 1)[0])
