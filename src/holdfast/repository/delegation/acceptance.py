"""The appliance makes a point of a worker's result, or refuses it: ordering rule 2, by who holds the point key.

Nothing that the worker says is believed: its packs are found and their directories opened, its maps are walked where
they are new. Refused results leave no point. Running it again, after a crash anywhere or for another attempt, gives the
point that stands.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.domain.errors import ConflictError, IntegrityError, UsageError
from holdfast.repository.delegation.backup_side import open_point_key, ordered_task
from holdfast.repository.delegation.new_maps import check_new_map
from holdfast.repository.delegation.new_packs import index_new_packs
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.tasks import BackupTask, VolumeOrder
from holdfast.repository.format import cbor, names
from holdfast.repository.format.manifest import IMAGE, VOLUME_LIMIT_BYTES, Manifest, VolumeMap
from holdfast.repository.format.plan import NO_PLAN
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.sessions.session import WriterSession, recorded_point
from holdfast.repository.upkeep.renewal.renew import require_locks
from holdfast.repository.writing.backup_session import Counters
from holdfast.repository.writing.commit import Copied, WrittenVolumes, commit_point

_SOURCE_LIMIT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """What the manifest says beside the worker's volumes and packs; `copied`: of a copy only."""

    statistics: Mapping[str, int]
    configuration: bytes | None = None
    copied: Copied | None = None


def accept_backup(
    repository: Repository, session: bytes, result: BackupResult, configuration: bytes | None = None
) -> Manifest:
    """The session's point: made of this result, or the one that it has already.

    `configuration` goes into the manifest as it is. Raises IntegrityError for a result that does not fit its task,
    ConflictError where the session was ended, UsageError for a copy's.
    """

    def said(task: BackupTask) -> Said:
        if task.copied_from is not None:
            raise UsageError(f"{session.hex()} is a copy", why="its task says so", cure="accept it as one")
        return Said(_statistics(result), configuration)

    return accept(repository, session, result, said)


def accept(
    repository: Repository, session: bytes, result: BackupResult, said: Callable[[BackupTask], Said]
) -> Manifest:
    """The same, with what `said` has to say of its task: asked before anything is written, and only where no point
    stands.
    """
    point_key = open_point_key(repository, session)
    stored = recorded_point(repository, point_key)
    if stored is not None:
        return stored
    if result.session != session:
        raise IntegrityError(
            "a result of another session", why=f"it names {result.session.hex()}", cure="run the backup again"
        )
    task = ordered_task(repository, session, result.attempt)
    writer = _writer(repository, point_key, task)
    access = repository.access_with(writer.tenant_id, writer.tenant.keys)
    index = ChunkIndex(task.terms.condemned, access.surroundings.scratch)
    words = said(task)
    _require_uncondemned(task, result)
    cold = index_new_packs(access, session, task.owner.kid, result.packs, index)
    if repository.config.immutable:
        require_locks(repository, [names.pack(pack.pack) for pack in result.packs], task.keep_until)
    _load_runs(access, task, result, index)
    for order, volume in _paired(task, result):
        check_new_map(access, index, cold, volume, order.parent)
    written = WrittenVolumes(
        kind=IMAGE,
        volumes=result.volumes,
        packs=result.packs,
        index=index,
        verified=False,
        parent=task.parent,
        statistics=words.statistics,
        configuration=words.configuration,
        copied=words.copied,
    )
    return commit_point(writer, written)


def _writer(repository: Repository, point_key: str, task: BackupTask) -> WriterSession:
    """The session as it was opened, under the one plan that it acknowledged."""
    tenant = repository.tenant_by_id(task.owner.tenant)
    record = repository.ledger.state.open.get(task.session)
    if record is None or point_key != names.point(task.owner.tenant, task.terms.workload_id, task.session):
        raise ConflictError(
            f"session {task.session.hex()} is not open", why="the ledger says so", cure="run the backup again"
        )
    return WriterSession(
        repository=repository.promising(task.keep_until),
        tenant=tenant,
        tenant_id=task.owner.tenant,
        workload=task.workload,
        workload_id=task.terms.workload_id,
        session=task.session,
        plan=dataclasses.replace(NO_PLAN, epoch=task.terms.plan_epoch),
        started=record["time"],
        keep_until=task.keep_until,
    )


def _require_uncondemned(task: BackupTask, result: BackupResult) -> None:
    """No pack that was written under a plan is condemned by it. A cold one's header, which would tell, is not read."""
    doomed = [names.pack(pack.pack) for pack in result.packs if pack.pack in task.terms.condemned]
    if doomed:
        raise IntegrityError(
            f"{doomed[0]} is not the session's",
            why="it is older than the plan that the session knows, and condemned by it",
            cure="run the backup again; if it happens again, find out what runs on the worker",
            objects=tuple(doomed),
        )


def _statistics(result: BackupResult) -> dict[str, int]:
    """The counters that a manifest keeps, as far as the worker gave numbers that can be."""
    given = {key: result.statistics.get(key, 0) for key in Counters().statistics()}
    return {key: value if 0 <= value <= VOLUME_LIMIT_BYTES else 0 for key, value in given.items()}


def _load_runs(access: TenantAccess, task: BackupTask, result: BackupResult, index: ChunkIndex) -> None:
    """Know what the worker knew: the runs that it built upon, of those that it was offered, under the same terms."""
    built_upon = frozenset(result.loaded_runs)
    for offer in task.terms.index_runs:
        if offer.key in built_upon:
            task.terms.load(offer, index, access)


def _paired(task: BackupTask, result: BackupResult) -> list[tuple[VolumeOrder, VolumeMap]]:
    """Every volume that was ordered with what came of it, and no other."""
    if [order.name for order in task.volumes] != [volume.name for volume in result.volumes]:
        raise IntegrityError(
            "the result has other volumes than its task",
            why=f"it has {', '.join(volume.name for volume in result.volumes)}",
            cure="run the backup again",
        )
    pairs = list(zip(task.volumes, result.volumes, strict=True))
    for order, volume in pairs:
        wrong = [key for key, value in volume.source.items() if order.source.get(key, value) != value]
        if len(cbor.encode(volume.source)) > _SOURCE_LIMIT_BYTES:
            wrong = ["amount of facts"]
        if wrong or (order.size_bytes is not None and volume.size_bytes != order.size_bytes):
            raise IntegrityError(
                f"volume {order.name} is not of the source that was ordered",
                why=f"other {', '.join(wrong) or 'size'}",
                cure="run the backup again",
            )
    return pairs
