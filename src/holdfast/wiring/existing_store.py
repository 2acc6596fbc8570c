"""The store of a repository that should be there: a missing folder is told at once, with the one that may be meant."""

import difflib
import os
import shlex
from itertools import islice

from holdfast.domain.errors import NotFoundError
from holdfast.repository.format import names
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.stores.location import DirectoryLocation, open_store, parse_location

# Of a folder with more entries than this, not all are compared with what was typed.
_NEIGHBOURS = 2000


def open_existing(location: str, counts: RequestCounts | None = None) -> ObjectStore:
    """The store at `location`. Raises NotFoundError for a folder that does not exist, and what `open_store` raises."""
    place = parse_location(location)
    if isinstance(place, DirectoryLocation) and _is_missing(place.path):
        meant = _neighbour(place.path)
        raise NotFoundError(
            f"there is no repository at {place.path}",
            why="there is no such folder",
            cure=("check the location" if meant is None else f"give {meant} if that is meant")
            + f", or make one there: `holdfast repository init {shlex.quote(location)}`",
        )
    return open_store(place, counts=counts)


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # the store says what stands in the way
    return False


def _neighbour(path: str) -> str | None:
    """The repository in the same folder whose name is most like that of `path`."""
    parent, name = os.path.split(path)
    try:
        with os.scandir(parent) as entries:
            beside = [entry.name for entry in islice(entries, _NEIGHBOURS)]
    except OSError:
        return None
    for near in difflib.get_close_matches(name, beside, n=5):
        if os.path.isfile(os.path.join(parent, near, names.CONFIG)):
            return os.path.join(parent, near)
    return None
