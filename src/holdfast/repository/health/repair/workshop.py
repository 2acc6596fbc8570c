"""What a repair writes for one tenant: packs and a run, in a repacking session that is opened with the first chunk."""

from dataclasses import dataclass, field

from holdfast.domain.errors import ConflictError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.format.plan import Plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.sessions.session import WriterSession, end_session, open_repacking
from holdfast.repository.writing.commit import write_index_runs
from holdfast.repository.writing.pack_writer import PackWriter


@dataclass(frozen=True, slots=True)
class Written:
    """What came of it."""

    index_runs: frozenset[str]
    packs: int
    stored_bytes: int


NOTHING_WRITTEN = Written(frozenset(), 0, 0)


def overtaken() -> ConflictError:
    """A collection has published a plan since this repair looked."""
    return ConflictError(
        "a collection was quicker", why="its plan stands since the repair began", cure="run the repair again"
    )


@dataclass(slots=True)
class _Open:
    session: WriterSession
    packs: dict[int, PackWriter]


@dataclass(slots=True)
class Workshop:
    """Used from one thread. `plan` is the newest one as this repair knows it. A rehearsal takes everything and writes
    nothing.
    """

    repository: Repository
    tenant: str
    plan: Plan
    rehearsal: bool
    index: ChunkIndex = field(init=False)
    _open: _Open | None = None

    def __post_init__(self) -> None:
        self.index = ChunkIndex(scratch=self.repository.surroundings.scratch)

    def store(self, chunk: PreparedChunk, chunk_type: int) -> Place:
        """Put a proven chunk into a pack; one that is there already stays where it is."""
        place = self.index.find(chunk.id, chunk_type)
        if place is None:
            place = _nowhere(chunk) if self.rehearsal else self._opened().packs[chunk_type].add(chunk)
            self.index.add(chunk.id, chunk_type, place)
        return place

    def name(self, chunk: Located, chunk_type: int) -> None:
        """Say in the run where a proven chunk lies that no run names."""
        if not self.rehearsal:
            self._opened()
        self.index.add(chunk.id, chunk_type, chunk.place)

    def finish(self) -> Written:
        """Packs, then the run, then the tombstone: from then on the plan that names them looks after them."""
        if self._open is None:
            return NOTHING_WRITTEN
        session = self._open.session
        stored = [pack for packs in self._open.packs.values() for pack in packs.finish()]
        runs = write_index_runs(session, self.index, verified=True)
        self._end(session)
        return Written(frozenset(runs), len(stored), sum(pack.size_bytes for pack in stored))

    def abandon(self) -> None:
        """Give up what is under way; nothing refers to it."""
        if self._open is not None:
            for packs in self._open.packs.values():
                packs.abandon()

    def _opened(self) -> _Open:
        if self._open is None:
            session = open_repacking(self.repository, self.tenant)
            if session.plan.epoch != self.plan.epoch:
                self._end(session)
                raise overtaken()
            access = session.repository.access(self.tenant)
            packs = {
                chunk_type: PackWriter(access, session.session, holds_maps=chunk_type == CHUNK_TYPE_MAP)
                for chunk_type in (CHUNK_TYPE_DATA, CHUNK_TYPE_MAP)
            }
            self._open = _Open(session, packs)
        return self._open

    def _end(self, session: WriterSession) -> None:
        end_session(self.repository, session.session, session.point_key)


def _nowhere(chunk: PreparedChunk) -> Place:
    return Place(PackRow(0, bytes(16), bytes(16)), 0, 0, 0, chunk.plain_length, chunk.compression)
