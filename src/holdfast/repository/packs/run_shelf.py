"""Many index runs to ask for places of chunks of one type, at 12 bytes a row of it: a run is read again for a hit."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.places import Place
from holdfast.repository.packs.begins import Begins
from holdfast.repository.packs.sorted_run import SortedRun, prefix_of, rows_where, with_own_table

Name = TypeVar("Name")

_KEPT_ROWS = 1 << 18


class RunShelf(Generic[Name]):
    """Runs in the order in which they were taken; of each the rows of one type. Any thread may ask. `read` raises
    ObjectNotFoundError, IntegrityError; a run that cannot be read again knows nothing.
    """

    def __init__(self, read: Callable[[Name], IndexRun], chunk_type: int) -> None:
        self._read = read
        self._type = chunk_type
        self._names: list[Name] = []
        self._begins = Begins()
        self._kept: OrderedDict[int, SortedRun] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many runs know anything."""
        return len(self._names)

    def take(self, name: Name, run: IndexRun) -> None:
        """Know its chunks from now on."""
        taken = self._of_type(run)
        if len(taken.rows):
            with self._lock:
                number = len(self._names)
                self._begins.add(taken.prefixes, np.full(len(taken.rows), number, np.uint32))
                self._keep(number, taken)
                self._names.append(name)

    def places(self, chunk: bytes, first: int = 0, end: int | None = None) -> Iterator[Place]:
        """Every place of a chunk that these runs know, or those of numbers `first` to `end`."""
        numbers = set(self._begins.numbers_with(prefix_of(chunk)))
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
                run = self._of_type(self._read(self._names[number]))
            except (IntegrityError, ObjectNotFoundError):
                return None
            self._keep(number, run)
            return run

    def _keep(self, number: int, run: SortedRun) -> None:
        """The last ones asked for stay, as many as together have _KEPT_ROWS rows, and one at least."""
        self._kept[number] = run
        while len(self._kept) > 1 and sum(len(one.rows) for one in self._kept.values()) > _KEPT_ROWS:
            self._kept.popitem(last=False)
