"""Chunks of one repository as those of another: read in pack order, proven by the id that they had, named anew, and
never compressed again.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from holdfast.repository.copying.known_chunks import KnownChunks
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format.places import Located
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.reading.chunk_reader import ChunkReader, PackRange, plan_ranges
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.writing.backup_session import BackupSession

_WINDOW_CHUNKS = 64
_WINDOW_BYTES = 32 * 1024 * 1024
_WINDOWS = 2

T = TypeVar("T")
Translated = PreparedChunk | Located | None


@dataclass(frozen=True, slots=True)
class _Window(Generic[T]):
    """Chunks that are wanted together: those that are known, and the reading of all others."""

    wanted: list[tuple[T, Located | None]]
    known: dict[bytes, Located]
    reading: dict[bytes, Future[dict[bytes, PreparedChunk]]]


class Translation:
    """From a tenant of the source, by its reader and in its surroundings, to a session of the same tenant here."""

    def __init__(
        self, reader: ChunkReader, surroundings: Surroundings, backup: BackupSession, known: KnownChunks
    ) -> None:
        self._reader = reader
        self._surroundings = surroundings
        self._backup = backup
        self._type_key = backup.access.keys.chunk_key(CHUNK_TYPE_DATA)
        self._known = known

    def translated(
        self, wanted: Iterable[tuple[T, Located | None]], elsewhere: Callable[[bytes], Located | None] | None = None
    ) -> Iterator[tuple[T, Translated]]:
        """Each chunk, in the order asked: where the target has it, or prepared for it; None for None. A bounded number
        is read ahead. `elsewhere`, asked first, may know further places in the target, by the source's id.

        Raises IntegrityError and ObjectNotFoundError as the reader does.
        """
        source = iter(wanted)
        under_way: deque[_Window[T]] = deque()
        try:
            while True:
                taken = _window_of(source)
                if taken:
                    under_way.append(self._begin(taken, elsewhere))
                if len(under_way) == _WINDOWS or not taken:
                    if not under_way:
                        return
                    yield from self._finish(under_way.popleft())
        finally:
            for window in under_way:
                for future in window.reading.values():
                    if not future.cancel():
                        future.exception()

    def _begin(
        self, wanted: list[tuple[T, Located | None]], elsewhere: Callable[[bytes], Located | None] | None
    ) -> _Window[T]:
        self._backup.know_more(sum(chunk.place.plain_length for _item, chunk in wanted if chunk is not None))
        window: _Window[T] = _Window(wanted, {}, {})
        unknown: list[Located] = []
        for _item, chunk in wanted:
            if chunk is not None:
                place = None if elsewhere is None else elsewhere(chunk.id)
                place = self._place(chunk.id) if place is None else place
                if place is None:
                    unknown.append(chunk)
                else:
                    window.known[chunk.id] = place
        for one in plan_ranges(unknown):
            future = self._surroundings.transfer.submit(self._read, one)
            window.reading.update(dict.fromkeys((chunk.id for chunk in one.chunks), future))
        return window

    def _place(self, source_id: bytes) -> Located | None:
        target_id = self._known.target_id(source_id)
        place = None if target_id is None else self._backup.index.find(target_id, CHUNK_TYPE_DATA)
        return None if target_id is None or place is None else Located(target_id, place)

    def _finish(self, window: _Window[T]) -> Iterator[tuple[T, Translated]]:
        for item, chunk in window.wanted:
            if chunk is None:
                yield item, None
            elif chunk.id in window.known:
                yield item, window.known[chunk.id]
            else:
                prepared = window.reading[chunk.id].result()[chunk.id]
                self._known.learn(chunk.id, prepared.id)
                yield item, prepared

    def _read(self, one: PackRange) -> dict[bytes, PreparedChunk]:
        return {
            chunk.id: PreparedChunk(
                self._type_key.of(opened.plain), len(opened.plain), opened.compression, bytes(opened.stored)
            )
            for chunk, opened in self._reader.open(one)
        }


def _window_of(wanted: Iterator[tuple[T, Located | None]]) -> list[tuple[T, Located | None]]:
    """The next chunks, as many as are held at once; none at the end."""
    taken: list[tuple[T, Located | None]] = []
    stored_bytes = 0
    for item, chunk in wanted:
        taken.append((item, chunk))
        stored_bytes += 0 if chunk is None else chunk.place.length
        if len(taken) == _WINDOW_CHUNKS or stored_bytes >= _WINDOW_BYTES:
            break
    return taken
