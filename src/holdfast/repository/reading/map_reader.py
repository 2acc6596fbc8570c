"""Block maps out of the repository: nodes by level and number, many at once with few requests (section 9)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.domain.errors import FormatError, HoldfastError
from holdfast.repository.format import map_node, names
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT, MapNode
from holdfast.repository.format.places import Located
from holdfast.repository.object_store import Buffer
from holdfast.repository.reading.chunk_reader import ChunkReader, plan_ranges

_AHEAD_NODES = 512
_KEPT_NODES = 2 * _AHEAD_NODES


class MapReader:
    """One volume's tree, walked upwards in block numbers; keeps a bounded window of nodes.

    Node n of level l covers entries [128 n, 128 n + 128) of level l - 1, or blocks where l is 0. Asking for what lies
    beyond
    the volume's tree gives None, and so does a hole.
    """

    def __init__(self, volume: VolumeMap, reader: ChunkReader) -> None:
        self.volume = volume
        self._reader = reader
        self._nodes: list[dict[int, MapNode | None]] = [{} for _ in range(volume.depth)]
        self._announced: dict[int, None] = {}

    def announce(self, leaves: Iterable[int]) -> None:
        """These leaves will be asked for soon, ascending: they are fetched together when the first one is."""
        self._announced.update(dict.fromkeys(leaves))

    def entry(self, level: int, number: int) -> Located | None:
        """What stands for node `number` of `level` - 1 (level 0: for the block) in its parent node."""
        if level >= self.volume.depth:
            return self.volume.root if number == 0 and level == self.volume.depth else None
        node = self.node(level, number // FANOUT)
        return None if node is None else node.located(number % FANOUT)

    def node(self, level: int, number: int) -> MapNode | None:
        """Node `number` of `level`, None where it is a hole or outside the tree."""
        if level >= self.volume.depth:
            return None
        known = self._nodes[level]
        if number not in known:
            wanted = {number}
            if level == 0:
                ahead = [leaf for leaf in self._announced if leaf >= number][:_AHEAD_NODES]
                self._announced = {leaf: None for leaf in self._announced if leaf > number and leaf not in ahead}
                wanted.update(ahead)
            self._load(level, sorted(wanted))
        return self._nodes[level][number]

    def _load(self, level: int, numbers: list[int]) -> None:
        """Fetch nodes of one level together, those above them first; the lowest ones kept are forgotten, being
        behind.
        """
        if level + 1 < self.volume.depth:
            above = sorted({number // FANOUT for number in numbers} - self._nodes[level + 1].keys())
            if above:
                self._load(level + 1, above)
        located: dict[int, Located | None] = {number: self.entry(level + 1, number) for number in numbers}
        fetched = fetch_nodes(self._reader, [item for item in located.values() if item], level, self.volume.cut)
        kept = self._nodes[level]
        for number, item in located.items():
            kept[number] = None if item is None else fetched[item.id]
        for number in sorted(kept)[: max(0, len(kept) - _KEPT_NODES)]:
            del kept[number]


def fetch_nodes(reader: ChunkReader, located: list[Located], level: int, cut: int) -> dict[bytes, MapNode]:
    """Nodes by id, neighbours in a pack fetched together. Raises IntegrityError naming the pack of a bad one."""
    nodes: dict[bytes, MapNode] = {}
    for identifier, found in _each_node(reader, located, level, cut):
        if isinstance(found, HoldfastError):
            raise found
        nodes[identifier] = found
    return nodes


def readable_nodes(
    reader: ChunkReader, located: list[Located], level: int, cut: int
) -> tuple[dict[bytes, MapNode], dict[bytes, HoldfastError]]:
    """The nodes that can be read, by id, and why each of the others cannot."""
    nodes: dict[bytes, MapNode] = {}
    failures: dict[bytes, HoldfastError] = {}
    for identifier, found in _each_node(reader, located, level, cut):
        if isinstance(found, HoldfastError):
            failures[identifier] = found
        else:
            nodes[identifier] = found
    # An id may stand there with two places, of which one opens.
    return nodes, {identifier: error for identifier, error in failures.items() if identifier not in nodes}


def _each_node(
    reader: ChunkReader, located: list[Located], level: int, cut: int
) -> Iterator[tuple[bytes, MapNode | HoldfastError]]:
    for wanted in plan_ranges(located):
        for chunk, found in reader.each(wanted):
            yield chunk.id, found if isinstance(found, HoldfastError) else _decode(chunk, found.plain, level, cut)


def _decode(chunk: Located, plain: Buffer, level: int, cut: int) -> MapNode | FormatError:
    try:
        return map_node.decode(bytes(plain), level=level, cut=cut)
    except FormatError as error:
        error.objects = (names.pack(chunk.place.pack.pack),)
        return error


@dataclass(frozen=True, slots=True)
class MapPart:
    """What a map has of the bytes from start to end of its volume: leaf `number`, or why it has no node of them."""

    number: int
    start: int
    end: int
    found: MapNode | HoldfastError


def leaves(volume: VolumeMap, reader: ChunkReader) -> Iterator[tuple[int, MapNode]]:
    """Every leaf of a volume in order, with its number; holes of inner nodes yield nothing for what lies below them.
    Raises IntegrityError naming the pack of a node that is damaged.
    """
    for part in parts(volume, reader):
        if isinstance(part.found, HoldfastError):
            raise part.found
        yield part.number, part.found


def parts(volume: VolumeMap, reader: ChunkReader) -> Iterator[MapPart]:
    """The same, with what cannot be read among them."""
    if volume.root is not None:
        yield from _row(volume, reader, volume.depth - 1, [_Entry(volume.root, 0, 0, volume.size_bytes)])


@dataclass(frozen=True, slots=True)
class _Entry:
    """A node to be read: its number in its level, and the bytes that it stands for."""

    node: Located
    number: int
    start: int
    end: int


def _row(volume: VolumeMap, reader: ChunkReader, level: int, row: list[_Entry]) -> Iterator[MapPart]:
    """Nodes of one level that stand in one node, and what is below them."""
    nodes, failures = readable_nodes(reader, [entry.node for entry in row], level, volume.cut)
    for entry in row:
        node = nodes.get(entry.node.id)
        if node is not None and level > 0:
            yield from _row(volume, reader, level - 1, list(_entries(volume, node, entry)))
        else:
            found = failures[entry.node.id] if node is None else node
            yield MapPart(entry.number, entry.start, entry.end, found)


def _entries(volume: VolumeMap, node: MapNode, above: _Entry) -> Iterator[_Entry]:
    """What an inner node refers to. In fixed volumes the number says where that begins, in streams what lies before."""
    end, width = above.start, volume.block_size_bytes * FANOUT**node.level
    for at in range(node.count):
        number = above.number * FANOUT + at
        if volume.cut == CUT_FIXED:
            start, end = number * width, min((number + 1) * width, volume.size_bytes)
        else:
            start, end = end, end + node.spans[at]
        located = node.located(at)
        if located is not None:
            yield _Entry(located, number, start, end)
