"""Whether an object is there, by asking for it: absence in a LIST is no reason for anything (rule 5)."""

from contextlib import suppress

from holdfast.domain.errors import ObjectNotFoundError, PermissionDeniedError
from holdfast.repository.object_store import ObjectStore


def size_of(store: ObjectStore, key: str) -> int | None:
    """The object's bytes by one HEAD, None where there is none; by a LIST of its versions where somebody has put
    something there under a key of his own. Raises PermissionDeniedError where none is to be seen so.
    """
    try:
        return store.head(key).size_bytes
    except ObjectNotFoundError:
        return None
    except PermissionDeniedError:
        with suppress(PermissionDeniedError):
            if sizes := [found.size_bytes for found in store.versions(key) if found.key == key]:
                return sizes[0]
        raise


def is_there(store: ObjectStore, key: str) -> bool:
    """The same as a yes or no."""
    return size_of(store, key) is not None
