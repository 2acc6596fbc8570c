"""What differs between two volumes of one tenant, from their maps alone: equal node ids are equal subtrees, and nobody
descends into them (section 9).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT, MapNode
from holdfast.repository.format.places import Located
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.map_reader import fetch_nodes


@dataclass(frozen=True, slots=True)
class _Lifted:
    """The node that would stand above a root if its tree were one level deeper."""

    below: "Located | _Lifted | None"
    id: bytes = b""


_Entry = Located | _Lifted | None


@dataclass(frozen=True, slots=True)
class MapDifference:
    """Compares two volumes of fixed blocks. The earlier one may be going away: what cannot be read of its map counts as
    changed below that node. `earlier_reader` and `later_reader` read nodes of the two.
    """

    earlier: VolumeMap
    earlier_reader: ChunkReader
    later: VolumeMap
    later_reader: ChunkReader

    def blocks(self) -> Iterator[tuple[int, Located | None]]:
        """Every block of the later volume that may not be as it was, ascending, with what it holds (None: zeros).
        Raises IntegrityError or ObjectNotFoundError where the later map cannot be read.
        """
        depth = max(self.earlier.depth, self.later.depth)
        holes: list[_Entry] = [None] * (FANOUT - 1)
        before, after = (_lifted(volume, depth) for volume in (self.earlier, self.later))
        yield from self._below(depth, 0, [before, *holes], [after, *holes])

    def _below(
        self, level: int, number: int, before: Sequence[_Entry] | None, after: Sequence[_Entry]
    ) -> Iterator[tuple[int, Located | None]]:
        """Below node `number` of `level`, whose entries are given; `before` None: nobody knows what they were."""
        first, covered = number * FANOUT, FANOUT**level
        block_count = -(-self.later.size_bytes // self.later.block_size_bytes)
        inside = min(FANOUT, max(0, -(-block_count // covered) - first))
        differing = [at for at in range(inside) if before is None or _id(before[at]) != _id(after[at])]
        if level == 0:
            for at in differing:
                entry = after[at]
                yield first + at, entry if isinstance(entry, Located) else None
            return
        later = fetch_nodes(self.later_reader, _nodes_of(after, differing), level - 1, CUT_FIXED)
        earlier = {} if before is None else self._still_there(_nodes_of(before, differing), level - 1)
        for at in differing:
            was = None if before is None else _entries(before[at], earlier)
            yield from self._below(level - 1, first + at, was, _entries(after[at], later) or [])

    def _still_there(self, located: list[Located], level: int) -> dict[bytes, MapNode]:
        """Nodes of the earlier map, as far as they can be read; each is proven by its id."""
        with suppress(IntegrityError, ObjectNotFoundError):
            return fetch_nodes(self.earlier_reader, located, level, CUT_FIXED)
        found: dict[bytes, MapNode] = {}
        for one in located:
            with suppress(IntegrityError, ObjectNotFoundError):
                found |= fetch_nodes(self.earlier_reader, [one], level, CUT_FIXED)
        return found


def _lifted(volume: VolumeMap, depth: int) -> _Entry:
    entry: _Entry = volume.root
    for _level in range(depth - volume.depth):
        entry = None if entry is None else _Lifted(entry)
    return entry


def _id(entry: _Entry) -> bytes | None:
    return None if entry is None else entry.id


def _nodes_of(entries: Sequence[_Entry], wanted: list[int]) -> list[Located]:
    return [entry for entry in (entries[at] for at in wanted) if isinstance(entry, Located)]


def _entries(entry: _Entry, nodes: dict[bytes, MapNode]) -> list[_Entry] | None:
    """What a node holds; None where it could not be read."""
    match entry:
        case None:
            return [None] * FANOUT
        case _Lifted():
            return [entry.below, *[None] * (FANOUT - 1)]
        case Located():
            node = nodes.get(entry.id)
            return None if node is None else [node.located(at) for at in range(FANOUT)]
