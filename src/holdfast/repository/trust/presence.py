"""Whether an object is there, by asking for it: absence in a LIST is no reason for anything (rule 5)."""

from contextlib import suppress

from holdfast.domain.errors import ObjectNotFoundError, PermissionDeniedError, UnavailableError
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


def not_shown(key: str, why: str = "the store refuses its name and does not give its bytes") -> UnavailableError:
    """The error of an object that is there by one answer of the store and not by another."""
    return UnavailableError(
        f"{key} is there and cannot be read",
        why=why,
        cure="run the command again; if it stays so, the store is not consistent and not to be trusted",
    )
