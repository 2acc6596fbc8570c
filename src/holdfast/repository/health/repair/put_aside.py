"""What lies in packs that open, that no run in force names, and that nobody is to rely on (a plan condemns them, or a
map says of one what is not so): a last copy may be in one.
"""

from collections.abc import Callable, Iterator, Sequence

from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.format.places import Place
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.pack_directory import PackDirectory, read_directory
from holdfast.repository.scratch import Scratch


class PutAside:
    """Of one tenant. Their directories are read when the first chunk is looked for: as a rule none is."""

    def __init__(self, access: TenantAccess, packs: Sequence[bytes], scratch: Callable[[], Scratch]) -> None:
        self._access = access
        self._packs = packs
        self._scratch = scratch
        self._index: ChunkIndex | None = None

    def place(self, chunk: bytes, chunk_type: int) -> Place | None:
        """Where the chunk lies in one of them."""
        if self._index is None:
            self._index = ChunkIndex(scratch=self._scratch)
            for directory in self._directories():
                for located in directory.located():
                    self._index.add(located.id, directory.header.chunk_type, located.place)
        return self._index.find(chunk, chunk_type)

    def _directories(self) -> Iterator[PackDirectory]:
        for pack in self._packs:
            try:
                yield read_directory(self._access, pack)
            except ObjectNotFoundError:
                continue  # a collection has removed it meanwhile, as its plan says
