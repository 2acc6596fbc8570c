"""Many index runs to ask for places of chunks of one type, at 12 bytes a row of it: a run is read again for a hit."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.places import Place
from holdfast.repository.packs.chunk_index import SortedRun, rows_where, with_own_table

_KEPT_ROWS = 1 << 18
_JOINED_ROWS = 1 << 20


@dataclass(frozen=True, slots=True)
class _Begins:
    """The first 8 bytes of ids, ascending, each with the number of the run that has it."""

    prefixes: npt.NDArray[np.uint64]
    runs: npt.NDArray[np.uint32]

    def runs_with(self, prefix: np.uint64) -> list[int]:
        at = int(self.prefixes.searchsorted(prefix))
        if at == len(self.prefixes) or self.prefixes[at] != prefix:
            return []
        found: list[int] = self.runs[at : int(self.prefixes.searchsorted(prefix, "right"))].tolist()
        return found


class RunShelf:
    """Runs in the order in which they were taken; of each the rows of one type. Any thread may ask. `read` raises
    ObjectNotFoundError, IntegrityError; a run that cannot be read again knows nothing.
    """

    def __init__(self, read: Callable[[str], IndexRun], chunk_type: int) -> None:
        self._read = read
        self._type = chunk_type
        self._keys: list[str] = []
        self._begins: tuple[_Begins, ...] = ()
        self._kept: OrderedDict[int, SortedRun] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many runs know anything."""
        return len(self._keys)

    def take(self, key: str, run: IndexRun) -> None:
        """Know its chunks from now on."""
        taken = self._of_type(run)
        if len(taken.rows):
            with self._lock:
                number = len(self._keys)
                self._begins = _joined(
                    self._begins, _Begins(taken.prefixes, np.full(len(taken.rows), number, np.uint32))
                )
                self._keep(number, taken)
                self._keys.append(key)

    def places(self, chunk: bytes, first: int = 0, end: int | None = None) -> Iterator[Place]:
        """Every place of a chunk that these runs know, or those of numbers `first` to `end`."""
        prefix = np.uint64(int.from_bytes(chunk[:8], "big"))
        numbers = {number for begins in self._begins for number in begins.runs_with(prefix)}
        for number in sorted(numbers.intersection(range(first, len(self) if end is None else end))):
            run = self._run(number)
            if run is not None:
                yield from run.places(chunk, self._type)

    def _of_type(self, run: IndexRun) -> SortedRun:
        return SortedRun.of(*with_own_table(rows_where(run.rows, run.rows["type"] == self._type), run.packs))

    def _run(self, number: int) -> SortedRun | None:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            try:
                run = self._of_type(self._read(self._keys[number]))
            except (IntegrityError, ObjectNotFoundError):
                return None
            self._keep(number, run)
            return run

    def _keep(self, number: int, run: SortedRun) -> None:
        """The last ones asked for stay, as many as together have _KEPT_ROWS rows, and one at least."""
        self._kept[number] = run
        while len(self._kept) > 1 and sum(len(one.rows) for one in self._kept.values()) > _KEPT_ROWS:
            self._kept.popitem(last=False)


def _joined(known: tuple[_Begins, ...], new: _Begins) -> tuple[_Begins, ...]:
    """Few of them, so that a chunk is looked for in few; none so large that joining it would need much memory."""
    found = [*known, new]
    while len(found) > 1 and len(found[-2].runs) <= len(found[-1].runs) < _JOINED_ROWS:
        prefixes = np.concatenate([found[-2].prefixes, found[-1].prefixes])
        runs = np.concatenate([found[-2].runs, found[-1].runs])
        order = np.argsort(prefixes, kind="stable")
        found[-2:] = [_Begins(prefixes[order], runs[order])]
    return tuple(found)
