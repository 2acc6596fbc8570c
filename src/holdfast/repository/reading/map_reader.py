"""Block maps out of the repository: nodes by level and number, many at once with few requests (section 9)."""

from collections.abc import Iterable, Iterator

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import map_node
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import FANOUT, MapNode
from holdfast.repository.format.places import Located
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
    for wanted in plan_ranges(located):
        for chunk, plain in reader.read(wanted):
            nodes[chunk.id] = _decode(chunk, bytes(plain), level, cut)
    return nodes


def _decode(chunk: Located, plain: bytes, level: int, cut: int) -> MapNode:
    try:
        return map_node.decode(plain, level=level, cut=cut)
    except IntegrityError as error:
        error.objects = (f"packs/{chunk.place.pack.pack.hex()[:2]}/{chunk.place.pack.pack.hex()}",)
        raise


def leaves(volume: VolumeMap, reader: ChunkReader) -> Iterator[tuple[int, MapNode]]:
    """Every leaf of a volume in order, with its number; holes of inner nodes yield nothing for what lies below them."""
    if volume.root is None:
        return
    root = fetch_nodes(reader, [volume.root], volume.depth - 1, volume.cut)[volume.root.id]
    yield from _below(root, 0, volume, reader)


def _below(node: MapNode, number: int, volume: VolumeMap, reader: ChunkReader) -> Iterator[tuple[int, MapNode]]:
    if node.level == 0:
        yield number, node
        return
    children = [node.located(at) for at in range(node.count)]
    fetched = fetch_nodes(reader, [child for child in children if child], node.level - 1, volume.cut)
    for at, child in enumerate(children):
        if child is not None:
            yield from _below(fetched[child.id], number * FANOUT + at, volume, reader)
