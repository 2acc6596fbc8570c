"""A volume into a session: blocks are read ahead, hashed and compressed on all cores, placed in order, mapped
(section 9).
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockContent, BlockReference, ContentSource
from holdfast.repository.crypto.keyed_hash import KeyedHash
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT
from holdfast.repository.format.places import Located
from holdfast.repository.object_store import Buffer
from holdfast.repository.packs.compression import compress
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.progress import Progress
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import MapReader
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.map_builder import FixedMapBuilder
from holdfast.repository.writing.resuming import Held, TakenVolume

_BATCH_BLOCKS = 4
_ANNOUNCED_REFERENCES = 4096


@dataclass(frozen=True, slots=True)
class _Task:
    """One block on its way: what it was in the parent, what it is now; `resumed` is what it holds by a checkpoint."""

    reference: BlockReference
    content: BlockContent
    before: Located | None
    resumed: Held | None = None

    @property
    def read_bytes(self) -> int:
        """How much of the source was read for it."""
        match self.content:
            case PreparedChunk():
                return self.content.plain_length
            case Located():
                return 0
            case data:
                return len(data)


def write_volume(
    backup: BackupSession,
    source: ContentSource,
    *,
    name: str,
    parent: VolumeMap | None,
    changed: Iterator[BlockReference] | None,
    progress: Progress,
) -> VolumeMap:
    """Back up one volume; `parent` is the map of the earlier volume that it builds upon.

    `changed`, ascending, names every block that may differ from the parent; all others are taken from it unread.
    Without it
    every allocated block is read and compared by its hash. What the session took over of the same volume is not read.
    Raises what the source and the store raise.
    """
    base = None if parent is None else _base_map(backup, parent)
    delta = changed is not None and parent is not None
    block_count = -(-source.size_bytes // BLOCK_SIZE_BYTES)
    base_count = 0 if parent is None else -(-parent.size_bytes // BLOCK_SIZE_BYTES)
    references = source.allocated()
    if changed is not None and parent is not None:
        references = _with_edges(changed, parent.size_bytes, source.size_bytes)
    builder = FixedMapBuilder(block_count, backup.nodes, base, inherit=delta)
    progress.total(source.size_bytes)
    backup.begin_volume(name, source, anew=parent is None)
    position = 0
    blocks = _Blocks(source, base, backup.taken.volume(name, source), backup)
    for task, outcome in _prepared(backup, blocks.of(_announced(references, base))):
        length = _length(source, task.reference.number)
        located = _placed(backup, task, outcome, length, progress)
        builder.set(task.reference.number, located)
        if (located and located.id) != (task.before and task.before.id):
            backup.counters.changed_bytes += length
        end = min((task.reference.number + 1) * BLOCK_SIZE_BYTES, source.size_bytes)
        resumed_bytes = length if task.resumed is not None else 0
        progress.skip(resumed_bytes)
        progress.advance(end - position - resumed_bytes)
        position = end
    progress.advance(source.size_bytes - position)
    root = builder.finish(base_count)
    return VolumeMap(
        name=name,
        size_bytes=source.size_bytes,
        block_size_bytes=BLOCK_SIZE_BYTES,
        cut=CUT_FIXED,
        depth=builder.depth,
        root=root,
        source=dict(source.facts),
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of a source as tasks: read, or known by what the session took over."""

    source: ContentSource
    base: MapReader | None
    taken: TakenVolume | None
    backup: BackupSession

    def of(self, references: Iterator[BlockReference]) -> Iterator[_Task]:
        """In order. Between stretches that are known the source reads ahead as ever."""
        if self.taken is None:
            yield from self._read(references)
            return
        self.backup.know_more(len(self.taken) * BLOCK_SIZE_BYTES)
        known = ((reference, self._resumed(reference)) for reference in references)
        for is_known, stretch in groupby(known, key=lambda pair: pair[1] is not None):
            if is_known:
                for reference, held in stretch:
                    yield _Task(reference, b"", self._before(reference), held)
            else:
                yield from self._read(reference for reference, _held in stretch)

    def _read(self, references: Iterator[BlockReference]) -> Iterator[_Task]:
        for reference, content in self.source.read(references):
            yield _Task(reference, content, self._before(reference))

    def _before(self, reference: BlockReference) -> Located | None:
        return None if self.base is None else self.base.entry(0, reference.number)

    def _resumed(self, reference: BlockReference) -> Held | None:
        if self.taken is None or reference.zero:
            return None
        length = _length(self.source, reference.number)
        return self.taken.held(reference.number, length, self._before(reference), self.backup.index)


def _placed(
    backup: BackupSession, task: _Task, outcome: PreparedChunk | Located | None, length: int, progress: Progress
) -> Located | None:
    """Where the block's chunk lies from here on."""
    if task.resumed is not None:
        backup.counters.resumed_bytes += length
        return backup.adopt(task.resumed.located)
    located = backup.store(outcome) if isinstance(outcome, PreparedChunk) else outcome
    backup.counters.read_bytes += task.read_bytes
    if backup.trail is not None and not task.reference.zero:
        backup.trail.read(task.reference.number, located, task.read_bytes, progress)
    return located


def _length(source: ContentSource, block: int) -> int:
    return min(BLOCK_SIZE_BYTES, source.size_bytes - block * BLOCK_SIZE_BYTES)


def _base_map(backup: BackupSession, volume: VolumeMap) -> MapReader:
    reader = ChunkReader(backup.access, CHUNK_TYPE_MAP, IndexSearch(backup.access))
    return MapReader(volume, reader)


def _with_edges(changed: Iterator[BlockReference], before_bytes: int, now_bytes: int) -> Iterator[BlockReference]:
    """The changed blocks within the volume, and where its size moved the last block of the smaller one, which changed
    too.
    """
    edge = None
    if before_bytes != now_bytes and min(before_bytes, now_bytes) % BLOCK_SIZE_BYTES:
        edge = min(before_bytes, now_bytes) // BLOCK_SIZE_BYTES
    for reference in changed:
        if edge is not None and edge <= reference.number:
            if edge < reference.number:
                yield BlockReference(edge)
            edge = None
        if reference.number * BLOCK_SIZE_BYTES < now_bytes:
            yield reference
    if edge is not None:
        yield BlockReference(edge)


def _announced(references: Iterator[BlockReference], base: MapReader | None) -> Iterator[BlockReference]:
    """The same references, taken some thousands at a time so that the parent's leaves come with few requests."""
    if base is None:
        yield from references
        return
    while True:
        taken = [reference for reference, _number in zip(references, range(_ANNOUNCED_REFERENCES), strict=False)]
        base.announce(dict.fromkeys(reference.number // FANOUT for reference in taken))
        yield from taken
        if len(taken) < _ANNOUNCED_REFERENCES:
            return


def _prepared(backup: BackupSession, tasks: Iterator[_Task]) -> Iterator[tuple[_Task, PreparedChunk | Located | None]]:
    """Every block with what is to be done about it, in order; a few batches are under way at any time."""
    compute = backup.access.surroundings
    limit = 2 * compute.compute_width
    under_way: deque[tuple[list[_Task], Future[list[PreparedChunk | Located | None]]]] = deque()
    batch: list[_Task] = []
    try:
        for task in tasks:
            batch.append(task)
            if len(batch) == _BATCH_BLOCKS:
                if len(under_way) >= limit:
                    yield from _results(*under_way.popleft())
                under_way.append((batch, _submit(backup, batch)))
                batch = []
        if batch:
            under_way.append((batch, _submit(backup, batch)))
        while under_way:
            yield from _results(*under_way.popleft())
    finally:
        for _tasks, future in under_way:
            future.cancel()


def _results(
    tasks: list[_Task], future: Future[list[PreparedChunk | Located | None]]
) -> Iterator[tuple[_Task, PreparedChunk | Located | None]]:
    yield from zip(tasks, future.result(), strict=True)


def _submit(backup: BackupSession, batch: list[_Task]) -> Future[list[PreparedChunk | Located | None]]:
    backup.know_more(sum(task.read_bytes for task in batch))
    return backup.access.surroundings.compute.submit(_prepare, backup, batch)


def _prepare(backup: BackupSession, batch: list[_Task]) -> list[PreparedChunk | Located | None]:
    """On any core: zeros, the parent's own, a known chunk, or a new one compressed."""
    type_key = backup.access.keys.chunk_key(CHUNK_TYPE_DATA)
    return [_prepare_block(backup, task, type_key) for task in batch]


def _prepare_block(backup: BackupSession, task: _Task, type_key: KeyedHash) -> PreparedChunk | Located | None:
    if task.resumed is not None:
        return task.resumed.located
    content = task.content
    if isinstance(content, PreparedChunk | Located):
        identifier = content.id
    elif task.reference.zero or is_zero(content):
        return None
    else:
        identifier = type_key.of(content)
    if task.before is not None and task.before.id == identifier:
        return task.before
    if isinstance(content, Located):
        return content
    place = backup.index.find(identifier, CHUNK_TYPE_DATA)
    if place is not None:
        return Located(identifier, place)
    if isinstance(content, PreparedChunk):
        return content
    compression, stored = compress(content, backup.terms.level)
    return PreparedChunk(identifier, len(content), compression, stored)


def is_zero(data: Buffer) -> bool:
    """Whether a buffer holds only zeros; most that do not are told by their first bytes."""
    return not any(data[:64]) and not np.frombuffer(data, np.uint8).any()
