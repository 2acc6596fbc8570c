"""What stores without versions and locks say to who asks for them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from holdfast.domain.archive import Tier
from holdfast.domain.errors import ObjectNotFoundError, UsageError
from holdfast.repository.object_store import ORDINARY, ObjectInfo, ObjectStore, Protection, StorageTerms


def no_locks(location: str) -> UsageError:
    """Nothing can be locked here."""
    return UsageError(
        f"nothing can be locked in {location}",
        why="only a bucket with Object Lock keeps such a promise",
        cure="use a bucket of S3 that was made with Object Lock",
    )


def no_versions(location: str) -> UsageError:
    """What is deleted here is gone."""
    return UsageError(
        f"nothing can be hidden in {location}",
        why="it keeps no versions: what is deleted is gone",
        cure="use a bucket of S3 with versioning",
    )


def refuse_lock(location: str, terms: StorageTerms) -> None:
    """Raises UsageError where `terms` ask for a lock: better no object than one that is thought to be locked."""
    if terms.retain_until is not None:
        raise no_locks(location)


def require_no_version(key: str, version: str | None) -> None:
    """Raises ObjectNotFoundError for a version: there are none."""
    if version is not None:
        raise ObjectNotFoundError(key, why=f"no version {version} is kept here")


class StoreWithoutVersions(ObjectStore, Protocol):
    """An ObjectStore in which each object has one version, none is cold, and nothing can be locked."""

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects: there is one version of each."""
        return self.list(prefix)

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """Nothing here is cold."""
        self.head(key, version)

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """Refused: nothing is locked here."""
        raise no_locks(self.location)

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """Raises ObjectNotFoundError: there are no versions."""
        require_no_version(key, version)

    def hide(self, key: str) -> None:
        """Refused: it would be gone."""
        self.head(key)
        raise no_versions(self.location)

    def time(self) -> datetime | None:
        """It has no clock of its own."""
        return None

    def protection(self) -> Protection:
        """None: who may write here may delete."""
        return Protection()
