"""The last resort when a place no longer holds its chunk: every index run of the tenant, loaded once (section 9)."""

import threading
from collections.abc import Iterator
from functools import partial

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.places import Place
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.run_shelf import RunShelf
from holdfast.repository.trust.presence import is_there
from holdfast.repository.trust.vouching import ALL_COUNT, Vouching


class IndexSearch:
    """Finds chunks by id in the runs of a tenant; loads one after the other when asked for what those before it do not
    know, which a healthy repository in which nothing has moved never does. Who goes by what is found, and not by the
    chunk itself, says in `vouching` which runs count.
    """

    def __init__(self, access: TenantAccess, vouching: Vouching = ALL_COUNT) -> None:
        self._access = access
        self._read = partial(access.read_index_run, vouching=vouching)
        self._lock = threading.Lock()
        self._shelves = {kind: RunShelf(self._read, kind) for kind in (CHUNK_TYPE_DATA, CHUNK_TYPE_MAP)}
        self._asked: set[str] = set()
        self._left: list[str] = []
        self._complete = False

    def locate(self, chunk: bytes, chunk_type: int) -> Place | None:
        """A place in a pack that exists, None when no run knows one."""
        standing = (
            place
            for place in self.places(chunk, chunk_type)
            if is_there(self._access.store, names.pack(place.pack.pack))
        )
        return next(standing, None)

    def places(self, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        """Every place that any run knows, whether or not its pack is there."""
        shelf, at = self._shelves[chunk_type], 0
        while True:
            first, at = at, len(shelf)
            yield from shelf.places(chunk, first, at)
            with self._lock:
                while at == len(shelf):
                    if not self._take_one():
                        return

    def _take_one(self) -> bool:
        """One run more; False when all are known. One that is gone was merged meanwhile: the newest plan names another
        (rule 4.6).
        """
        if not self._left:
            if self._complete:
                return False
            self._left = [key for key in self._access.index_runs() if key not in self._asked][::-1]
            self._asked.update(self._left)
            self._complete = True
            if not self._left:
                return False
        key = self._left.pop()
        try:
            run = self._read(key)
        except ObjectNotFoundError:
            self._complete = False
        except IntegrityError:
            pass  # the others may know the place; check names a damaged run
        else:
            for shelf in self._shelves.values():
                shelf.take(key, run)
        return True
