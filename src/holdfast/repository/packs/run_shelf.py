"""Many index runs to ask for a chunk's places, at 8 bytes a row: the rest of a run is read again for a hit."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.places import Place
from holdfast.repository.packs.chunk_index import SortedRun

_KEPT_ROWS = 1 << 18


class RunShelf:
    """Runs by key, in the order in which they were taken. Any thread may ask. `read` raises ObjectNotFoundError,
    IntegrityError; a run that cannot be read knows nothing.
    """

    def __init__(self, read: Callable[[str], IndexRun]) -> None:
        self._read = read
        self._prefixes: dict[str, npt.NDArray[np.uint64]] = {}
        self._kept: OrderedDict[str, SortedRun] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> bool:
        """Know the chunks of a run from now on; False where it is not there."""
        try:
            run = self._read(key)
        except ObjectNotFoundError:
            return False
        except IntegrityError:
            return True  # the others may know the place; check names a damaged run
        if len(run.rows):
            taken = SortedRun.of(run.rows, run.packs)
            with self._lock:
                self._prefixes[key] = taken.prefixes
                self._keep(key, taken)
        return True

    @property
    def keys(self) -> list[str]:
        """Of the runs that know anything."""
        return list(self._prefixes)

    def places(self, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        """Every place of a chunk that these runs know."""
        for key in self.keys:
            yield from self.places_in(key, chunk, chunk_type)

    def places_in(self, key: str, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        """Those that this run knows."""
        prefix = np.uint64(int.from_bytes(chunk[:8], "big"))
        prefixes = self._prefixes[key]
        at = int(np.searchsorted(prefixes, prefix))
        if at < len(prefixes) and prefixes[at] == prefix:
            run = self._run(key)
            if run is not None:
                yield from run.places(chunk, chunk_type)

    def _run(self, key: str) -> SortedRun | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            try:
                run = self._read(key)
            except (IntegrityError, ObjectNotFoundError):
                return None
            self._keep(key, SortedRun(self._prefixes[key], run.rows, run.packs))
            return self._kept[key]

    def _keep(self, key: str, run: SortedRun) -> None:
        """The last ones asked for stay, as many as together have _KEPT_ROWS rows, and one at least."""
        self._kept[key] = run
        while len(self._kept) > 1 and sum(len(one.rows) for one in self._kept.values()) > _KEPT_ROWS:
            self._kept.popitem(last=False)
