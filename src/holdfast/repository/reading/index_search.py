"""The last resort when a place no longer holds its chunk: every index run of the tenant, loaded once (section 9)."""

import threading
from collections.abc import Iterator

from holdfast.repository.format import names
from holdfast.repository.format.places import Place
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.run_shelf import RunShelf
from holdfast.repository.trust.presence import is_there


class IndexSearch:
    """Finds chunks by id in the runs of a tenant; loads one after the other when asked for what those before it do not
    know, which a healthy repository in which nothing has moved never does.
    """

    def __init__(self, access: TenantAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._runs = RunShelf(access.read_index_run)
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
        at = 0
        while True:
            keys = self._runs.keys
            for key in keys[at:]:
                yield from self._runs.places_in(key, chunk, chunk_type)
            at = len(keys)
            with self._lock:
                if at == len(self._runs.keys) and not self._take_one():
                    return

    def _take_one(self) -> bool:
        """One run more; False when all are known. One that is gone was merged meanwhile: the newest plan names another
        (rule 4.6).
        """
        while True:
            if not self._left:
                if self._complete:
                    return False
                self._left = [key for key in self._access.index_runs() if key not in self._asked][::-1]
                self._asked.update(self._left)
                self._complete = True
                if not self._left:
                    return False
            before = len(self._runs.keys)
            self._complete = self._runs.take(self._left.pop()) and self._complete
            if len(self._runs.keys) > before:
                return True
