"""One session's packs, index and counters, shared by the volumes that are written in it.

It holds no more than a tenant's access and the session's terms, so a worker writes exactly as the command line does;
who may commit does so afterwards (`commit.py`).
"""

from collections import deque
from dataclasses import dataclass, field

from holdfast.repository.block_source import ContentSource
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.config import PACK_SIZE_BYTES
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.places import Located, PackRow
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.writing.map_builder import NodeStore
from holdfast.repository.writing.pack_writer import PackWriter
from holdfast.repository.writing.resuming import NOTHING_TAKEN, TakenOver
from holdfast.repository.writing.terms import IndexRunOffer, WritingTerms
from holdfast.repository.writing.trail import Trail, TrailOwner

_INDEX_SHARE = 100
_INDEX_FLOOR_BYTES = 64 * 1024
# Up to four packs are under way: the one that is filled and those that are uploaded.
_PACK_SHARE = 1024
_LEAST_PACK_SHARE_BYTES = 4 << 20


@dataclass(slots=True)
class Counters:
    """What a backup did, in bytes and chunks."""

    read_bytes: int = 0
    resumed_bytes: int = 0
    changed_bytes: int = 0
    new_chunks: int = 0
    new_bytes_plain: int = 0

    def statistics(self) -> dict[str, int]:
        """As the manifest keeps them."""
        return {
            "read_bytes": self.read_bytes,
            "resumed_bytes": self.resumed_bytes,
            "changed_bytes": self.changed_bytes,
            "new_chunks": self.new_chunks,
            "new_bytes_plain": self.new_bytes_plain,
        }


@dataclass(slots=True)
class BackupSession:
    """Everything that the volumes of one point share while they are written; used from one thread.

    `taken` is what earlier sessions left; with a `trail` this one leaves checkpoints itself.
    """

    access: TenantAccess
    terms: WritingTerms
    index: ChunkIndex
    data_packs: PackWriter
    map_packs: PackWriter
    nodes: NodeStore
    taken: TakenOver
    trail: Trail | None
    counters: Counters = field(default_factory=Counters)
    loaded_runs: list[str] = field(default_factory=list)
    _offers: deque[IndexRunOffer] = field(default_factory=deque)
    _loaded_bytes: int = 0
    _adopted: dict[PackRow, StoredPack] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        access: TenantAccess,
        terms: WritingTerms,
        taken: TakenOver = NOTHING_TAKEN,
        trail: TrailOwner | None = None,
    ) -> "BackupSession":
        """Of a session that is open (rule 3); index runs are loaded later, as much as the change is worth."""
        index = ChunkIndex(terms.condemned, access.surroundings.scratch)
        data_packs = PackWriter(access, terms.session, holds_maps=False)
        map_packs = PackWriter(access, terms.session, holds_maps=True)
        nodes = NodeStore(map_packs, index, access.keys.chunk_key(CHUNK_TYPE_MAP))
        standing = [row.pack for row in taken.packs]
        leaving = None
        if trail is not None:
            size, transfer = access.pack_size_bytes, access.surroundings.transfer
            leaving = Trail(trail, data_packs, standing, size, transfer)
        backup = cls(access, terms, index, data_packs, map_packs, nodes, taken, leaving)
        backup._offers.extend(terms.index_runs)
        return backup

    def begin_volume(self, name: str, source: ContentSource, *, anew: bool) -> None:
        """A further volume follows; `anew`: all of it is to be stored. As packs under way are lost with the session,
        those of a volume that somebody could go on with hold a small share of it, but where packs are to be large.
        """
        resumable = self.trail is not None and self.trail.begin(name, source, anew=anew)
        shared = anew and resumable and self.access.pack_size_bytes <= PACK_SIZE_BYTES
        share_bytes = max(source.size_bytes // _PACK_SHARE, _LEAST_PACK_SHARE_BYTES)
        self.data_packs.hold_at_most(share_bytes if shared else None)

    def know_more(self, upcoming_bytes: int) -> None:
        """Load further index runs while they cost at most 1 % of the bytes that may be new (a miss costs storage
        only).
        """
        allowed = max((self.counters.changed_bytes + upcoming_bytes) // _INDEX_SHARE, _INDEX_FLOOR_BYTES)
        while self._offers and self._loaded_bytes + self._offers[0].size_bytes <= allowed:
            offer = self._offers.popleft()
            self._loaded_bytes += offer.size_bytes
            if self.terms.load(offer, self.index, self.access):
                self.loaded_runs.append(offer.key)

    def store(self, chunk: PreparedChunk) -> Located:
        """Put a data chunk that was not known when it was prepared; an equal one stored meanwhile is taken instead."""
        place = self.index.find(chunk.id, CHUNK_TYPE_DATA)
        if place is None:
            place = self.data_packs.add(chunk)
            self.index.add(chunk.id, CHUNK_TYPE_DATA, place)
            self.counters.new_chunks += 1
            self.counters.new_bytes_plain += chunk.plain_length
        return Located(chunk.id, place)

    def adopt(self, held: Located | None) -> Located | None:
        """A block's chunk that an earlier session has read, where it lies now. A chunk that is known has one place."""
        if held is None or held.place.pack not in self.taken.packs:
            return held
        place = self.index.find(held.id, CHUNK_TYPE_DATA)
        if place is not None:
            return Located(held.id, place)
        self.index.add(held.id, CHUNK_TYPE_DATA, held.place)
        self._adopted[held.place.pack] = self.taken.packs[held.place.pack]
        return held

    def finish(self) -> tuple[StoredPack, ...]:
        """Every pack acknowledged and found again (rule 2), those that were taken over first; nothing is written in
        the session afterwards.
        """
        packs = (*self._adopted.values(), *self.data_packs.finish(), *self.map_packs.finish())
        if self.trail is not None:
            self.trail.finish()
        return packs

    @property
    def checkpoints_left(self) -> int:
        """How many checkpoints stand of what has finished."""
        return 0 if self.trail is None else self.trail.left

    def abandon(self) -> None:
        """End without a point; what was uploaded is unreferenced and harmless."""
        self.data_packs.abandon()
        self.map_packs.abandon()
        if self.trail is not None:
            self.trail.abandon()
