"""The last resort when a place no longer holds its chunk: every index run of the tenant, loaded once (section 9)."""

import threading
from collections.abc import Iterator

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.places import Place
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.run_shelf import RunShelf
from holdfast.repository.trust.presence import is_there
from holdfast.repository.trust.vouching import ALL_COUNT, Vouching

# A run's key, and which version of it: None for the one that counts.
RunVersion = tuple[str, str | None]


class IndexSearch:
    """Finds chunks by id in the runs of a tenant; loads one after the other when asked for what those before it do not
    know, which a healthy repository in which nothing has moved never does. Who goes by what is found, and not by the
    chunk itself, says in `vouching` which runs count. Else all do, and last of all what others were put over: who has a
    past key, or was a worker, can make one that opens and tells nothing (section 21).
    """

    def __init__(self, access: TenantAccess, vouching: Vouching = ALL_COUNT) -> None:
        self._access = access
        self._vouching = vouching
        self._lock = threading.Lock()
        self._shelves = {kind: RunShelf(self._read, kind) for kind in (CHUNK_TYPE_DATA, CHUNK_TYPE_MAP)}
        self._asked: set[str] = set()
        self._left: list[RunVersion] = []
        self._complete = False
        self._versions_asked = vouching is not ALL_COUNT
        self._passed: set[str] = set()

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
        if not self._left and not self._ask_for_more():
            return False
        name = self._left.pop()
        try:
            run = self._read(name)
        except ObjectNotFoundError:
            self._complete = self._complete and name[1] is not None
        except IntegrityError:
            pass  # the others may know the place; check names a damaged run
        else:
            if not self._is_known(*name):
                for shelf in self._shelves.values():
                    shelf.take(name, run)
        return True

    def _ask_for_more(self) -> bool:
        """For runs that were not taken yet; when there are none, for versions."""
        if not self._complete:
            keys = [key for key in self._access.index_runs() if key not in self._asked]
            self._asked.update(keys)
            self._left, self._complete = [(key, None) for key in reversed(keys)], True
        if not self._left and not self._versions_asked:
            self._versions_asked = True
            found = list(self._access.index_run_versions())
            self._left = [(key, version) for key, version in reversed(found) if key in self._asked]
        return bool(self._left)

    def _is_known(self, key: str, version: str | None) -> bool:
        """Of several versions that open the first to be read was taken under the key alone."""
        if version is None or key in self._passed:
            return False
        self._passed.add(key)
        return True

    def _read(self, name: RunVersion) -> IndexRun:
        key, version = name
        if version is None:
            return self._access.read_index_run(key, self._vouching)
        return self._access.read_index_run_version(key, version)
