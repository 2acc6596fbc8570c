"""A volume out of the repository: in pack order, neighbours in one range read, every chunk to all places that need it.

A window of blocks is planned at a time, so memory is bounded whatever the volume's size: a large one for targets that
take
bytes in any order (each needed range is then read once), a small one for pipes.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from holdfast.domain.errors import FormatError
from holdfast.repository.block_source import BlockTarget
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT
from holdfast.repository.format.places import Located
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import Buffer
from holdfast.repository.progress import Progress
from holdfast.repository.reading.chunk_reader import ChunkReader, PackRange, passed_over_by, plan_ranges
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import leaves

_WINDOW_CHUNKS = 1 << 16
_SEQUENTIAL_WINDOW_BYTES = 64 * 1024 * 1024

Deliver = Callable[[int, Buffer], None]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the volume and the chunk that holds it."""

    offset: int
    length: int
    chunk: Located


class VolumeReader:
    """Reads one volume of one point."""

    def __init__(self, access: TenantAccess, volume: VolumeMap) -> None:
        self._surroundings = access.surroundings
        self.volume = volume
        search = IndexSearch(access)
        self._maps = ChunkReader(access, CHUNK_TYPE_MAP, search)
        self._data = ChunkReader(access, CHUNK_TYPE_DATA, search)

    def passed_over(self) -> dict[str, str]:
        """Damaged objects, and why, for which another copy was read so far."""
        return passed_over_by(self._maps, self._data)

    def pieces(self) -> Iterator[Piece]:
        """Every stretch that is not zeros, ascending. Raises IntegrityError where the map is damaged."""
        volume, position = self.volume, 0
        for number, leaf in leaves(volume, self._maps):
            for at in range(leaf.count):
                chunk = leaf.located(at)
                if volume.cut == CUT_FIXED:
                    position = (number * FANOUT + at) * volume.block_size_bytes
                if chunk is None:
                    continue
                length = chunk.place.plain_length
                whole = volume.cut != CUT_FIXED or length == min(volume.block_size_bytes, volume.size_bytes - position)
                if not whole or position + length > volume.size_bytes:
                    raise FormatError("a block map does not fit its volume", why=f"{length} bytes at {position}")
                yield Piece(position, length, chunk)
                position += length

    def restore(self, target: BlockTarget, progress: Progress) -> None:
        """Give everything to `target`, which was begun with the volume's size; the caller finishes or aborts it."""
        progress.total(self.volume.size_bytes)
        position = 0
        for window, end in self._windows(sequential=target.sequential):
            position = self._restore_window(target, progress, window, position, end)
        if position != self.volume.size_bytes:
            raise FormatError("a block map ends too early", why=f"at byte {position} of {self.volume.size_bytes}")

    def _windows(self, *, sequential: bool) -> Iterator[tuple[list[Piece], int]]:
        """Pieces in windows of bounded size, each with the byte where it ends."""
        window: list[Piece] = []
        window_bytes = 0
        for piece in self.pieces():
            full = window_bytes >= _SEQUENTIAL_WINDOW_BYTES if sequential else len(window) >= _WINDOW_CHUNKS
            if full:
                yield window, piece.offset
                window, window_bytes = [], 0
            window.append(piece)
            window_bytes += piece.length
        yield (
            window,
            self.volume.size_bytes
            if self.volume.cut == CUT_FIXED or not window
            else (window[-1].offset + window[-1].length),
        )

    def _restore_window(
        self, target: BlockTarget, progress: Progress, window: list[Piece], position: int, end: int
    ) -> int:
        wanted: dict[bytes, list[Piece]] = defaultdict(list)
        for piece in window:
            wanted[piece.chunk.id].append(piece)
        arrived: dict[int, bytes] = {}

        def deliver(offset: int, data: Buffer) -> None:
            if target.sequential:
                arrived[offset] = bytes(data)
            else:
                target.write(offset, data)
            progress.advance(len(data))

        self._fetch_all(list(plan_ranges(pieces[0].chunk for pieces in wanted.values())), wanted, deliver)
        for piece in window:
            if piece.offset > position:
                target.write_zeros(position, piece.offset - position)
                progress.advance(piece.offset - position)
            if target.sequential:
                target.write(piece.offset, arrived.pop(piece.offset))
            position = piece.offset + piece.length
        if end > position:
            target.write_zeros(position, end - position)
            progress.advance(end - position)
        return end

    def _fetch_all(self, ranges: list[PackRange], wanted: dict[bytes, list[Piece]], deliver: Deliver) -> None:
        """All ranges, a few at once; the first failure is raised after those under way have ended."""

        def fetch(one: PackRange) -> None:
            for chunk, plain in self._data.read(one):
                for piece in wanted[chunk.id]:
                    deliver(piece.offset, plain)

        under_way: deque[Future[None]] = deque()
        limit = 2 * self._surroundings.transfer_width
        try:
            for one in ranges:
                if len(under_way) >= limit:
                    under_way.popleft().result()
                under_way.append(self._surroundings.transfer.submit(fetch, one))
            while under_way:
                under_way.popleft().result()
        finally:
            for future in under_way:
                if not future.cancel():
                    future.exception()
