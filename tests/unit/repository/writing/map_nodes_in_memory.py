"""A place for map nodes that is a dict, so that maps can be built and read without a store."""

from collections.abc import Iterator
from typing import cast

from holdfast.domain.errors import HoldfastError
from holdfast.repository.crypto.keyed_hash import KeyedHash
from holdfast.repository.format import names
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.pack import CHUNKS_LIMIT
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.chunk_opening import OpenedChunk, damaged_pack
from holdfast.repository.packs.compression import decompress
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.reading.chunk_reader import ChunkReader, PackRange
from holdfast.repository.reading.map_reader import MapReader
from holdfast.repository.writing.map_builder import NodeStore
from holdfast.repository.writing.pack_writer import PackWriter

PACK = PackRow(1, b"s" * 16, b"m" * 16)


class NodesInMemory:
    """Stands where map packs stand: takes chunks as a PackWriter, gives them back as a ChunkReader."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.index = ChunkIndex()
        self.reads = 0

    def add(self, chunk: PreparedChunk) -> Place:
        plain = decompress(chunk.compression, chunk.stored, chunk.plain_length)
        assert plain is not None
        assert chunk.id not in self.stored, "a node is stored once"
        self.stored[chunk.id] = bytes(plain)
        # A place stands in the node above: made of the id alone, it is the same in whatever order nodes come.
        number = int.from_bytes(chunk.id[:4], "big") % CHUNKS_LIMIT
        return Place(PACK, number, 96, 1000, chunk.plain_length, chunk.compression)

    def each(self, wanted: PackRange) -> Iterator[tuple[Located, OpenedChunk | HoldfastError]]:
        self.reads += 1
        for chunk in wanted.chunks:
            plain = self.stored.get(chunk.id)
            if plain is None:
                yield chunk, damaged_pack(names.pack(chunk.place.pack.pack), "the node was lost")
            else:
                yield chunk, OpenedChunk(chunk.place.compression, plain, plain)

    @property
    def writer(self) -> NodeStore:
        """Puts nodes here."""
        return NodeStore(cast("PackWriter", self), self.index, KeyedHash(bytes(32)))

    @property
    def reader(self) -> ChunkReader:
        """Reads them again."""
        return cast("ChunkReader", self)

    def map_reader(self, volume: VolumeMap) -> MapReader:
        """A map of nodes that are here."""
        return MapReader(volume, self.reader)


def located(number: int, plain_length: int = 100) -> Located:
    """A data chunk that only its id tells from another; never a hole."""
    pack = PackRow(1, b"s" * 16, (number % 5).to_bytes(16, "big"))
    return Located((number + 1).to_bytes(32, "big"), Place(pack, number % 1000, 96, plain_length + 16, plain_length, 0))
