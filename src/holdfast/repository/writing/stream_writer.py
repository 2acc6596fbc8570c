"""A stream (a dump, a pipe) into a session: cut by content, hashed and compressed on all cores, mapped in order
(section 15).
"""

from collections import deque
from concurrent.futures import Future
from typing import BinaryIO

from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_STREAM
from holdfast.repository.format.places import Located
from holdfast.repository.packs.compression import compress
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.progress import Progress
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.map_builder import StreamMapBuilder
from holdfast.repository.writing.stream_cutter import StreamCutter


def write_stream(backup: BackupSession, stream: BinaryIO, gear: bytes, *, name: str, progress: Progress) -> VolumeMap:
    """Back up everything that `stream` gives, cut by the tenant's `gear`; chunks that the repository knows are not
    stored again.
    """
    surroundings = backup.access.surroundings
    builder = StreamMapBuilder(backup.nodes)
    under_way: deque[Future[PreparedChunk | Located]] = deque()
    progress.total(None)

    def place_oldest() -> None:
        outcome = under_way.popleft().result()
        if isinstance(outcome, PreparedChunk):
            backup.counters.changed_bytes += outcome.plain_length
            outcome = backup.store(outcome)
        builder.append(outcome)
        progress.advance(outcome.place.plain_length)

    try:
        for chunk in StreamCutter(gear).cut(stream):
            backup.counters.read_bytes += len(chunk)
            backup.know_more(len(chunk))
            if len(under_way) > 2 * surroundings.compute_width:
                place_oldest()
            under_way.append(surroundings.compute.submit(_prepare, backup, chunk))
        while under_way:
            place_oldest()
    finally:
        for future in under_way:
            future.cancel()
    root, depth = builder.finish()
    return VolumeMap(name, builder.size_bytes, 0, CUT_STREAM, depth, root, {"kind": "stream"})


def _prepare(backup: BackupSession, chunk: bytes) -> PreparedChunk | Located:
    identifier = backup.access.keys.chunk_key(CHUNK_TYPE_DATA).of(chunk)
    place = backup.index.find(identifier, CHUNK_TYPE_DATA)
    if place is not None:
        return Located(identifier, place)
    compression, stored = compress(chunk, backup.terms.level)
    return PreparedChunk(identifier, len(chunk), compression, stored)
