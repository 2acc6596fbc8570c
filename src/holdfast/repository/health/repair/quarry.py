"""Where healthy bytes of a volume may be found outside this repository: in another one, or at the source itself.

Nothing that comes from here is believed: a chunk is what has its id.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from holdfast.domain.errors import HoldfastError, NeedsRetrievalError, NotFoundError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference, BlockSource
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import Buffer
from holdfast.repository.reading.chunk_reader import FAILURES, ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.losses import Missing
from holdfast.repository.reading.volume_reader import VolumeReader

_KEPT = 1 << 15


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes [offset, offset + length) of a volume, which `fetch` reads."""

    offset: int
    length: int
    fetch: Callable[[], Buffer]


class Quarry:
    """A volume in which any bytes may be asked for, best in ascending order; what no stretch covers are zeros.

    `stretches` gives all of them, ascending. The last ones are kept, so that a node of a map and then what it refers to
    can be read; it is called again when somebody asks for what lies further behind.
    """

    def __init__(self, size_bytes: int, stretches: Callable[[], Iterator[Stretch]], kept: int = _KEPT) -> None:
        self.size_bytes = size_bytes
        self._stretches = stretches
        self._ahead = stretches()
        self._least_kept = kept
        self._kept: list[Stretch] = []
        self._kept_from = 0

    def read(self, offset: int, length: int) -> bytes | None:
        """These bytes; None where the volume has less, or cannot give them."""
        if offset + length > self.size_bytes:
            return None
        found = bytearray(length)
        try:
            for stretch in self._covering(offset, offset + length):
                data = memoryview(stretch.fetch())
                start, end = max(offset, stretch.offset), min(offset + length, stretch.offset + stretch.length)
                found[start - offset : end - offset] = data[start - stretch.offset : end - stretch.offset]
        except (*FAILURES, NeedsRetrievalError, NotFoundError):
            return None  # it is hurt too, cold, or has gone: nothing to be had here
        return bytes(found)

    def _covering(self, offset: int, end: int) -> Iterator[Stretch]:
        """Those that touch [offset, end)."""
        if offset < self._kept_from:
            self._ahead, self._kept, self._kept_from = self._stretches(), [], 0
        while not self._kept or self._kept[-1].offset < end:
            stretch = next(self._ahead, None)
            if stretch is None:
                break
            self._kept.append(stretch)
            if len(self._kept) > 2 * self._least_kept:
                del self._kept[: self._least_kept]
                self._kept_from = self._kept[0].offset
        first = bisect_right(self._kept, offset, key=lambda stretch: stretch.offset + stretch.length)
        for stretch in islice(self._kept, first, None):
            if stretch.offset >= end:
                return
            yield stretch


def of_volume(access: TenantAccess, volume: VolumeMap) -> Quarry:
    """A volume of a restore point, in whichever repository."""
    reader = ChunkReader(access, CHUNK_TYPE_DATA, IndexSearch(access))

    def stretches() -> Iterator[Stretch]:
        for one in VolumeReader(access, volume).stretches():
            fetch = partial(_give_up, one.error) if isinstance(one, Missing) else partial(reader.read_one, one.chunk)
            yield Stretch(one.offset, one.length, fetch)

    return Quarry(volume.size_bytes, stretches)


def _give_up(error: HoldfastError) -> Buffer:
    raise error


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
