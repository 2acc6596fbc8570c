"""Block maps on their way in: blocks come ascending, nodes are sealed as soon as they are full (section 9).

Memory is one open node a level. What did not change is taken from the base tree, node for node.
"""

from dataclasses import dataclass, field

from holdfast.repository.crypto.keyed_hash import KeyedHash
from holdfast.repository.crypto.keys import CHUNK_TYPE_MAP
from holdfast.repository.format import map_node
from holdfast.repository.format.map_node import CUT_FIXED, CUT_STREAM, FANOUT
from holdfast.repository.format.places import Located
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.compression import CompressionLevel, compress
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.reading.map_reader import MapReader
from holdfast.repository.writing.pack_writer import PackWriter

_STREAM_NODE_LEAST = 32
_STREAM_NODE_MODULUS = 64


class NodeStore:
    """Puts map nodes into map packs, each once."""

    def __init__(self, packs: PackWriter, index: ChunkIndex, chunk_key: KeyedHash) -> None:
        self._packs = packs
        self._index = index
        self._chunk_key = chunk_key

    def put(self, plain: bytes, base: Located | None = None) -> Located:
        """The node's id and place: the base tree's own where the node is the same, else a known or a new place."""
        identifier = self._chunk_key.of(plain)
        if base is not None and base.id == identifier:
            return base
        place = self._index.find(identifier, CHUNK_TYPE_MAP)
        if place is None:
            compression, stored = compress(plain, CompressionLevel.DEFAULT)
            place = self._packs.add(PreparedChunk(identifier, len(plain), compression, stored))
            self._index.add(identifier, CHUNK_TYPE_MAP, place)
        return Located(identifier, place)


@dataclass(slots=True)
class _OpenNode:
    number: int
    entries: list[Located | None]


class FixedMapBuilder:
    """The map of a volume of `block_count` blocks.

    `base`: an earlier map of the same volume. With `inherit` blocks not set are the base's; without, they are zeros
    and the
    base only spares storing nodes that turn out the same.
    """

    def __init__(self, block_count: int, nodes: NodeStore, base: MapReader | None, *, inherit: bool) -> None:
        self.depth = map_node.depth_of(block_count)
        self._block_count = block_count
        self._nodes = nodes
        self._base = base
        self._inherit = inherit and base is not None
        self._open: list[_OpenNode | None] = [None] * self.depth
        self._root: Located | None = None
        if self._inherit and base is not None and base.volume.depth < self.depth:
            self._put(base.volume.depth, 0, base.volume.root)

    def set(self, block: int, located: Located | None) -> None:
        """What block `block` holds; None for zeros. Ascending, each at most once."""
        self._put(0, block, located)

    def finish(self, base_block_count: int) -> Located | None:
        """Close every open node; the root, None where all is zeros."""
        if self._inherit and self._base is not None:
            if not self._block_count:
                return None  # nothing of the base is left
            if base_block_count != self._block_count:
                self._at(0, (self._block_count - 1) // FANOUT)
            if not any(self._open):
                return self._base.volume.root
        for level in range(self.depth):
            self._close(level)
        return self._root

    def _put(self, level: int, number: int, located: Located | None) -> None:
        self._at(level, number // FANOUT).entries[number % FANOUT] = located

    def _at(self, level: int, number: int) -> _OpenNode:
        """The open node of that level and number; another one open there is closed first."""
        node = self._open[level]
        if node is None or node.number != number:
            for below in range(level + 1):
                self._close(below)
            node = self._open[level] = _OpenNode(number, self._inherited(level, number))
        return node

    def _inherited(self, level: int, number: int) -> list[Located | None]:
        old = self._base.node(level, number) if self._inherit and self._base is not None else None
        if old is None:
            return [None] * FANOUT
        covered = FANOUT**level
        inside = [(number * FANOUT + at) * covered < self._block_count for at in range(FANOUT)]
        return [old.located(at) if inside[at] else None for at in range(FANOUT)]

    def _close(self, level: int) -> None:
        node = self._open[level]
        if node is None:
            return
        self._open[level] = None
        located = None
        if any(node.entries):
            base = None if self._base is None else self._base.entry(level + 1, node.number)
            located = self._nodes.put(map_node.encode(level, CUT_FIXED, node.entries, []), base)
        if level + 1 == self.depth:
            self._root = located
        else:
            self._put(level + 1, node.number, located)


@dataclass(slots=True)
class _OpenLevel:
    entries: list[Located | None] = field(default_factory=list)
    spans: list[int] = field(default_factory=list)


class StreamMapBuilder:
    """The map of a stream: chunks of varying length in order; nodes end where the content says so (section 15)."""

    def __init__(self, nodes: NodeStore) -> None:
        self._nodes = nodes
        self._levels: list[_OpenLevel] = [_OpenLevel()]
        self.size_bytes = 0

    def append(self, located: Located) -> None:
        """The next chunk."""
        self.size_bytes += located.place.plain_length
        self._append(0, located, located.place.plain_length)

    def finish(self) -> tuple[Located | None, int]:
        """(root, depth); the root of an empty stream is None at depth 1."""
        if not self.size_bytes:
            return None, 1
        level = 0
        while level + 1 < len(self._levels):
            if self._levels[level].entries:
                self._append(level + 1, *self._close(level), closing=True)
            above = self._levels[level + 1].entries
            if level + 2 == len(self._levels) and len(above) == 1 and above[0] is not None:
                return above[0], level + 1  # one node below: it is the root, and needs none above it
            level += 1
        return self._close(level)[0], level + 1

    def _append(self, level: int, located: Located, span: int, *, closing: bool = False) -> None:
        if level == len(self._levels):
            self._levels.append(_OpenLevel())
        node = self._levels[level]
        node.entries.append(located)
        node.spans.append(span)
        ends = len(node.entries) >= _STREAM_NODE_LEAST and _ends_node(located.id)
        if not closing and (ends or len(node.entries) == FANOUT):
            self._append(level + 1, *self._close(level))

    def _close(self, level: int) -> tuple[Located, int]:
        node = self._levels[level]
        self._levels[level] = _OpenLevel()
        return self._nodes.put(map_node.encode(level, CUT_STREAM, node.entries, node.spans)), sum(node.spans)


def _ends_node(identifier: bytes) -> bool:
    return int.from_bytes(identifier[-2:], "big") % _STREAM_NODE_MODULUS == 0
