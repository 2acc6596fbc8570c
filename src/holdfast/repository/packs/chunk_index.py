"""Which chunk lies where: sorted columns for deduplication, small enough to keep (section 11).

An entry costs 12 bytes of memory, for its row (54 B) lies in scratch; those of the last few runs, 2^18 at most, are in
memory. A hit by prefix is confirmed against the whole id.
"""

from collections.abc import Callable, Iterator

import numpy as np

from holdfast.repository.format.index_run import IndexRun, Rows
from holdfast.repository.format.places import PackRow, PackTable, Place
from holdfast.repository.packs.filed_rows import FiledRows
from holdfast.repository.packs.sorted_run import SortedRun, merged_rows, rows_of, rows_where, with_own_table
from holdfast.repository.scratch import MemoryScratch, Scratch

_RECENT_LIMIT = 1 << 16
# A run of so many rows goes to scratch as it is: joined with another one it would be in memory several times.
_FILED_ROWS = 1 << 17
# Of a stored run: whoever reads or merges it has it in memory two or three times. The format allows four times as many.
_PART_ROWS = 1 << 18


class _Shelf:
    """Runs that were taken: small ones joined to few, large ones in scratch. One thread takes, any thread asks."""

    def __init__(self, scratch: Callable[[], Scratch]) -> None:
        self._scratch = scratch
        self._runs: list[SortedRun] = []
        self._filed: FiledRows | None = None

    def take(self, run: SortedRun) -> None:
        """Know its rows from now on."""
        if len(run.rows) >= _FILED_ROWS:
            self._file(run)
            return
        self._runs = _joined([*self._runs, run])
        while self._runs and len(self._runs[0].rows) >= _FILED_ROWS:
            self._file_first()

    def places(self, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        """Every place of a chunk that is known here."""
        runs = self._runs  # first: a run that is filed meanwhile is found twice, never not at all
        if self._filed is not None:
            yield from self._filed.places(chunk, chunk_type)
        for run in runs:
            yield from run.places(chunk, chunk_type)

    def parts(self) -> Iterator[tuple[Rows, PackTable]]:
        """All rows, ascending by id, so many at a time that a stored run may have."""
        while self._filed is not None and self._runs:
            self._file_first()
        if self._filed is not None:
            yield from self._filed.parts(_PART_ROWS)
        elif self._runs:
            rows, packs = merged_rows((run.rows, run.packs) for run in self._runs)
            yield from ((rows[first : first + _PART_ROWS], packs) for first in range(0, len(rows), _PART_ROWS))

    def _file_first(self) -> None:
        self._file(self._runs[0])
        self._runs = self._runs[1:]

    def _file(self, run: SortedRun) -> None:
        if self._filed is None:
            self._filed = FiledRows(self._scratch())
        self._filed.file(run)


class ChunkIndex:
    """Loaded runs (read only) and the session's own chunks (grows). Any thread may ask, one thread adds."""

    def __init__(
        self, condemned: frozenset[bytes] = frozenset(), scratch: Callable[[], Scratch] = MemoryScratch
    ) -> None:
        self._condemned = condemned
        self._recent: dict[tuple[bytes, int], Place] = {}
        self._own = _Shelf(scratch)
        self._loaded = _Shelf(scratch)

    def load(self, run: IndexRun) -> None:
        """Make a run's chunks known, but for those in packs that a plan condemns (rule 3)."""
        doomed = [number for number, pack in enumerate(run.packs.ids()) if pack in self._condemned]
        rows = rows_where(run.rows, ~np.isin(run.rows["pack"], doomed)) if doomed else run.rows
        if len(rows):
            self._loaded.take(SortedRun.of(rows, run.packs))

    def find(self, chunk: bytes, chunk_type: int) -> Place | None:
        """Where the chunk lies, None for one that is not known (it costs storage, never correctness)."""
        place = self._recent.get((chunk, chunk_type))
        return place or next(self._places(chunk, chunk_type), None)

    def holds(self, chunk: bytes, chunk_type: int, place: Place) -> bool:
        """Whether the chunk is known to lie at that very place."""
        return self._recent.get((chunk, chunk_type)) == place or place in self._places(chunk, chunk_type)

    def add(self, chunk: bytes, chunk_type: int, place: Place) -> None:
        """A chunk that this session stored. One that lies in two places, by two attempts, is known to lie in both."""
        if self._recent.get((chunk, chunk_type), place) != place:
            self._freeze_recent()
        self._recent[chunk, chunk_type] = place
        if len(self._recent) >= _RECENT_LIMIT:
            self._freeze_recent()

    def own_rows(self) -> Iterator[tuple[Rows, PackTable]]:
        """What this session stored, as parts of an index run: each sorted, at most _PART_ROWS rows."""
        if self._recent:
            self._freeze_recent()
        for rows, packs in self._own.parts():
            yield with_own_table(rows, packs)

    def _places(self, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        yield from self._own.places(chunk, chunk_type)
        yield from self._loaded.places(chunk, chunk_type)

    def _freeze_recent(self) -> None:
        self._own.take(_freeze(self._recent))
        self._recent = {}


def _freeze(recent: dict[tuple[bytes, int], Place]) -> SortedRun:
    table: dict[PackRow, int] = {}
    rows = rows_of(((chunk, kind, place) for (chunk, kind), place in recent.items()), table)
    return SortedRun.of(rows, PackTable.of(table))


def _joined(runs: list[SortedRun]) -> list[SortedRun]:
    """Few runs, for a chunk is looked for in each: the last one goes into the one before while that is no larger."""
    while len(runs) > 1 and len(runs[-2].rows) <= len(runs[-1].rows):
        first, second = runs[-2:]
        runs[-2:] = [SortedRun.of(*merged_rows([(first.rows, first.packs), (second.rows, second.packs)]))]
    return runs
