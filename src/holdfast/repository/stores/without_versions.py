"""What stores without versions and locks say to who asks for them."""

from holdfast.domain.errors import ObjectNotFoundError, UsageError
from holdfast.repository.object_store import StorageTerms


def no_locks(location: str) -> UsageError:
    """Nothing can be locked here."""
    return UsageError(
        f"nothing can be locked in {location}",
        why="only a bucket with Object Lock keeps such a promise",
        cure="use a bucket of S3 that was made with Object Lock",
    )


def refuse_lock(location: str, terms: StorageTerms) -> None:
    """Raises UsageError where `terms` ask for a lock: better no object than one that is thought to be locked."""
    if terms.retain_until is not None:
        raise no_locks(location)


def require_no_version(key: str, version: str | None) -> None:
    """Raises ObjectNotFoundError for a version: there are none."""
    if version is not None:
        raise ObjectNotFoundError(key, why=f"no version {version} is kept here")
