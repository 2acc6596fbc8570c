"""Where healthy bytes of a volume may be found outside this repository: in another one, or at the source itself.

Nothing that comes from here is believed: a chunk is what has its id.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from holdfast.domain.errors import IntegrityError, NotFoundError
from holdfast.repository.access import TenantAccess
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference, BlockSource
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.object_store import Buffer
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.volume_reader import VolumeReader


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes [offset, offset + length) of a volume, which `fetch` reads."""

    offset: int
    length: int
    fetch: Callable[[], Buffer]


class Quarry:
    """A volume in which any bytes may be asked for, best in ascending order; what no stretch covers are zeros.

    `stretches` gives all of them, ascending; it is called again when somebody asks for what lies behind.
    """

    def __init__(self, size_bytes: int, stretches: Callable[[], Iterator[Stretch]]) -> None:
        self.size_bytes = size_bytes
        self._stretches = stretches
        self._behind = 0
        self._ahead: Iterator[Stretch] = iter(())
        self._next: Stretch | None = None
        self._begun = False

    def read(self, offset: int, length: int) -> bytes | None:
        """These bytes; None where the volume has less, or cannot give them."""
        if offset + length > self.size_bytes:
            return None
        found = bytearray(length)
        try:
            for stretch in self._from(offset, offset + length):
                data = memoryview(stretch.fetch())
                start, end = max(offset, stretch.offset), min(offset + length, stretch.offset + stretch.length)
                found[start - offset : end - offset] = data[start - stretch.offset : end - stretch.offset]
        except (IntegrityError, NotFoundError):
            return None  # it is hurt too, or has gone: nothing to be had here
        return bytes(found)

    def _from(self, offset: int, end: int) -> Iterator[Stretch]:
        """Those that touch [offset, end)."""
        if not self._begun or offset < self._behind:
            self._ahead, self._begun = self._stretches(), True
            self._next = next(self._ahead, None)
        self._behind = offset
        while self._next is not None and self._next.offset < end:
            if self._next.offset + self._next.length > offset:
                yield self._next
            if self._next.offset + self._next.length > end:
                return  # the next question may need it still
            self._next = next(self._ahead, None)


def of_volume(access: TenantAccess, volume: VolumeMap) -> Quarry:
    """A volume of a restore point, in whichever repository."""
    reader = ChunkReader(access, CHUNK_TYPE_DATA, IndexSearch(access))

    def stretches() -> Iterator[Stretch]:
        for piece in VolumeReader(access, volume).pieces():
            yield Stretch(piece.offset, piece.length, partial(reader.read_one, piece.chunk))

    return Quarry(volume.size_bytes, stretches)


def of_source(source: BlockSource) -> Quarry:
    """A volume as it is now. Only the blocks that are asked for are read."""

    def fetch(reference: BlockReference) -> Buffer:
        [(_reference, data)] = source.read([reference])
        return data

    def stretches() -> Iterator[Stretch]:
        for reference in source.allocated():
            if reference.zero:
                continue
            offset = reference.number * BLOCK_SIZE_BYTES
            length = min(BLOCK_SIZE_BYTES, source.size_bytes - offset)
            yield Stretch(offset, length, partial(fetch, reference))

    return Quarry(source.size_bytes, stretches)
