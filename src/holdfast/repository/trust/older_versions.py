"""Rules 9.5 and 9.7: what was put over an object hides it from nobody who can tell the two apart, and of two that both
open the one that was there first counts.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TypeVar

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    NeedsRetrievalError,
    ObjectNotFoundError,
    PermissionDeniedError,
    UnsupportedFormatError,
)
from holdfast.repository.format import names
from holdfast.repository.object_store import Buffer, ObjectStore

Opened = TypeVar("Opened")

# What says that these bytes are not the object: whoever may put objects can write a newer format's beginning, too.
NOT_IT = (IntegrityError, UnsupportedFormatError)
# What says that nobody here sees its bytes: who may put an object chooses its storage class and its KMS key, too.
UNSEEN = (NeedsRetrievalError, PermissionDeniedError)


def as_damage(store: ObjectStore, key: str, error: HoldfastError) -> IntegrityError:
    """What one of `UNSEEN` says of an object whose repository is read otherwise. Raises `error` where that is not so:
    credentials have expired, or a right is missing, and nothing is damaged.
    """
    if isinstance(error, PermissionDeniedError):
        try:
            newest_good(store, names.CONFIG, lambda version: store.get(names.CONFIG, version=version))
        except (*UNSEEN, ObjectNotFoundError):
            raise error from None
    return IntegrityError(f"{key} cannot be read", why=error.why, cure=error.cure, objects=(key,))


def open_newest_good(store: ObjectStore, key: str, opened: Callable[[Buffer], Opened]) -> Opened:
    """What `opened` makes of the object, or else of its newest older version that it takes.

    Raises what came of the newest (IntegrityError, UnsupportedFormatError, NeedsRetrievalError, PermissionDeniedError)
    where it takes none; ObjectNotFoundError.
    """
    return newest_good(store, key, lambda version: opened(store.get(key, version=version)))


def newest_good(store: ObjectStore, key: str, read: Callable[[str | None], Opened]) -> Opened:
    """The same for who does not read the object whole: `read` is given a version, None for what is found."""
    try:
        return read(None)
    except (*NOT_IT, *UNSEEN) as error:
        newest = error
    for version in older_versions(store, key):
        try:
            return read(version)
        except (*NOT_IT, *UNSEEN, ObjectNotFoundError):
            continue  # that one was not written by us either, is damaged, or went; the newest one's error is reported
    raise newest


def open_first_good(store: ObjectStore, key: str, opened: Callable[[Buffer], Opened]) -> Opened:
    """The same of the oldest version that `opened` takes: for names that several parties may write (rule 9.7)."""
    newest: Buffer | HoldfastError
    try:
        newest = store.get(key)
    except UNSEEN as error:
        newest = error
    versions = tuple(older_versions(store, key))
    for version in reversed(versions if len(versions) > 1 else ()):
        try:
            return opened(store.get(key, version=version))
        except (*NOT_IT, *UNSEEN, ObjectNotFoundError):
            continue
    if isinstance(newest, HoldfastError):
        raise newest
    return opened(newest)


def all_keys(store: ObjectStore, prefix: str) -> list[str]:
    """Keys of which a version is kept, whatever a LIST shows; what a LIST shows to who may not ask for versions."""
    try:
        return sorted({found.key for found in store.versions(prefix)})
    except PermissionDeniedError:
        return [found.key for found in store.list(prefix)]


def several_versions(store: ObjectStore, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """The versions of each key that has more than one, the newest first; of none where we may not ask."""
    found: dict[str, tuple[str, ...]] = {}
    try:
        for key, group in groupby(store.versions(prefix), key=lambda one: one.key):
            versions = tuple(one.version for one in group if one.version is not None)
            if len(versions) > 1:
                found[key] = versions
    except PermissionDeniedError:
        return {}
    return found


def older_versions(store: ObjectStore, key: str) -> Iterator[str]:
    """Versions by which a key can be read, the newest first; none where the store keeps none, or we may not ask."""
    try:
        found = [one.version for one in store.versions(key) if one.key == key and one.version is not None]
    except PermissionDeniedError:
        return  # who may not list versions is told of the damage, as in a store without them
    yield from found
