"""Unlock drill: does this one way in still open the repository, and does what is stored come back by it?"""

from dataclasses import dataclass
from itertools import islice

from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.opening.repository import Repository
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.volume_reader import VolumeReader
from holdfast.repository.sessions.points import PointSummary, list_points, load_manifest

_POINTS_LIMIT = 16


@dataclass(frozen=True, slots=True)
class Drill:
    """What one slot gave: the point of which a block was read, and its plain bytes; None and 0 where no point among the
    newest holds anything. In an archive no data is read, for it is cold: the block's place stands in the map.
    """

    slot: KeySlot
    point: str | None
    read_bytes: int


def drill(repository: Repository) -> Drill:
    """Read the first block of the newest point that has one; writes nothing. Raises IntegrityError for damage."""
    slot = repository.epochs.slot
    for point in islice(reversed(list_points(repository)), _POINTS_LIMIT):
        read_bytes = _first_block(repository, point)
        if read_bytes is not None:
            return Drill(slot, point.id, read_bytes)
    return Drill(slot, None, 0)


def _first_block(repository: Repository, point: PointSummary) -> int | None:
    manifest = load_manifest(repository, point)
    access = repository.access(manifest.tenant)
    for volume in manifest.volumes:
        piece = next(VolumeReader(access, volume).pieces(), None)
        if piece is not None and access.archive_class is not None:
            return 0
        if piece is not None:
            return len(ChunkReader(access, CHUNK_TYPE_DATA, IndexSearch(access)).read_one(piece.chunk))
    return None
