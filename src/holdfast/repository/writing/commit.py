"""From written packs to a restore point: index runs, the manifest's PUT, the ledger's record (rule 2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import holdfast
from holdfast.domain.errors import ConflictError, ObjectExistsError
from holdfast.domain.time import format_time
from holdfast.repository.format import index_run, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.manifest import Manifest, StoredPack, VolumeMap
from holdfast.repository.format.origin import Origin
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.sessions.session import WriterSession, commit

_PARTS_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy says of its backup: when that began, and where the copy is from."""

    created: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class WrittenVolumes:
    """What a session wrote: its volumes and packs, and where its chunks lie. `verified`: whoever commits has sealed and
    proved the chunks itself, so that they may serve other workloads (section 11). `copied`: of a copy only.
    """

    kind: str
    volumes: tuple[VolumeMap, ...]
    packs: tuple[StoredPack, ...]
    index: ChunkIndex
    verified: bool
    parent: bytes | None
    statistics: Mapping[str, int]
    configuration: bytes | None = None
    copied: Copied | None = None


def commit_point(session: WriterSession, written: WrittenVolumes) -> Manifest:
    """Make it a restore point. All packs are acknowledged and were found again already; running it again is safe.

    The ledger is read first: where a key epoch has begun since, what follows is sealed under that one and needs nobody
    to vouch for it (section 21).
    """
    session.repository.ledger.refresh()
    runs = write_index_runs(session, written.index, verified=written.verified)
    manifest = Manifest(
        kind=written.kind,
        tenant=session.tenant.name,
        workload=session.workload,
        session=session.session,
        created=session.started if written.copied is None else written.copied.created,
        committed=session.repository.surroundings.timestamp(),
        parent=written.parent,
        volumes=written.volumes,
        packs=written.packs,
        index_runs=runs,
        plan_epoch=session.plan.epoch,
        keep_until=None if session.keep_until is None else format_time(session.keep_until),
        writer=f"holdfast {holdfast.__version__}",
        statistics=written.statistics,
        configuration=written.configuration,
        origin=None if written.copied is None else written.copied.origin,
    )
    return commit(session, manifest)


def write_index_runs(session: WriterSession, index: ChunkIndex, *, verified: bool) -> tuple[str, ...]:
    """The index runs of what the session has stored; their keys. All its packs are acknowledged already."""
    part, keys = 0, []
    for rows, packs in index.own_rows():
        run = IndexRun(session.session, session.workload_id, verified, session.plan.epoch, packs, rows)
        while not _write_index_run(session, run, part):
            part += 1
        keys.append(names.index_run(session.tenant_id, session.session, part))
        part += 1
    return tuple(keys)


def _write_index_run(session: WriterSession, run: IndexRun, part: int) -> bool:
    """Whether that part now stands with these rows. Where it stood already it may be from a commit that died (equal,
    and good), or from another attempt's result, whose run says the truth as well: then the next part is ours.
    """
    key = names.index_run(session.tenant_id, session.session, part)
    sealed = session.repository.sealed
    try:
        sealed.write(Kind.INDEX_RUN, key, index_run.encode(run))
    except ObjectExistsError as error:
        stored = index_run.decode(sealed.read(key, Kind.INDEX_RUN)[1])
        if part + 1 >= _PARTS_LIMIT:
            raise ConflictError(
                "a session has no index run left", why=f"{part + 1} parts stand", cure="begin a new session"
            ) from error
        return stored.packs == run.packs and np.array_equal(stored.rows, run.rows) and stored.verified == run.verified
    return True
