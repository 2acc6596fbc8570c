"""Whether a store gives the bytes that were put: a torn answer and a rotten disk make no junk of what was ours."""

import hashlib

from holdfast.repository.format import names
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.trust.older_versions import older_versions


def is_as_put(store: ObjectStore, key: str, version: str, data: Buffer) -> bool | None:
    """Whether `data` is what was put as that version, by the store's own SHA-256 of it; None where it keeps none. All
    that we write bears one: so in a store that keeps them, what has none is not ours.
    """
    kept = store.head(key, version).sha256
    if kept is None:
        return True if _keeps_checksums(store) else None
    return kept == hashlib.sha256(data).digest()


def _keeps_checksums(store: ObjectStore) -> bool:
    versions = older_versions(store, names.CONFIG)
    return any(store.head(names.CONFIG, version).sha256 is not None for version in versions)
