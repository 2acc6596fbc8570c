"""A stream out of another repository into a session: its chunks as they were cut there, in their order (section 10)."""

from collections.abc import Iterator

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError
from holdfast.repository.copying.known_chunks import NearbyChunks
from holdfast.repository.copying.translation import Translation
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_STREAM
from holdfast.repository.format.places import Located
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.progress import Progress
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.map_reader import leaves
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.map_builder import StreamMapBuilder


def copy_stream(
    backup: BackupSession,
    volume: VolumeMap,
    maps: ChunkReader,
    translation: Translation,
    nearby: NearbyChunks,
    progress: Progress,
) -> VolumeMap:
    """Copy a stream; what `nearby` knows of an earlier one is not read. Raises what reading and storing raise."""
    builder = StreamMapBuilder(backup.nodes)
    wanted = ((chunk.place.plain_length, chunk) for chunk in chunks_of(volume, maps))
    for length, content in translation.translated(wanted, nearby.find):
        if isinstance(content, PreparedChunk):
            backup.know_more(content.plain_length)
            backup.counters.read_bytes += content.plain_length
            backup.counters.changed_bytes += content.plain_length
            content = backup.store(content)
        if content is None or content.place.plain_length != length:
            raise FormatError("a stream's map does not fit its chunks", why=f"{length} bytes were expected")
        builder.append(content)
        progress.advance(length)
    root, depth = builder.finish()
    if builder.size_bytes != volume.size_bytes:
        raise FormatError(
            "a stream's map ends elsewhere than its volume", why=f"{builder.size_bytes} bytes of {volume.size_bytes}"
        )
    return VolumeMap(volume.name, volume.size_bytes, 0, CUT_STREAM, depth, root, volume.source)


def chunks_of(volume: VolumeMap, maps: ChunkReader) -> Iterator[Located]:
    """A stream's chunks, in order."""
    for _number, leaf in leaves(volume, maps):
        for at in range(leaf.count):
            chunk = leaf.located(at)
            if chunk is not None:
                yield chunk


def side_by_side(
    in_source: VolumeMap, source_maps: ChunkReader, in_target: VolumeMap, target_maps: ChunkReader
) -> Iterator[tuple[bytes, Located]]:
    """The chunks of a stream that both repositories have: the id in the source, and the place in the target. Ends where
    one of the maps cannot be read any more: then more is read than needed, and nothing is wrong.
    """
    pairs = zip(chunks_to_damage(in_source, source_maps), chunks_to_damage(in_target, target_maps), strict=False)
    for there, here in pairs:
        if there.place.plain_length != here.place.plain_length:
            return
        yield there.id, here


def chunks_to_damage(volume: VolumeMap, maps: ChunkReader) -> Iterator[Located]:
    """The same of an earlier stream, which need not be read to its end: as far as its map can be."""
    try:
        yield from chunks_of(volume, maps)
    except (IntegrityError, ObjectNotFoundError):
        return
