"""Whether a store gives the bytes that were put: a torn answer and a rotten disk make no junk of what was ours."""

import hashlib
from contextlib import suppress

from holdfast.domain.errors import PermissionDeniedError
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
    for version in older_versions(store, names.CONFIG):
        with suppress(PermissionDeniedError):  # what somebody has put there under a key of his own
            if store.head(names.CONFIG, version).sha256 is not None:
                return True
    return False
