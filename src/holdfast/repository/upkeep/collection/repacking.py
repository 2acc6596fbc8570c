"""Live chunks out of packs that are mostly dead, or too small, into new packs: a session of its own (rule 4).

The places in the maps stay as they are: they are hints, and the session's index run says where the chunks lie now.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby

from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, PermissionDeniedError
from holdfast.repository.crypto.keys import CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.pack import ChunkCipher
from holdfast.repository.format.places import Located
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.chunk_opening import damaged_pack, does_not_open, open_stored
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.progress import Progress
from holdfast.repository.reading.chunk_reader import plan_ranges
from holdfast.repository.sessions.session import end_session, open_repacking
from holdfast.repository.trust.older_versions import as_damage
from holdfast.repository.upkeep.collection.marking import PackUse, iter_numbers
from holdfast.repository.writing.commit import write_index_runs
from holdfast.repository.writing.pack_writer import PackWriter


@dataclass(frozen=True, slots=True)
class Repacked:
    """`survivors`: for each pack that was repacked, those that hold its live chunks now. `index_runs` name them."""

    survivors: Mapping[bytes, frozenset[bytes]]
    index_runs: frozenset[str]
    written_packs: int
    written_bytes: int


NOTHING_REPACKED = Repacked({}, frozenset(), 0, 0)

Load = tuple[PackUse, list[tuple[Located, bytes]]]


def repack(
    repository: Repository, tenant: str, uses: Iterable[PackUse], progress: Progress, at_most_bytes: int = 0
) -> Repacked:
    """Copy what is live of these packs of one tenant; every chunk is proved on its way. Nothing is deleted here.

    `at_most_bytes`: no further pack is begun once so much was copied; 0 for all.

    A pack of which something live does not open is left as it is, not moved and not condemned: a repair looks after it.
    The session ends with a tombstone: from then on its packs are looked after by the plan that names them.
    """
    access = repository.access(tenant)
    in_order = sorted(uses, key=lambda use: (use.chunk_type, use.pack))
    loads = _until(at_most_bytes, _loads(access, in_order, progress))
    first = next(loads, None)
    if first is None:
        return NOTHING_REPACKED
    session = open_repacking(repository, tenant)
    index = ChunkIndex(scratch=access.surroundings.scratch)
    survivors: dict[bytes, frozenset[bytes]] = {}
    written_packs, written_bytes = 0, 0
    for chunk_type, of_type in groupby(chain([first], loads), key=lambda load: load[0].chunk_type):
        writer = PackWriter(access, session.session, holds_maps=chunk_type == CHUNK_TYPE_MAP)
        try:
            for use, chunks in of_type:
                survivors[use.pack] = frozenset(_copy(use, chunks, writer, index))
                progress.advance(use.live_bytes)
            stored = writer.finish()
        finally:
            writer.abandon()
        written_packs += len(stored)
        written_bytes += sum(pack.size_bytes for pack in stored)
    runs = write_index_runs(session, index, verified=True)
    end_session(repository, session.session, session.point_key)
    return Repacked(survivors, frozenset(runs), written_packs, written_bytes)


def _until(at_most_bytes: int, loads: Iterator[Load]) -> Iterator[Load]:
    """Counted is what is copied: packs that do not open take no room from those that do."""
    copied_bytes = 0
    for use, chunks in loads:
        yield use, chunks
        copied_bytes += use.live_bytes
        if 0 < at_most_bytes <= copied_bytes:
            return


def _loads(access: TenantAccess, uses: Iterable[PackUse], progress: Progress) -> Iterator[Load]:
    """Each pack's live chunks, one pack in memory at a time; without those that are damaged."""
    for use in uses:
        try:
            chunks = list(_live_chunks(access, use))
        except IntegrityError as damage:
            progress.note(f"{damage}: not moved; run `holdfast repository repair`")
            continue
        except NeedsRetrievalError as error:  # somebody has put a cold object over it: in an archive nothing is moved
            progress.note(f"{error}: not moved")
            continue
        except PermissionDeniedError as error:
            progress.note(f"{as_damage(access.store, names.pack(use.pack), error)}: not moved")
            continue
        yield use, chunks


def _copy(
    use: PackUse, chunks: Iterable[tuple[Located, bytes]], writer: PackWriter, index: ChunkIndex
) -> Iterator[bytes]:
    """The packs into which the live chunks of this one went."""
    for chunk, stored in chunks:
        place = index.find(chunk.id, use.chunk_type)
        if place is None:
            old = chunk.place
            place = writer.add(PreparedChunk(chunk.id, old.plain_length, old.compression, stored))
            index.add(chunk.id, use.chunk_type, place)
        yield place.pack.pack


def _live_chunks(access: TenantAccess, use: PackUse) -> Iterator[tuple[Located, bytes]]:
    """As they were sealed, neighbours read together. Raises IntegrityError naming the pack of a damaged one."""
    key = names.pack(use.pack)
    directory = read_directory(access, use.pack, use.session)
    entries, chunks = directory.entries, directory.located()
    session_keys = access.keys.session(use.kid, use.session)
    pack_key = session_keys.of_pack(use.pack, holds_maps=use.chunk_type == CHUNK_TYPE_MAP)
    cipher = ChunkCipher(pack_key, access.keys.repository, use.pack)
    type_key = access.keys.chunk_key(use.chunk_type)
    for wanted in plan_ranges(chunks[number] for number in iter_numbers(use)):
        data = memoryview(access.store.get(key, wanted.offset, wanted.end - wanted.offset))
        for chunk in wanted.chunks:
            number, at = chunk.place.number, chunk.place.offset - wanted.offset
            stored = open_stored(cipher, number, entries[number], data[at : at + chunk.place.length], type_key)
            if stored is None:
                raise damaged_pack(key, does_not_open(chunk.place))
            yield chunk, stored
