"""What of a list is the repository's own: other programs leave files behind too (notes, `.nfs…`, half a copy)."""

from collections.abc import Iterator

from holdfast.repository.format import names
from holdfast.repository.object_store import ObjectInfo, ObjectStore


def objects_under(store: ObjectStore, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
    """Objects whose keys are of a form that section 2 knows, ascending by key. Absence proves nothing (rule 5)."""
    return (info for info in store.list(prefix, start_after) if names.is_object(info.key))
