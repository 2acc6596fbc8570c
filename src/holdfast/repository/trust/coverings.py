"""What stands behind delete markers, and what has several versions: who may write to a bucket can put both over
anything, and a LIST shows nothing of it (rule 9.5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from holdfast.domain.errors import PermissionDeniedError
from holdfast.repository.format import names
from holdfast.repository.object_store import ObjectInfo, ObjectStore


@dataclass(frozen=True, slots=True)
class Covered:
    """An object of the repository with its versions, the newest first; `hidden`: a delete marker is on top."""

    key: str
    versions: tuple[ObjectInfo, ...]

    @property
    def hidden(self) -> bool:
        """Whether no LIST shows it."""
        return not self.versions[0].shown


def covered(store: ObjectStore, prefix: str = "") -> Iterator[Covered]:
    """By one LIST of all versions of what begins so. Scratch of sessions is left out: nobody needs it when its session
    has ended. Nothing where the store keeps no versions, or we may not ask.
    """
    try:
        for key, group in groupby(store.versions(prefix), key=lambda one: one.key):
            versions = tuple(group)
            if names.is_object(key) and not key.startswith(names.SESSIONS) and _is_covered(versions):
                yield Covered(key, versions)
    except PermissionDeniedError:
        return


def hidden(store: ObjectStore) -> tuple[Covered, ...]:
    """Those that a delete marker hides."""
    return tuple(one for one in covered(store) if one.hidden)


def _is_covered(versions: tuple[ObjectInfo, ...]) -> bool:
    return len(versions) > 1 or not versions[0].shown
