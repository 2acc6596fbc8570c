"""Rule 9.5: what was put over an object hides it from nobody who can tell the two apart."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, groupby
from typing import TypeVar

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    NeedsRetrievalError,
    ObjectNotFoundError,
    PermissionDeniedError,
    UnreadableError,
    UnsupportedFormatError,
)
from holdfast.repository.format import names
from holdfast.repository.object_store import Buffer, ObjectStore

Opened = TypeVar("Opened")

# What says that these bytes are not the object: whoever may put objects can write a newer format's beginning, too.
NOT_IT = (IntegrityError, UnsupportedFormatError)
# What says that nobody here sees its bytes: who may put an object chooses its storage class and its KMS key, too.
UNSEEN = (NeedsRetrievalError, PermissionDeniedError)


def as_damage(store: ObjectStore, key: str, error: HoldfastError, version: str | None = None) -> UnreadableError:
    """What one of `UNSEEN` says of an object, or one version of it, of a repository that is read otherwise. Raises
    `error` where that is not so: credentials have expired, a right is missing, or a pack lies where archives have them.
    """
    if isinstance(error, NeedsRetrievalError):
        is_damage = not key.startswith(names.PACKS)
    else:
        is_damage = _is_denied_alone(store, key, version)
    if not is_damage:
        raise error
    return unreadable(key, error)


def unreadable(key: str, error: HoldfastError) -> UnreadableError:
    """The same as the error that it is."""
    return UnreadableError(
        f"{key} cannot be read",
        why=error.why,
        cure="bring it back where it is yours, else remove that version by its id; restores go on (docs/errors.md)",
        objects=(key,),
    )


def _is_denied_alone(store: ObjectStore, key: str, version: str | None) -> bool:
    """Whether `config` is read, by an id where a version was denied, and then the object is denied again."""
    versions = older_versions(store, names.CONFIG)
    for one in versions if version else chain((None,), versions):
        with suppress(*NOT_IT, *UNSEEN, ObjectNotFoundError):
            store.get(names.CONFIG, 0, 1, one)
            break
    else:
        return False
    try:
        store.get(key, 0, 1, version)
    except PermissionDeniedError:
        return True
    except (*NOT_IT, NeedsRetrievalError, ObjectNotFoundError):
        pass
    return False


def open_newest_good(store: ObjectStore, key: str, opened: Callable[[Buffer], Opened]) -> Opened:
    """What `opened` makes of the object, or else of its newest older version that it takes.

    Raises UnreadableError where one may not be read and none is taken, else what it raised for the newest
    (IntegrityError, UnsupportedFormatError); ObjectNotFoundError.
    """
    return newest_good(store, key, lambda version: opened(store.get(key, version=version)))


def newest_good(store: ObjectStore, key: str, read: Callable[[str | None], Opened]) -> Opened:
    """The same for who does not read the object whole: `read` is given a version, None for what is found."""
    refused: tuple[HoldfastError, str | None] | None = None
    newest: HoldfastError
    try:
        return read(None)
    except NOT_IT as error:
        newest = error
    except UNSEEN as error:
        newest, refused = error, (error, None)
    for version in older_versions(store, key):
        try:
            return read(version)
        except (*NOT_IT, ObjectNotFoundError):
            continue  # that one was not written by us either, is damaged, or went; the newest one's error is reported
        except UNSEEN as error:
            refused = refused or (error, version)
    if refused is not None:
        raise as_damage(store, key, *refused) from newest
    raise newest


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
