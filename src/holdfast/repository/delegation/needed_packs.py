"""Which data packs volumes need, where their chunks lie now, and the keys to these and no others."""

from collections.abc import Iterable

from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.places import PackRow
from holdfast.repository.format.plan import Plan
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.plans import plan_to_read_by
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import leaves
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.trust.vouching import vouching_of


def data_keys_of(repository: Repository, rows: Iterable[PackRow]) -> dict[bytes, bytes]:
    """SD by session, of exactly these packs' sessions."""
    return {row.session: repository.epochs.of(row.kid).data_key(row.session) for row in rows}


def needed_packs(repository: Repository, access: TenantAccess, volumes: Iterable[VolumeMap]) -> set[PackRow]:
    """The packs that hold the data which these volumes need, where it lies now, with such packs' survivors.

    Raises IntegrityError where a map does not open.
    """
    maps = ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access))
    fetched = list(volumes)
    rows = {row for volume in fetched for _number, leaf in leaves(volume, maps) for row in leaf.named_packs()}
    plan = plan_to_read_by(repository.sealed)
    gone = _gone(repository, rows) if plan.epoch else frozenset()
    packs = rows - gone
    if gone:
        packs |= _moved_to(IndexSearch(access, vouching_of(plan)), maps, fetched, gone)
    return packs | _survivors(repository, access, plan, rows)


def _survivors(repository: Repository, access: TenantAccess, plan: Plan, rows: Iterable[PackRow]) -> set[PackRow]:
    """Packs that hold copies out of these: a repair made them because some chunks here do not open."""
    packs = {other for row in rows for other in plan.survivors.get(row.pack, ())}
    found = set()
    cold = set()
    for pack in packs:
        try:
            header = read_directory(access, pack).header
        except NeedsRetrievalError:
            cold.add(pack)
            continue
        except (IntegrityError, ObjectNotFoundError):
            continue  # where it is needed, who reads says so
        if not header.holds_maps:
            found.add(PackRow(header.kid, header.session, pack))
    return found | (_named(repository, access, plan, cold) if cold else set())


def _named(repository: Repository, access: TenantAccess, plan: Plan, packs: set[bytes]) -> set[PackRow]:
    """Those of these packs that index runs name as data: cold ones do not say whose they are."""
    found: set[PackRow] = set()
    for key in access.index_runs():
        try:
            run = access.read_index_run(key, vouching_of(plan))
        except (IntegrityError, ObjectNotFoundError):
            continue  # the others may name it; a check names a damaged run
        holding_data = set(run.rows["pack"][run.rows["type"] == CHUNK_TYPE_DATA].tolist())
        found.update(run.packs[at] for at, pack in enumerate(run.packs.ids()) if pack in packs and at in holding_data)
    return found


def _gone(repository: Repository, rows: set[PackRow]) -> frozenset[PackRow]:
    """Packs that a collection has removed."""
    packs = StandingPacks(repository.store)
    packs.ask((row.pack for row in rows), repository.surroundings)
    return frozenset(row for row in rows if not packs.stands(row.pack))


def _moved_to(
    search: IndexSearch, maps: ChunkReader, volumes: Iterable[VolumeMap], gone: frozenset[PackRow]
) -> set[PackRow]:
    """Where the chunks of packs that are gone lie now; one that is nowhere is left to who reads to say."""
    packs = set()
    for volume in volumes:
        for _number, leaf in leaves(volume, maps):
            if gone.isdisjoint(leaf.packs):
                continue
            for at in range(leaf.count):
                chunk = leaf.located(at)
                place = None
                if chunk is not None and chunk.place.pack in gone:
                    place = search.locate(chunk.id, CHUNK_TYPE_DATA)
                if place is not None:
                    packs.add(place.pack)
    return packs
