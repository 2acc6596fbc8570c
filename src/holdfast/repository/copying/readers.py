"""What reads chunks and nodes of a tenant of the repository that is copied from."""

from dataclasses import replace

from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.reading.chunk_reader import ChunkReader, passed_over_by
from holdfast.repository.reading.index_search import IndexSearch


class Readers:
    """Kept for a whole run, with the keys that it derived."""

    def __init__(self, access: TenantAccess) -> None:
        search = IndexSearch(access)
        self.data = ChunkReader(access, CHUNK_TYPE_DATA, search)
        self.maps = ChunkReader(access, CHUNK_TYPE_MAP, search)
        # Of a point that is no more: what has gone from its place is not worth a search in any index run.
        self.leftover_maps = ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(replace(access, index_runs=tuple)))

    def of_earlier(self, *, stands: bool) -> ChunkReader:
        """Maps of a point that still stands, or of one that does not."""
        return self.maps if stands else self.leftover_maps

    def passed_over(self) -> dict[str, str]:
        """Damaged objects, and why, for which another copy was read."""
        return passed_over_by(self.maps, self.data)
