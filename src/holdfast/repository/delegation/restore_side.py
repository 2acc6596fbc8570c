"""The appliance's half of a delegated restore: pin, find out which sessions' packs are needed, hand over their keys.

Only map packs are read here. The pin stands under the session id that the workers' scratch has, until `finish_restore`.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, ObjectNotFoundError, UsageError
from holdfast.repository.access import TenantAccess
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.delegation.facts import Facts
from holdfast.repository.delegation.orders import delete_scratch, order
from holdfast.repository.delegation.tasks import VOLUMES_LIMIT, RestoreOrder, RestoreTask, TenantPart
from holdfast.repository.format import names
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.places import PackRow
from holdfast.repository.format.plan import Plan
from holdfast.repository.opening import Repository
from holdfast.repository.pack_directory import read_directory
from holdfast.repository.plans import newest_plan
from holdfast.repository.points import PointSummary, load_manifest
from holdfast.repository.presence import is_there
from holdfast.repository.progress import Progress
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import leaves
from holdfast.repository.reading.restore import choose_volume
from holdfast.repository.sessions import pin, require_live, unpin


@dataclass(frozen=True, slots=True)
class VolumeTarget:
    """A volume of the point, by name (None: the only one), and where to restore it; `target` is for who opens it."""

    name: str | None
    target: Facts


@dataclass(frozen=True, slots=True, repr=False)
class PreparedRestore:
    """What a worker is to restore, while the point is pinned; `pinned` is False where no pin could be written."""

    repository: Repository
    task: RestoreTask
    pinned: bool

    @property
    def session(self) -> bytes:
        """The reader's id: the pin's and the scratch's."""
        return self.task.session

    @property
    def scratch_key(self) -> bytes:
        """SS, in the task's key epoch: the one key that is wrapped for a worker."""
        return self.repository.epochs.of(self.task.owner.kid).scratch_key(self.session)


def prepare_restore(
    repository: Repository,
    point: PointSummary,
    volumes: Sequence[VolumeTarget],
    progress: Progress,
    *,
    session: bytes | None = None,
    limits: Mapping[str, int] | None = None,
) -> PreparedRestore:
    """Pin the point, then check that it is not retired (rule 7), and work out the keys that its volumes need.

    `session`: the caller's own random id; with the same one it may be run again, after a crash or for a further
    attempt, and finds chunks where they lie now. Whatever is raised, `finish_restore` takes the pin back.
    """
    if not 1 <= len(volumes) <= VOLUMES_LIMIT:
        raise UsageError("no volume is named", why=f"a task has 1 to {VOLUMES_LIMIT} volumes", cure="name some")
    reader = repository.surroundings.random_bytes(16) if session is None else session
    pinned = reader in repository.ledger.refresh().pins or pin(repository, reader, [point.session], progress)
    require_live(repository, [point.session])
    manifest = load_manifest(repository, point)
    chosen = tuple(RestoreOrder(choose_volume(manifest, one.name), one.target) for one in volumes)
    access = repository.access(manifest.tenant)
    sessions = _sessions(repository, access, [one.volume for one in chosen])
    task = RestoreTask(
        owner=TenantPart.of(access.keys),
        session=reader,
        attempt=1,
        data_keys={session: repository.epochs.of(kid).data_key(session) for kid, session in sessions},
        index_runs=tuple(access.index_runs()),
        volumes=chosen,
        limits=dict(limits or {}),
    )
    return PreparedRestore(repository, task, pinned)


def write_restore_task(prepared: PreparedRestore, attempt: int) -> RestoreTask:
    """Leave the task of that attempt, of 1 and up, in the reader's scratch. Running it again is safe."""
    written = order(prepared.repository, dataclasses.replace(prepared.task, attempt=attempt))
    if not isinstance(written, RestoreTask):
        raise UsageError(f"{prepared.session.hex()} is a backup", why="its task says so", cure="draw another id")
    return written


def finish_restore(repository: Repository, session: bytes, progress: Progress) -> None:
    """The restore is over, whatever came of it: unpin, and remove its scratch. Running it again is safe."""
    if session in repository.ledger.refresh().pins:
        unpin(repository, session, progress)
    delete_scratch(repository, session)


def _sessions(repository: Repository, access: TenantAccess, volumes: Iterable[VolumeMap]) -> set[tuple[int, bytes]]:
    """The sessions, with their packs' key epoch, that wrote the data which these volumes need, where it lies now."""
    maps = ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access))
    fetched = list(volumes)
    rows = {row for volume in fetched for _number, leaf in leaves(volume, maps) for row in leaf.packs}
    plan = newest_plan(repository.sealed)
    gone = _gone(repository, rows) if plan.epoch else frozenset()
    sessions = {(row.kid, row.session) for row in rows if row not in gone}
    if gone:
        sessions |= _moved_to(access, maps, fetched, gone)
    return sessions | _of_survivors(access, plan, rows)


def _of_survivors(access: TenantAccess, plan: Plan, rows: Iterable[PackRow]) -> set[tuple[int, bytes]]:
    """Sessions that hold copies out of these packs: a repair made them because some chunks here do not open."""
    packs = {other for row in rows for other in plan.survivors.get(row.pack, ())}
    sessions = set()
    for pack in packs:
        try:
            header = read_directory(access, pack).header
            sessions.add((header.kid, header.session))
        except (IntegrityError, NeedsRetrievalError, ObjectNotFoundError):
            continue  # where it is needed, the restore says so
    return sessions


def _gone(repository: Repository, rows: set[PackRow]) -> frozenset[PackRow]:
    """Packs that a collection has removed. A LIST tells which are there, a HEAD which are not (rule 5)."""
    listed = {info.key for info in repository.store.list(names.PACKS)}
    unseen = [row for row in rows if names.pack(row.pack) not in listed]
    there = repository.surroundings.transfer.map(lambda row: is_there(repository.store, names.pack(row.pack)), unseen)
    return frozenset(row for row, stands in zip(unseen, there, strict=True) if not stands)


def _moved_to(
    access: TenantAccess, maps: ChunkReader, volumes: Iterable[VolumeMap], gone: frozenset[PackRow]
) -> set[tuple[int, bytes]]:
    """Where the chunks of packs that are gone lie now; one that is nowhere is left to the restore to say."""
    search = IndexSearch(access)
    sessions = set()
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
                    sessions.add((place.pack.kid, place.pack.session))
    return sessions
