"""What a copy of a point would read, and so about how much it would store: from maps alone."""

from collections.abc import Iterator

from holdfast.repository.copying.known_chunks import NearbyChunks
from holdfast.repository.copying.stream_copy import chunks_of
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED
from holdfast.repository.format.places import Located
from holdfast.repository.opening.repository import Repository
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.map_difference import MapDifference
from holdfast.repository.sessions.points import PointSummary, load_manifest


def new_chunks(
    source: Repository, maps: ChunkReader, point: PointSummary, base: PointSummary | None
) -> Iterator[Located]:
    """The chunks that `base`, another point of the source, does not have; one that is there twice comes twice."""
    earlier = {} if base is None else {volume.name: volume for volume in load_manifest(source, base).volumes}
    for volume in load_manifest(source, point).volumes:
        yield from _new_chunks(volume, earlier.get(volume.name), maps)


def _new_chunks(volume: VolumeMap, earlier: VolumeMap | None, maps: ChunkReader) -> Iterator[Located]:
    if earlier is None or earlier.cut != volume.cut:
        return chunks_of(volume, maps)
    if volume.cut == CUT_FIXED:
        difference = MapDifference(earlier, maps, volume, maps)
        return (chunk for _number, chunk in difference.blocks() if chunk is not None)
    nearby = NearbyChunks((chunk.id, chunk) for chunk in chunks_of(earlier, maps))
    return (chunk for chunk in chunks_of(volume, maps) if nearby.find(chunk.id) is None)
