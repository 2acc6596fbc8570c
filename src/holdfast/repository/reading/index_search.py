"""The last resort when a place no longer holds its chunk: every index run of the tenant, loaded once (section 9)."""

import threading
from collections.abc import Iterator

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.access import TenantAccess
from holdfast.repository.chunk_index import SortedRun
from holdfast.repository.format import names
from holdfast.repository.format.places import Place
from holdfast.repository.presence import is_there


class IndexSearch:
    """Finds chunks by id in all runs of a tenant; loads them when first asked, which a healthy repository never
    does.
    """

    def __init__(self, access: TenantAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._runs: list[SortedRun] | None = None

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
        with self._lock:
            if self._runs is None:
                self._runs = self._load()
        for run in self._runs:
            yield from run.places(chunk, chunk_type)

    def _load(self) -> list[SortedRun]:
        """Every run that there is. One that is gone was merged meanwhile: then the plan names another (rule 4.6)."""
        runs: list[SortedRun] = []
        asked: set[str] = set()
        gone = True
        while gone:
            gone = False
            for key in [key for key in self._access.index_runs() if key not in asked]:
                asked.add(key)
                try:
                    run = self._access.read_index_run(key)
                except ObjectNotFoundError:
                    gone = True
                    continue
                except IntegrityError:
                    continue  # the others may know the place; check names a damaged run
                if len(run.rows):
                    runs.append(SortedRun.of(run.rows, run.packs))
        return runs
