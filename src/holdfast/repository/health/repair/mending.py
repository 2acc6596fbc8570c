"""One tenant's hurt chunks: found by walking the maps of its points, and mended from wherever their bytes still are.

A chunk is settled when a sound pack that no plan condemns has it: one that had it before, or one of the workshop's.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import map_node, names
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT, MapNode
from holdfast.repository.format.places import Located, Place
from holdfast.repository.health.repair.map_rebuilding import MapRebuilder
from holdfast.repository.health.repair.pack_health import PackHealth
from holdfast.repository.health.repair.put_aside import PutAside
from holdfast.repository.health.repair.quarry import Quarry
from holdfast.repository.health.repair.workshop import Workshop
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.compression import CompressionLevel, compress
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import fetch_nodes
from holdfast.repository.trust.vouching import vouching_of


@dataclass(frozen=True, slots=True)
class _Spot:
    """A chunk and where it stands: node or block `number` of its level, which begins at that byte of the volume."""

    chunk: Located
    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Walk:
    """One volume, and where else its bytes are."""

    volume: VolumeMap
    quarries: Sequence[Quarry]


class Mender:
    """`survivors`: for every pack that is hurt or gone, the packs that have now what points need of it; `mended`: which
    chunks these are. Used from one thread.
    """

    def __init__(self, repository: Repository, health: PackHealth, workshop: Workshop, in_force: Iterable[str]) -> None:
        access = repository.access(workshop.tenant)
        prefix = names.index_runs(access.keys.tenant)
        # What the plan names is asked first: what those know needs no other plan.
        in_order = sorted(in_force, key=lambda key: (key not in health.plan.index_runs, key))
        own = tuple(key for key in in_order if key.startswith(prefix))
        self._in_force = IndexSearch(dataclasses.replace(access, index_runs=lambda: own), vouching_of(health.plan))
        self._keys = access.keys
        self._health = health
        self._workshop = workshop
        self._search = IndexSearch(access)
        aside = health.unnamed_of(relied_on=False).items()
        own_aside = [pack for pack, tenant in aside if tenant == access.keys.tenant]
        self._put_aside = PutAside(access, own_aside, repository.surroundings.scratch)
        self._readers = {kind: ChunkReader(access, kind, self._search) for kind in (CHUNK_TYPE_DATA, CHUNK_TYPE_MAP)}
        # Nodes below which all is whole, where maps name them; and one place of each that lies in a sound pack.
        self._whole: set[bytes] = set()
        self._in_maps: dict[bytes, Place] = {}
        # Where chunks lie by now; and which were looked for here, by chunk and place: one may open where another fails.
        self._now: dict[tuple[bytes, int], bytes] = {}
        self._sought: set[tuple[bytes, int]] = set()
        self._plain: dict[bytes, bytes] = {}
        self.survivors: dict[bytes, set[bytes]] = defaultdict(set)
        self.mended: dict[bytes, set[bytes]] = defaultdict(set)

    def walk(self, volume: VolumeMap, quarries: Sequence[Quarry]) -> dict[bytes, set[bytes]]:
        """Mend what is hurt of a volume; what stays so, by pack."""
        lost: dict[bytes, set[bytes]] = defaultdict(set)
        if volume.root is not None:
            self._row(_Walk(volume, quarries), [_Spot(volume.root, 0, 0)], volume.depth - 1, lost)
        return lost

    def _row(self, walk: _Walk, spots: Iterable[_Spot], level: int, lost: dict[bytes, set[bytes]]) -> bool:
        """Nodes of one level and all below them; whether they are whole."""
        unknown = {spot.chunk.named: spot for spot in spots if spot.chunk.named not in self._whole}
        readable = [spot for spot in unknown.values() if self._settled(walk, spot, level, CHUNK_TYPE_MAP, lost)]
        nodes = self._nodes([spot.chunk for spot in readable], level, walk.volume.cut)
        whole = len(readable) == len(unknown)
        for spot in readable:
            if self._below(walk, spot, nodes[spot.chunk.id], lost):
                self._whole.add(spot.chunk.named)
            else:
                whole = False
        return whole

    def _below(self, walk: _Walk, spot: _Spot, node: MapNode, lost: dict[bytes, set[bytes]]) -> bool:
        if node.level:
            return self._row(walk, _children(walk.volume, spot, node), node.level - 1, lost)
        if all(self._health.may_be_relied_on(row.pack) for row in node.packs):
            return True
        children = _children(walk.volume, spot, node)
        settled = [self._settled(walk, child, -1, CHUNK_TYPE_DATA, lost) for child in children]
        return all(settled)

    def _nodes(self, items: list[Located], level: int, cut: int) -> dict[bytes, MapNode]:
        mended = {item.id: self._plain[item.id] for item in items if item.id in self._plain}
        nodes = fetch_nodes(self._readers[CHUNK_TYPE_MAP], [one for one in items if one.id not in mended], level, cut)
        nodes.update((one, map_node.decode(plain, level=level, cut=cut)) for one, plain in mended.items())
        return nodes

    def _settled(self, walk: _Walk, spot: _Spot, level: int, chunk_type: int, lost: dict[bytes, set[bytes]]) -> bool:
        """Whether a pack that may be relied on has the chunk, by now: one that is condemned goes, and what was copied
        out of it may be damaged.
        """
        chunk, pack = spot.chunk, spot.chunk.place.pack.pack
        if self._health.may_be_relied_on(pack):
            if chunk_type == CHUNK_TYPE_MAP:
                self._in_maps.setdefault(chunk.id, chunk.place)
            return True
        self._health.miss(pack)
        there = self._now.get((chunk.id, chunk_type)) or self._found(walk, spot, level, chunk_type)
        if there is None:
            lost[pack].add(chunk.id)
            return False
        self._now[chunk.id, chunk_type] = there
        self.survivors[pack].add(there)
        self.mended[pack].add(chunk.id)
        return True

    def _found(self, walk: _Walk, spot: _Spot, level: int, chunk_type: int) -> bytes | None:
        """The pack in which the chunk lies, from wherever it was."""
        sought, there = (spot.chunk.named, chunk_type), None
        if sought not in self._sought:
            self._sought.add(sought)
            there = self._from_here(spot.chunk, chunk_type)
        there = there or self._from_another_map(spot.chunk) or self._from_put_aside(spot.chunk.id, chunk_type)
        return there or self._from_elsewhere(walk, spot, level, chunk_type)

    def _from_here(self, chunk: Located, chunk_type: int) -> bytes | None:
        """From this repository: in a sound pack already by a run in force, or else copied from wherever it opens."""
        reader = self._readers[chunk_type]
        own = self._workshop.index.find(chunk.id, chunk_type)
        for place in [*([] if own is None else [own]), *self._in_force.places(chunk.id, chunk_type)]:
            if not (self._health.may_be_relied_on(place.pack.pack) and self._health.holds(chunk.at(place), chunk_type)):
                continue
            if chunk_type == CHUNK_TYPE_DATA:
                return place.pack.pack  # opened and hashed when all packs were read
            opened = reader.open_at(chunk.id, place)
            if opened is not None:
                self._plain[chunk.id] = bytes(opened.plain)
                return place.pack.pack
        try:
            opened = reader.open_one(chunk)
        except (IntegrityError, NeedsRetrievalError, ObjectNotFoundError):
            return None
        return self._kept(chunk.id, chunk_type, opened.plain, opened.compression, opened.stored)

    def _from_another_map(self, node: Located) -> bytes | None:
        """From where another point's map names the same node, which no run may know."""
        return self._copied_from(self._in_maps.get(node.id), node.id, CHUNK_TYPE_MAP)

    def _from_put_aside(self, chunk: bytes, chunk_type: int) -> bytes | None:
        """From a pack that is not to be relied on, and that no run in force names."""
        return self._copied_from(self._put_aside.place(chunk, chunk_type), chunk, chunk_type)

    def _copied_from(self, place: Place | None, chunk: bytes, chunk_type: int) -> bytes | None:
        opened = None if place is None else self._readers[chunk_type].open_at(chunk, place)
        if opened is None:
            return None
        return self._kept(chunk, chunk_type, opened.plain, opened.compression, opened.stored)

    def _from_elsewhere(self, walk: _Walk, spot: _Spot, level: int, chunk_type: int) -> bytes | None:
        """Out of the volume's bytes, where another repository or the source has them."""
        for quarry in walk.quarries:
            plain = self._quarried(walk.volume, quarry, spot, level, chunk_type)
            if plain is not None:
                return self._kept(spot.chunk.id, chunk_type, plain, *compress(plain, CompressionLevel.DEFAULT))
        return None

    def _kept(self, chunk: bytes, chunk_type: int, plain: Buffer, compression: int, stored: Buffer) -> bytes:
        """The pack in which it lies from now on."""
        if chunk_type == CHUNK_TYPE_MAP:
            self._plain[chunk] = bytes(plain)
        prepared = PreparedChunk(chunk, len(plain), compression, bytes(stored))
        return self._workshop.store(prepared, chunk_type).pack.pack

    def _quarried(self, volume: VolumeMap, quarry: Quarry, spot: _Spot, level: int, chunk_type: int) -> Buffer | None:
        if chunk_type == CHUNK_TYPE_MAP:
            if volume.cut != CUT_FIXED:
                return None
            return MapRebuilder(self._keys, self._places, volume, quarry).node(level, spot.number, spot.chunk.id)
        plain = quarry.read(spot.offset, spot.chunk.place.plain_length)
        if plain is None or self._keys.chunk_key(CHUNK_TYPE_DATA).of(plain) != spot.chunk.id:
            return None
        return plain

    def _places(self, chunk: bytes, chunk_type: int) -> list[Place]:
        """Where the chunk is said to lie, by the workshop and by every run that there is."""
        own = self._workshop.index.find(chunk, chunk_type)
        return list(dict.fromkeys([*([] if own is None else [own]), *self._search.places(chunk, chunk_type)]))


def _children(volume: VolumeMap, spot: _Spot, node: MapNode) -> Iterator[_Spot]:
    """What a node refers to, with where it stands."""
    offset = spot.offset
    for at in range(node.count):
        chunk = node.located(at)
        number = spot.number * FANOUT + at
        if volume.cut == CUT_FIXED:
            offset = number * volume.block_size_bytes * FANOUT**node.level
        if chunk is None:
            continue
        yield _Spot(chunk, number, offset)
        offset += node.spans[at] if node.spans else chunk.place.plain_length
