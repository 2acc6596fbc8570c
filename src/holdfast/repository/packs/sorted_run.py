"""Rows of index runs that ascend by id, with what their search needs beside them (section 11)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holdfast.repository.format.index_run import ROW, Rows
from holdfast.repository.format.places import PACK_ID_BYTES, PackRow, PackTable, Place

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
        prefix = prefix_of(chunk)
        at = int(self.prefixes.searchsorted(prefix))
        while at < len(self.prefixes) and self.prefixes[at] == prefix:
            row = self.rows[at]
            if row["id"].tobytes() == chunk and row["type"] == chunk_type:
                yield place_in(row, self.packs[int(row["pack"])])
            at += 1


def prefix_of(chunk: bytes) -> np.uint64:
    """The first 8 bytes of an id, as a run has them."""
    return np.uint64(int.from_bytes(chunk[:8], "big"))


def place_in(row: np.void, pack: PackRow) -> Place:
    """What a row says of a chunk that lies in that pack."""
    return Place(
        pack=pack,
        number=int(row["number"]),
        offset=int(row["offset"]),
        length=int(row["length"]),
        plain_length=int(row["plain"]),
        compression=int(row["compression"]),
    )


def rows_where(rows: Rows, wanted: npt.NDArray[np.bool_]) -> Rows:
    """Those rows, in their order."""
    return rows.view(_WHOLE_ROW)[wanted].view(ROW)


def one_after_the_other(parts: Iterable[Rows]) -> Rows:
    """All their rows. As bytes: joined as columns they would lose the byte order of the format."""
    return np.concatenate([rows.view(_WHOLE_ROW) for rows in parts]).view(ROW)


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
    return sorted_rows(rows)


def sorted_rows(rows: Rows) -> Rows:
    """As byte strings, whose stable sort goes on with stretches that ascend already: runs are merged, not sorted."""
    order = np.argsort(np.ascontiguousarray(rows["id"]).view("S32"), kind="stable")
    return np.take(rows.view(_WHOLE_ROW), order).view(ROW)


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
    whole = one_after_the_other(gathered)
    gathered.clear()
    return sorted_rows(whole), PackTable(b"".join(table))
