"""Whether an object is there, by asking for it: absence in a LIST is no reason for anything (rule 5)."""

from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.object_store import ObjectStore


def size_of(store: ObjectStore, key: str) -> int | None:
    """The object's bytes by one HEAD, None where there is none."""
    try:
        return store.head(key).size_bytes
    except ObjectNotFoundError:
        return None


def is_there(store: ObjectStore, key: str) -> bool:
    """The same as a yes or no."""
    return size_of(store, key) is not None
