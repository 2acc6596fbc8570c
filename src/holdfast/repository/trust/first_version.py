"""Rule 9.7: of two versions that both open the one that was there first counts."""

from collections.abc import Callable
from typing import TypeVar

from holdfast.domain.errors import HoldfastError, ObjectNotFoundError
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.trust.as_put import is_as_put
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN, as_damage, older_versions, unreadable

Opened = TypeVar("Opened")


def open_first_good(store: ObjectStore, key: str, opened: Callable[[Buffer], Opened]) -> Opened:
    """What `opened` makes of the oldest version that it takes: for names that several parties may write. One that may
    not be read could be the first, and so could one that does not open because it is not as it was put:
    UnreadableError where such a one is older than those that open. Else it raises as `open_newest_good`.
    """
    newest: Buffer | HoldfastError
    try:
        newest = store.get(key)
    except (*NOT_IT, *UNSEEN) as error:
        newest = error
    versions = tuple(older_versions(store, key))
    for version in reversed(versions if len(versions) > 1 else ()):
        try:
            data = store.get(key, version=version)
        except (*NOT_IT, ObjectNotFoundError):
            continue
        except UNSEEN as error:
            raise as_damage(store, key, error, version) from error
        try:
            return opened(data)
        except NOT_IT as error:
            if is_as_put(store, key, version, data) is False:
                raise unreadable(key, error) from error
    if isinstance(newest, UNSEEN):
        raise as_damage(store, key, newest) from newest
    if isinstance(newest, HoldfastError):
        raise newest
    return opened(newest)
