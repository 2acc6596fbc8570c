"""Which chunk lies where: sorted columns for deduplication, small enough to keep (section 11).

An entry costs the row as stored (54 B) and an 8-byte prefix; a hit by prefix is confirmed against the whole id.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holdfast.repository.format.index_run import ROW, IndexRun, Rows
from holdfast.repository.format.places import PACK_ID_BYTES, PackRow, PackTable, Place

_RECENT_LIMIT = 1 << 16
# Loaded runs of so many rows are not joined any more: that would need as much memory again.
_JOINED_ROWS = 1 << 18
# Of a stored run: whoever reads or merges it has it in memory two or three times. The format allows four times as many.
_PART_ROWS = 1 << 18
# A row as bytes alone: numpy copies these ten times as fast as rows of columns.
_WHOLE_ROW = np.dtype(f"V{ROW.itemsize}")


@dataclass(frozen=True, slots=True)
class SortedRun:
    """Rows ascending by id with the first 8 bytes of each id as a number beside them."""

    prefixes: npt.NDArray[np.uint64]
    rows: Rows
    packs: PackTable

    @classmethod
    def of(cls, rows: Rows, packs: PackTable) -> "SortedRun":
        """Take rows that ascend by id."""
        begins = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), ROW.itemsize)[:, :8]
        return cls(np.ascontiguousarray(begins).view(">u8").reshape(-1).astype(np.uint64), rows, packs)

    def find(self, chunk: bytes, chunk_type: int) -> Place | None:
        """The place of a chunk, None when this run does not know it."""
        return next(self.places(chunk, chunk_type), None)

    def places(self, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        """Every place of a chunk that this run knows."""
        prefix = np.uint64(int.from_bytes(chunk[:8], "big"))
        at = int(self.prefixes.searchsorted(prefix))
        while at < len(self.prefixes) and self.prefixes[at] == prefix:
            row = self.rows[at]
            if row["id"].tobytes() == chunk and row["type"] == chunk_type:
                yield Place(
                    pack=self.packs[int(row["pack"])],
                    number=int(row["number"]),
                    offset=int(row["offset"]),
                    length=int(row["length"]),
                    plain_length=int(row["plain"]),
                    compression=int(row["compression"]),
                )
            at += 1


class ChunkIndex:
    """Loaded runs (read only) and the session's own chunks (grows). Any thread may ask, one thread adds."""

    def __init__(self, condemned: frozenset[bytes] = frozenset()) -> None:
        self._condemned = condemned
        self._loaded: list[SortedRun] = []
        self._recent: dict[tuple[bytes, int], Place] = {}
        self._frozen: list[SortedRun] = []

    def load(self, run: IndexRun) -> None:
        """Make a run's chunks known, but for those in packs that a plan condemns (rule 3)."""
        doomed = [number for number, pack in enumerate(run.packs.ids()) if pack in self._condemned]
        rows = rows_where(run.rows, ~np.isin(run.rows["pack"], doomed)) if doomed else run.rows
        if len(rows):
            self._loaded = _joined([*self._loaded, SortedRun.of(rows, run.packs)], _JOINED_ROWS)

    def find(self, chunk: bytes, chunk_type: int) -> Place | None:
        """Where the chunk lies, None for one that is not known (it costs storage, never correctness)."""
        place = self._recent.get((chunk, chunk_type))
        if place is not None:
            return place
        for run in (*self._frozen, *self._loaded):
            place = run.find(chunk, chunk_type)
            if place is not None:
                return place
        return None

    def holds(self, chunk: bytes, chunk_type: int, place: Place) -> bool:
        """Whether the chunk is known to lie at that very place."""
        if self._recent.get((chunk, chunk_type)) == place:
            return True
        return any(place in run.places(chunk, chunk_type) for run in (*self._frozen, *self._loaded))

    def add(self, chunk: bytes, chunk_type: int, place: Place) -> None:
        """A chunk that this session stored. One that lies in two places, by two attempts, is known to lie in both."""
        if self._recent.get((chunk, chunk_type), place) != place:
            self._freeze_recent()
        self._recent[chunk, chunk_type] = place
        if len(self._recent) >= _RECENT_LIMIT:
            self._freeze_recent()

    def _freeze_recent(self) -> None:
        self._frozen, self._recent = _joined([*self._frozen, _freeze(self._recent)]), {}

    def own_rows(self) -> Iterator[tuple[Rows, PackTable]]:
        """What this session stored, as parts of an index run: each sorted, at most _PART_ROWS rows."""
        runs = [*self._frozen, *([_freeze(self._recent)] if self._recent else [])]
        if not runs:
            return
        whole = runs[0]
        for run in runs[1:]:
            whole = _merge(whole, run)
        for first in range(0, len(whole.rows), _PART_ROWS):
            yield with_own_table(whole.rows[first : first + _PART_ROWS], whole.packs)


def rows_where(rows: Rows, wanted: npt.NDArray[np.bool_]) -> Rows:
    """Those rows, in their order."""
    return rows.view(_WHOLE_ROW)[wanted].view(ROW)


def with_own_table(rows: Rows, packs: PackTable) -> tuple[Rows, PackTable]:
    """Some rows of a larger run, counting in a table that has no other packs than theirs."""
    own = rows.copy()
    used, renumbered = np.unique(own["pack"], return_inverse=True)
    own["pack"] = renumbered
    return own, PackTable.of(packs[number] for number in used.tolist())


def rows_of(chunks: Iterable[tuple[bytes, int, Place]], table: dict[PackRow, int]) -> Rows:
    """Rows for these chunks, sorted by id; `table` gives packs their numbers and grows."""
    rows = np.array(
        [
            (
                chunk,
                chunk_type,
                table.setdefault(place.pack, len(table)),
                place.number,
                place.offset,
                place.length,
                place.plain_length,
                place.compression,
            )
            for chunk, chunk_type, place in chunks
        ],
        ROW,
    )
    return _sorted(rows)


def _sorted(rows: Rows) -> Rows:
    """As byte strings, whose stable sort goes on with stretches that ascend already: runs are merged, not sorted."""
    order = np.argsort(np.ascontiguousarray(rows["id"]).view("S32"), kind="stable")
    return np.take(rows.view(_WHOLE_ROW), order).view(ROW)


def _freeze(recent: dict[tuple[bytes, int], Place]) -> SortedRun:
    table: dict[PackRow, int] = {}
    rows = rows_of(((chunk, kind, place) for (chunk, kind), place in recent.items()), table)
    return SortedRun.of(rows, PackTable.of(table))


def _joined(runs: list[SortedRun], most_rows: float = math.inf) -> list[SortedRun]:
    """Few runs, for a chunk is looked for in each: the last one goes into the one before while that is no larger."""
    while len(runs) > 1 and len(runs[-2].rows) <= len(runs[-1].rows) < most_rows:
        runs[-2:] = [_merge(runs[-2], runs[-1])]
    return runs


def _merge(first: SortedRun, second: SortedRun) -> SortedRun:
    return SortedRun.of(*merged_rows([(first.rows, first.packs), (second.rows, second.packs)]))


def merged_rows(
    parts: Iterable[tuple[Rows, PackTable]], without: frozenset[bytes] = frozenset()
) -> tuple[Rows, PackTable]:
    """The rows of all these, sorted by id, with the packs that they count in; none of the packs in `without`. Each part
    is taken when its turn comes, and not kept.
    """
    table: dict[bytes, int] = {}
    gathered: list[Rows] = [np.empty(0, ROW)]
    for rows, packs in parts:
        kept = [row[-PACK_ID_BYTES:] not in without for row in packs.rows()]
        numbers = [table.setdefault(row, len(table)) if kept[at] else 0 for at, row in enumerate(packs.rows())]
        moved = rows.copy() if all(kept) else rows_where(rows, np.array(kept)[rows["pack"]])
        moved["pack"] = np.array(numbers, np.uint32)[moved["pack"]]
        gathered.append(moved)
    whole = np.concatenate([rows.view(_WHOLE_ROW) for rows in gathered]).view(ROW)
    gathered.clear()
    return _sorted(whole), PackTable(b"".join(table))
