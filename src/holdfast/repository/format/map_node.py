"""Nodes of block maps (section 9)."""

import struct
from dataclasses import dataclass, field

import numpy as np

from holdfast.domain.errors import FormatError
from holdfast.repository.format.cbor import split_rows
from holdfast.repository.format.pack import CHUNKS_LIMIT
from holdfast.repository.format.places import ENTRY_BYTES, ENTRY_COLUMNS, HOLE, PACK_ROW, Entries, Located, PackRow

FANOUT = 128
DEPTH_LIMIT = 8
HEAD = struct.Struct(">BBBBHHQ")
NODE_LIMIT_BYTES = 16 * 1024
CUT_FIXED, CUT_STREAM = 0, 1


@dataclass(frozen=True, slots=True)
class MapNode:
    """A decoded node: `entries` is a structured array of 128 rows (places.ENTRY_COLUMNS)."""

    level: int
    cut: int
    count: int
    span_bytes: int
    packs: list[PackRow]
    entries: Entries
    spans: tuple[int, ...] = field(default=())

    def located(self, number: int) -> Located | None:
        """The chunk of entry `number`, None for a hole."""
        raw: bytes = self.entries[number].tobytes()
        return None if raw == HOLE else Located.decode_entry(raw, self.packs)

    def named_packs(self) -> list[PackRow]:
        """The rows that entries name. Whoever encodes as below writes no others and none twice."""
        return [self.packs[row] for row in np.unique(self.entries["pack"][self.entries["length"] > 0])]


def encode(level: int, cut: int, located: list[Located | None], spans: list[int]) -> bytes:
    """A node of these entries, in order; `spans` are the bytes each covers (streams), empty for fixed volumes."""
    table: dict[PackRow, int] = {}
    rows = [
        HOLE if item is None else item.encode_entry(table.setdefault(item.place.pack, len(table))) for item in located
    ]
    rows.extend([HOLE] * (FANOUT - len(rows)))
    count = FANOUT if cut == CUT_FIXED else len(located)
    head = HEAD.pack(1, level, cut, 0, count, len(table), sum(spans))
    parts = [head, *(pack.encode() for pack in table), *rows]
    if cut == CUT_STREAM and level > 0:
        parts.append(struct.pack(f">{FANOUT}Q", *spans, *[0] * (FANOUT - len(spans))))
    return b"".join(parts)


def decode(data: bytes, *, level: int, cut: int) -> MapNode:
    """The node in `data`, which must be of this level and cut; FormatError for anything else."""
    if not HEAD.size <= len(data) <= NODE_LIMIT_BYTES:
        raise FormatError("a block map node has a wrong size", why=f"{len(data)} bytes")
    version, its_level, its_cut, reserved, count, pack_count, span = HEAD.unpack(data[: HEAD.size])
    if (version, its_level, its_cut, reserved) != (1, level, cut, 0) or not 1 <= count <= FANOUT or pack_count > FANOUT:
        raise FormatError("a block map node has a bad head", why=f"level {its_level} where {level} was expected")
    entries_at = HEAD.size + pack_count * PACK_ROW.size
    spans_at = entries_at + FANOUT * ENTRY_BYTES
    with_spans = cut == CUT_STREAM and level > 0
    if len(data) != spans_at + (8 * FANOUT if with_spans else 0):
        raise FormatError("a block map node has a wrong size", why=f"{len(data)} bytes for {pack_count} packs")
    entries = np.frombuffer(data, ENTRY_COLUMNS, FANOUT, entries_at)
    if pack_count and int(entries["pack"].max()) >= pack_count:
        raise FormatError("a block map node names a pack row that it does not have", why=f"it has {pack_count}")
    if int(entries["number"].max()) >= CHUNKS_LIMIT:
        raise FormatError("a block map node names a chunk by a number that no pack has", why=f"at most {CHUNKS_LIMIT}")
    if not pack_count and np.frombuffer(data, np.uint8, FANOUT * ENTRY_BYTES, entries_at).any():
        raise FormatError("a block map node has entries but no packs", why="its pack table is empty")
    packs = [PackRow.decode(row) for row in split_rows(data[HEAD.size : entries_at], PACK_ROW.size, "a pack table")]
    spans = struct.unpack(f">{FANOUT}Q", data[spans_at:]) if with_spans else ()
    return MapNode(level, cut, count, span, packs, entries, spans)


def depth_of(block_count: int) -> int:
    """The least depth whose tree holds that many blocks."""
    depth = 1
    while FANOUT**depth < block_count:
        depth += 1
    return depth
