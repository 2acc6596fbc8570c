"""One backup: a session with its packs, its index and its counters, from opening to the commit (ordering rules 2 and
3).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import holdfast
from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.chunk_index import ChunkIndex
from holdfast.repository.compression import CompressionLevel
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import index_run, names
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.format.places import Located
from holdfast.repository.listing import objects_under
from holdfast.repository.object_store import ObjectInfo
from holdfast.repository.opening import Repository
from holdfast.repository.sessions import WriterSession, commit, open_session
from holdfast.repository.writing.map_builder import NodeStore
from holdfast.repository.writing.pack_writer import PackWriter, PreparedChunk

_INDEX_SHARE = 100
_INDEX_FLOOR_BYTES = 64 * 1024


@dataclass(slots=True)
class Counters:
    """What a backup did, in bytes and chunks."""

    read_bytes: int = 0
    changed_bytes: int = 0
    new_chunks: int = 0
    new_bytes_plain: int = 0


@dataclass(frozen=True, slots=True)
class FinishedBackup:
    """A committed point and what it cost."""

    manifest: Manifest
    counters: Counters
    stored_bytes: int


@dataclass(slots=True)
class BackupSession:
    """Everything that the volumes of one point share while they are written; used from one thread."""

    session: WriterSession
    level: CompressionLevel
    index: ChunkIndex
    data_packs: PackWriter
    map_packs: PackWriter
    nodes: NodeStore
    counters: Counters = field(default_factory=Counters)
    _runs: Iterator[ObjectInfo] = field(default_factory=lambda: iter(()))
    _next_run: ObjectInfo | None = None
    _loaded_bytes: int = 0

    @classmethod
    def begin(cls, repository: Repository, tenant: str, workload: str, level: CompressionLevel) -> "BackupSession":
        """Open the session (rule 3); index runs are loaded later, as much as the change is worth."""
        session = open_session(repository, tenant, workload)
        keys = repository.master.session_keys(session.tenant_id, session.session)
        secret = session.tenant.keys
        index = ChunkIndex(session.plan.condemned)
        data_packs = PackWriter(repository, session.session, keys, secret, holds_maps=False)
        map_packs = PackWriter(repository, session.session, keys, secret, holds_maps=True)
        nodes = NodeStore(map_packs, index, secret.chunk_key(CHUNK_TYPE_MAP))
        backup = cls(session, level, index, data_packs, map_packs, nodes)
        backup._runs = iter(_runs_in_force(session))
        backup._next_run = next(backup._runs, None)
        return backup

    def know_more(self, upcoming_bytes: int) -> None:
        """Load further index runs while they cost at most 1 % of the bytes that may be new (a miss costs storage
        only).
        """
        allowed = max((self.counters.changed_bytes + upcoming_bytes) // _INDEX_SHARE, _INDEX_FLOOR_BYTES)
        while self._next_run is not None and self._loaded_bytes + self._next_run.size_bytes <= allowed:
            with suppress(IntegrityError, ObjectNotFoundError):  # costs storage; check names a damaged run
                self._load(self._next_run.key)
            self._loaded_bytes += self._next_run.size_bytes
            self._next_run = next(self._runs, None)

    def _load(self, key: str) -> None:
        session = self.session
        run = index_run.decode(session.repository.sealed.read(key, Kind.INDEX_RUN)[1])
        in_force = key in session.plan.index_runs or run.plan_epoch >= session.plan.epoch
        if in_force and (run.verified or run.workload == session.workload_id):
            self.index.load(run)

    def store(self, chunk: PreparedChunk) -> Located:
        """Put a data chunk that was not known when it was prepared; an equal one stored meanwhile is taken instead."""
        place = self.index.find(chunk.id, CHUNK_TYPE_DATA)
        if place is None:
            place = self.data_packs.add(chunk)
            self.index.add(chunk.id, CHUNK_TYPE_DATA, place)
            self.counters.new_chunks += 1
            self.counters.new_bytes_plain += chunk.plain_length
        return Located(chunk.id, place)

    def commit(self, kind: str, volumes: list[VolumeMap], parent: bytes | None) -> FinishedBackup:
        """Packs acknowledged, index run written, point PUT, ledger told: in this order (rule 2)."""
        session, repository = self.session, self.session.repository
        packs = [*self.data_packs.finish(), *self.map_packs.finish()]
        runs = self._write_index_runs()
        counters = self.counters
        manifest = Manifest(
            kind=kind,
            tenant=session.tenant.name,
            workload=session.workload,
            session=session.session,
            created=session.started,
            committed=repository.surroundings.timestamp(),
            parent=parent,
            volumes=tuple(volumes),
            packs=tuple(packs),
            index_runs=tuple(runs),
            plan_epoch=session.plan.epoch,
            keep_until=None,
            writer=f"holdfast {holdfast.__version__}",
            statistics={
                "read_bytes": counters.read_bytes,
                "changed_bytes": counters.changed_bytes,
                "new_chunks": counters.new_chunks,
                "new_bytes_plain": counters.new_bytes_plain,
            },
        )
        commit(session, manifest)
        return FinishedBackup(manifest, counters, sum(pack.size_bytes for pack in packs))

    def abandon(self) -> None:
        """End without a point; what was uploaded is unreferenced and harmless."""
        self.data_packs.abandon()
        self.map_packs.abandon()

    def _write_index_runs(self) -> list[str]:
        session = self.session
        keys = []
        for part, (rows, packs) in enumerate(self.index.own_rows()):
            run = IndexRun(session.session, session.workload_id, True, session.plan.epoch, packs, rows)
            key = names.index_run(session.tenant_id, session.session, part)
            session.repository.sealed.write(Kind.INDEX_RUN, key, index_run.encode(run))
            keys.append(key)
        return keys


def _runs_in_force(session: WriterSession) -> list[ObjectInfo]:
    """Runs of committed sessions that may be worth loading: the workload's own newest first, then others newest first.

    A run that a LIST leaves out costs storage, never correctness.
    """
    prefix = f"{names.INDEX}{session.tenant_id.hex()}/"
    live = session.repository.ledger.state.live
    ranked: list[tuple[bool, str, ObjectInfo]] = []
    for info in objects_under(session.repository.store, prefix):
        record = live.get(bytes.fromhex(info.key.removeprefix(prefix).partition("-")[0]), _NO_RECORD)
        if record:
            ranked.append((record["workload"] == session.workload, record["created"], info))
    return [info for _own, _created, info in sorted(ranked, key=lambda item: item[:2], reverse=True)]


_NO_RECORD: ledger_form.Record = {}
