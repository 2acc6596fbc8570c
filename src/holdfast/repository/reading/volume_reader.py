"""A volume out of the repository: in pack order, neighbours in one range read, every chunk to all places that need it.

A window of blocks is planned at a time, so memory is bounded whatever the volume's size: a large one for targets that
take bytes in any order (each needed range is then read once), a small one for pipes.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from holdfast.domain.errors import FormatError, HoldfastError
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
from holdfast.repository.reading.losses import ColdCopies, Lose, Missing, refuse
from holdfast.repository.reading.map_reader import parts

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
        for stretch in self.stretches():
            if isinstance(stretch, Missing):
                raise stretch.error
            yield stretch

    def stretches(self) -> Iterator[Piece | Missing]:
        """The same, with those among them of which the map cannot be read."""
        volume, position = self.volume, 0
        for part in parts(volume, self._maps):
            if isinstance(part.found, HoldfastError):
                position = part.start if volume.cut == CUT_FIXED else position
                length = part.end - part.start
                self._require_fit(position, length, fits=length > 0)
                yield Missing(position, length, part.found)
                position += length
                continue
            for at in range(part.found.count):
                chunk = part.found.located(at)
                if volume.cut == CUT_FIXED:
                    position = (part.number * FANOUT + at) * volume.block_size_bytes
                if chunk is None:
                    continue
                length = chunk.place.plain_length
                whole = volume.cut != CUT_FIXED or length == min(volume.block_size_bytes, volume.size_bytes - position)
                self._require_fit(position, length, fits=whole)
                yield Piece(position, length, chunk)
                position += length

    def _require_fit(self, position: int, length: int, *, fits: bool) -> None:
        if not fits or position + length > self.volume.size_bytes:
            raise FormatError("a block map does not fit its volume", why=f"{length} bytes at {position}")

    def restore(self, target: BlockTarget, progress: Progress, lose: Lose = refuse) -> None:
        """Give everything to `target`, which was begun with the volume's size; the caller finishes or aborts it. What
        opens nowhere is told to `lose`, from any thread: where that raises nothing, zeros are written in its stead.

        Raises NeedsRetrievalError: at once where a pack is cold, and where copies of damaged ones are, naming all of
        them, at the end, or before anything false goes to a sequential target.
        """
        progress.total(self.volume.size_bytes)
        position = 0
        cold = ColdCopies(lose)
        for window, end in self._windows(sequential=target.sequential):
            position = self._restore_window(target, progress, window, position, end, cold)
        cold.require_none()
        if position != self.volume.size_bytes:
            raise FormatError("a block map ends too early", why=f"at byte {position} of {self.volume.size_bytes}")

    def _windows(self, *, sequential: bool) -> Iterator[tuple[list[Piece | Missing], int]]:
        """Stretches in windows of bounded size, each with the byte where it ends."""
        window: list[Piece | Missing] = []
        window_bytes = 0
        for stretch in self.stretches():
            full = window_bytes >= _SEQUENTIAL_WINDOW_BYTES if sequential else len(window) >= _WINDOW_CHUNKS
            if full:
                yield window, stretch.offset
                window, window_bytes = [], 0
            window.append(stretch)
            window_bytes += stretch.length
        yield (
            window,
            self.volume.size_bytes
            if self.volume.cut == CUT_FIXED or not window
            else (window[-1].offset + window[-1].length),
        )

    def _restore_window(
        self,
        target: BlockTarget,
        progress: Progress,
        window: list[Piece | Missing],
        position: int,
        end: int,
        cold: ColdCopies,
    ) -> int:
        wanted: dict[bytes, list[Piece]] = defaultdict(list)
        for stretch in window:
            if isinstance(stretch, Missing):
                cold.lose(stretch)
            else:
                wanted[stretch.chunk.id].append(stretch)
        arrived: dict[int, bytes] = {}
        gone: set[int] = set()

        def deliver(offset: int, data: Buffer) -> None:
            if target.sequential:
                arrived[offset] = bytes(data)
            else:
                target.write(offset, data)
            progress.advance(len(data))

        def give_up(missing: Missing) -> None:
            gone.add(missing.offset)
            cold.lose(missing)

        self._fetch_all(wanted, deliver, give_up)
        if target.sequential:
            cold.require_none()
        for stretch in window:
            if isinstance(stretch, Missing) or stretch.offset in gone:
                continue  # a gap, as what the map has not: the next zeros go over it
            if stretch.offset > position:
                target.write_zeros(position, stretch.offset - position)
                progress.advance(stretch.offset - position)
            if target.sequential:
                target.write(stretch.offset, arrived.pop(stretch.offset))
            position = stretch.offset + stretch.length
        if end > position:
            target.write_zeros(position, end - position)
            progress.advance(end - position)
        return end

    def _fetch_all(self, wanted: dict[bytes, list[Piece]], deliver: Deliver, lose: Lose) -> None:
        """All pieces by their chunks' ids, a few ranges of packs at once; the first failure is raised after those under
        way have ended.
        """

        def fetch(one: PackRange) -> None:
            for chunk, found in self._data.each(one):
                for piece in wanted[chunk.id]:
                    if isinstance(found, HoldfastError):
                        lose(Missing(piece.offset, piece.length, found))
                    else:
                        deliver(piece.offset, found.plain)

        under_way: deque[Future[None]] = deque()
        limit = 2 * self._surroundings.transfer_width
        try:
            for one in plan_ranges([pieces[0].chunk for pieces in wanted.values()]):
                if len(under_way) >= limit:
                    under_way.popleft().result()
                under_way.append(self._surroundings.transfer.submit(fetch, one))
            while under_way:
                under_way.popleft().result()
        finally:
            for future in under_way:
                if not future.cancel():
                    future.exception()
