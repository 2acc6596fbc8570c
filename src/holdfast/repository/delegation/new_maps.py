"""Does a worker's volume map refer only to what it may: its own packs, its parent's blocks, what it was given to know?

A subtree that stands in the parent at the same position is taken as it is; every other node is read (map packs only)
and each of its entries must be in the parent at the same position, or lie where the session's directories or the index
runs that were built upon say. In a cold pack of the session a chunk lies where the map says: no directory can be asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT, depth_of
from holdfast.repository.format.pack import HEADER_BYTES, TAG_BYTES, least_bytes
from holdfast.repository.format.places import Located, PackRow
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import MapReader, fetch_nodes

Numbered = list[tuple[int, Located]]


def check_new_map(
    access: TenantAccess, index: ChunkIndex, cold: Mapping[PackRow, int], volume: VolumeMap, parent: VolumeMap | None
) -> None:
    """Raises IntegrityError unless the map is one that an honest worker with this parent and index could have made.

    `cold`: the session's packs that cannot be read, with their sizes. Chunks there are added to `index`.
    """
    block_count = -(-volume.size_bytes // BLOCK_SIZE_BYTES)
    if volume.cut != CUT_FIXED or volume.block_size_bytes != BLOCK_SIZE_BYTES or volume.depth != depth_of(block_count):
        raise _refused(volume, "it is not the map of a volume of that size")
    if volume.root is None:
        return
    reader = ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access))
    base = None if parent is None else MapReader(parent, reader)
    try:
        _Walk(volume, index, cold, reader, base).nodes(volume.depth - 1, [(0, volume.root)])
    except ObjectNotFoundError as error:
        raise _refused(volume, "a node of it is nowhere") from error


@dataclass(frozen=True, slots=True)
class _Walk:
    volume: VolumeMap
    index: ChunkIndex
    cold: Mapping[PackRow, int]
    reader: ChunkReader
    base: MapReader | None

    def nodes(self, level: int, named: Numbered) -> None:
        """Nodes of `level`, by number, as what stands above names them."""
        to_read = []
        for number, located in named:
            from_parent = self._in_parent(level + 1, number, located)
            if from_parent and self._same_blocks(level + 1, number):
                continue
            if not from_parent and not self.index.holds(located.id, CHUNK_TYPE_MAP, located.place):
                raise self._foreign(located)
            to_read.append((number, located))
        if self.base is not None and level == 0:
            self.base.announce([number for number, _located in to_read])
        fetched = fetch_nodes(self.reader, [located for _number, located in to_read], level, CUT_FIXED)
        for number, located in to_read:
            node = fetched[located.id]
            if not len(node.named_packs()) == len(set(node.packs)) == len(node.packs):
                # Who restores is given the keys to packs that maps name.
                raise _refused(self.volume, "a node names packs in which nothing of it lies, or one twice")
            below = [(number * FANOUT + at, node.located(at)) for at in range(FANOUT)]
            children = [(child, entry) for child, entry in below if entry is not None]
            if any(child * FANOUT**level * BLOCK_SIZE_BYTES >= self.volume.size_bytes for child, _entry in children):
                raise _refused(self.volume, "it has blocks behind its end")
            if level == 0:
                self._blocks(children)
            else:
                self.nodes(level - 1, children)

    def _blocks(self, blocks: Numbered) -> None:
        for number, located in blocks:
            length = min(BLOCK_SIZE_BYTES, self.volume.size_bytes - number * BLOCK_SIZE_BYTES)
            if located.place.plain_length != length:
                raise _refused(self.volume, f"block {number} has {located.place.plain_length} bytes")
            known = self.index.holds(located.id, CHUNK_TYPE_DATA, located.place)
            if not known and not self._in_parent(0, number, located):
                if not self._in_cold(located):
                    raise self._foreign(located)
                self.index.add(located.id, CHUNK_TYPE_DATA, located.place)

    def _in_cold(self, located: Located) -> bool:
        """Whether it could lie there, in a pack of that size: whether it does, a restore will see."""
        size_bytes, place = self.cold.get(located.place.pack, 0), located.place
        ends_within = least_bytes(place.number, place.offset + place.length) <= size_bytes
        return place.offset >= HEADER_BYTES and place.length > TAG_BYTES and ends_within

    def _in_parent(self, level: int, number: int, located: Located) -> bool:
        return self.base is not None and self.base.entry(level, number) == located

    def _same_blocks(self, level: int, number: int) -> bool:
        """Whether what that entry covers ends within both volumes, or both end alike: then nothing in it is cut."""
        if self.base is None:
            return False
        end_bytes = (number + 1) * FANOUT**level * BLOCK_SIZE_BYTES
        sizes = (self.volume.size_bytes, self.base.volume.size_bytes)
        return sizes[0] == sizes[1] or end_bytes <= min(sizes)

    def _foreign(self, located: Located) -> IntegrityError:
        pack = located.place.pack.pack.hex()
        return _refused(
            self.volume, f"neither the session nor what it was given has the chunk that it names in pack {pack}"
        )


def _refused(volume: VolumeMap, why: str) -> IntegrityError:
    return IntegrityError(
        f"the map of volume {volume.name} is not accepted",
        why=why,
        cure="run the backup again; if it happens again, find out what runs on the worker",
    )
