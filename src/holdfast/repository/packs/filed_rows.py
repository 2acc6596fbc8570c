"""Rows of index runs in scratch, at 12 bytes of memory a row: what begins as a chunk does is read again to compare."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from holdfast.repository.format.index_run import ROW, Rows
from holdfast.repository.format.places import PACK_ROW, PackRow, PackTable, Place
from holdfast.repository.packs.begins import Begins
from holdfast.repository.packs.sorted_run import SortedRun, one_after_the_other, place_in, prefix_of, sorted_rows
from holdfast.repository.scratch import Scratch


class FiledRows:
    """Runs in the order in which they were filed; they count in one table of packs. Any thread may ask, one files."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._begins = Begins()
        self._packs = bytearray()
        self._count = 0

    def file(self, run: SortedRun) -> None:
        """Know its rows from now on."""
        rows = run.rows.astype(ROW)
        rows["pack"] += len(self._packs) // PACK_ROW.size
        self._scratch.append(rows.view(np.uint8).data)
        self._packs += run.packs.encode()
        self._begins.add(run.prefixes, np.arange(self._count, self._count + len(rows), dtype=np.uint32))
        self._count += len(rows)

    def places(self, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        """Every place of a chunk that is known here."""
        for number in self._begins.numbers_with(prefix_of(chunk)):
            [row] = self._read(number, 1)
            if row["id"].tobytes() == chunk and row["type"] == chunk_type:
                yield place_in(row, self._pack(int(row["pack"])))

    def parts(self, most_rows: int) -> Iterator[tuple[Rows, PackTable]]:
        """All rows, ascending by id, so many at a time; each part counts in one table of all packs, each once."""
        table, number_of = np.unique(np.frombuffer(self._packs, f"S{PACK_ROW.size}"), return_inverse=True)
        packs = PackTable(table.tobytes())
        left: Rows = np.empty(0, ROW)
        for numbers in self._begins.ascending(most_rows):
            rows = one_after_the_other(self._stretches(np.sort(numbers)))
            rows["pack"] = number_of[rows["pack"]]
            rows = sorted_rows(one_after_the_other([left, rows]))
            whole = len(rows) // most_rows * most_rows
            for first in range(0, whole, most_rows):
                yield rows[first : first + most_rows], packs
            left = rows[whole:]
        if len(left):
            yield left, packs

    def _stretches(self, numbers: npt.NDArray[np.uint32]) -> Iterator[Rows]:
        """The rows of these numbers: those of one run lie beside each other, for it ascends."""
        for stretch in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            yield self._read(int(stretch[0]), len(stretch))

    def _read(self, number: int, count: int) -> Rows:
        return np.frombuffer(self._scratch.read(number * ROW.itemsize, count * ROW.itemsize), ROW)

    def _pack(self, number: int) -> PackRow:
        return PackRow.decode(bytes(self._packs[number * PACK_ROW.size : (number + 1) * PACK_ROW.size]))
