"""The appliance's half of a delegated backup: open the session, choose parents, order, and give up what died.

Ordering rule 3 up to the acknowledgement is done here. A session acknowledges ONE plan, by who opened it, and all its
attempts work under that plan; so a result of an earlier attempt is never accepted under a plan that it did not know.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.errors import ConflictError, NotFoundError, ObjectNotFoundError, UsageError
from holdfast.repository.delegation.facts import Facts
from holdfast.repository.delegation.orders import order, ordered
from holdfast.repository.delegation.prepared import Prepared
from holdfast.repository.delegation.tasks import VOLUMES_LIMIT, BackupTask, Task, TenantPart, VolumeOrder
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.sessions.session import WriterSession, end_without_point, open_session, read_point
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.presence import is_there
from holdfast.repository.writing.parents import clear_of, fixed_volumes, newest_parent
from holdfast.repository.writing.terms import WritingTerms, terms_of

FIRST_ATTEMPT = 1
_RUNS_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """A volume to back up under a name that stays the same from point to point; `source` is for who opens it."""

    name: str
    source: Facts
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class PreparedBackup(Prepared[BackupTask]):
    """An open session and what its workers are to do. `warnings` are lines for a person."""

    warnings: tuple[str, ...] = ()


def prepare_backup(
    repository: Repository,
    tenant: str,
    workload: str,
    volumes: Sequence[VolumeSource],
    level: CompressionLevel = CompressionLevel.DEFAULT,
    *,
    with_parent: bool = True,
    session: bytes | None = None,
    limits: Mapping[str, int] | None = None,
    keep_until: datetime | None = None,
    avoided_packs: frozenset[bytes] = frozenset(),
) -> PreparedBackup:
    """Open a session and choose the parent of each volume, by name, in the newest point that may be inherited from.

    `session`: the caller's own random id, so that running this again after a crash finds what it began. A session that
    was opened and never ordered is ended and another one begun: the one that counts is the answer's.
    `keep_until`: what an immutable repository is to promise. `avoided_packs`: known to be damaged, though no plan
    condemns them yet; they are left alone as condemned ones are, and so is a parent's map that leads to one.
    Raises ConflictError for a session that has ended, UsageError for an archive repository.
    """
    _check_volumes(volumes)
    if repository.config.archive_class is not None:
        raise UsageError(
            "workers do not back up into an archive repository",
            why="an appliance fills an archive with copies of points that are read at once",
            cure="name a repository of class standard, and copy from there",
        )
    begun, session = begun_before(repository, session)
    if begun is not None:
        return begun
    writer = open_session(repository, tenant, workload, session, keep_until)
    manifest, warnings = newest_parent(writer, only_volume=False) if with_parent else (None, ())
    parents = {} if manifest is None else fixed_volumes(manifest)
    if manifest is not None and avoided_packs:
        parents = clear_of(avoided_packs, repository.access(manifest.tenant), parents)
    orders = tuple(
        VolumeOrder(volume.name, volume.source, parents.get(volume.name), volume.size_bytes) for volume in volumes
    )
    task = first_task(writer, orders, manifest, level, limits=limits, avoided_packs=avoided_packs)
    return PreparedBackup(repository, task, warnings)


def begun_before(
    repository: Repository, session: bytes | None, *, goes_on: bool = False
) -> tuple[PreparedBackup | None, bytes | None]:
    """What that session was ordered to do, if it was opened; and the id to open one under: None where it is used up, as
    that of a session is which somebody `goes_on` with and which has ended meanwhile.
    """
    if session is None or not _is_known(repository, session):
        return None, None if goes_on else session
    if goes_on and _has_no_point(repository, open_point_key(repository, session)):
        return None, None
    try:
        return reprepare(repository, session), session
    except ObjectNotFoundError:
        # Who opened it may still live and have acknowledged any plan: only an end is safe.
        abandon(repository, session)
        return None, None


def first_task(
    writer: WriterSession,
    orders: tuple[VolumeOrder, ...],
    parent: Manifest | None,
    level: CompressionLevel,
    *,
    limits: Mapping[str, int] | None = None,
    avoided_packs: frozenset[bytes] = frozenset(),
) -> BackupTask:
    """What a session that was opened just now is to write, under the plan that it acknowledged."""
    repository = writer.repository
    inherits = any(one.parent is not None for one in orders)
    terms = terms_of(writer, level)
    condemned = terms.condemned | avoided_packs
    terms = dataclasses.replace(terms, index_runs=terms.index_runs[:_RUNS_LIMIT], condemned=condemned)
    ring = repository.epochs.key_ring(writer.tenant_id, writer.tenant.keys.id_key)
    return BackupTask(
        owner=TenantPart.of(ring),
        session=writer.session,
        attempt=FIRST_ATTEMPT,
        data_key=repository.epochs.of(ring.kid).data_key(writer.session),
        pack_size_bytes=repository.config.pack_size_bytes,
        workload=writer.workload,
        terms=terms,
        volumes=orders,
        parent=parent.session if parent is not None and inherits else None,
        further_runs=_further_runs(writer, terms),
        limits=dict(limits or {}),
        locked=repository.config.immutable,
        keep_until=writer.keep_until,
        archive_class=repository.config.archive_class,
    )


def reprepare(repository: Repository, session: bytes) -> PreparedBackup:
    """The same for a further attempt of a session: what its first task said, whatever happened since.

    Raises ObjectNotFoundError where no task was ever written, ConflictError where the session has ended.
    """
    point_key = open_point_key(repository, session)
    if is_there(repository.store, point_key):
        raise ConflictError(
            f"session {session.hex()} has ended", why="its name bears a point or a tombstone", cure="begin another"
        )
    return PreparedBackup(repository, ordered_task(repository, session, FIRST_ATTEMPT))


def write_task(prepared: PreparedBackup, attempt: int) -> BackupTask:
    """Leave the task of that attempt, of 1 and up, in the session's scratch. Running it again is safe: what stands, and
    bears the appliance's mark, stands. Every attempt does what the first task says, which is left too if it is not
    there; of a copy it reads the source as it is now.
    """
    first = _backup(order(prepared.repository, dataclasses.replace(prepared.task, attempt=FIRST_ATTEMPT)))
    if attempt == FIRST_ATTEMPT:
        return first
    further = dataclasses.replace(first, attempt=attempt, copied_from=prepared.task.copied_from)
    return _backup(order(prepared.repository, further))


def ordered_task(repository: Repository, session: bytes, attempt: int) -> BackupTask:
    """The backup task of that attempt, as the appliance wrote it. Raises ObjectNotFoundError, IntegrityError."""
    return _backup(ordered(repository, session, attempt))


def _backup(task: Task) -> BackupTask:
    if not isinstance(task, BackupTask):
        raise UsageError(f"{task.session.hex()} is a restore", why="its task says so", cure="name a backup's session")
    return task


def abandon(repository: Repository, session: bytes) -> Manifest | None:
    """End a session without a point, for ever: a tombstone takes its name (rule 4). Where a commit came first, its
    manifest is given back, and the ledger told.

    What was uploaded is unreferenced. The ledger counts the session as open until a collection closes it.
    """
    return end_without_point(repository, session, open_point_key(repository, session))


def open_point_key(repository: Repository, session: bytes) -> str:
    """Where the session's point stands or would, as its `open` says. Raises NotFoundError for a session that the
    ledger does not know, or whose point is retired.
    """
    state = repository.ledger.refresh()
    record = state.open.get(session) or state.live.get(session)
    if record is None:
        raise NotFoundError(
            f"there is no session {session.hex()}", why="the ledger has no such session", cure="begin another"
        )
    return str(record["point"])


def _has_no_point(repository: Repository, point_key: str) -> bool:
    """Whether a tombstone stands there, of a session that the ledger may still count as open."""
    return is_there(repository.store, point_key) and read_point(repository, point_key) is None


def _is_known(repository: Repository, session: bytes) -> bool:
    state = repository.ledger.refresh()
    return session in state.open or session in state.live


def _further_runs(writer: WriterSession, terms: WritingTerms) -> tuple[str, ...]:
    """Nothing moves before there is a plan."""
    if not writer.plan.epoch:
        return ()
    listed = objects_under(writer.repository.store, names.index_runs(writer.tenant_id))
    offered = {offer.key for offer in terms.index_runs}
    return tuple(info.key for info in listed if info.key not in offered)[-_RUNS_LIMIT:]


def _check_volumes(volumes: Sequence[VolumeSource]) -> None:
    wanted = [volume.name for volume in volumes]
    bad = [name for name in wanted if not name or not name.isprintable() or len(name.encode()) > 255]
    if bad or len(set(wanted)) != len(wanted) or not 1 <= len(wanted) <= VOLUMES_LIMIT:
        raise UsageError(
            "these volumes cannot be one point",
            why=f"a point has 1 to {VOLUMES_LIMIT} volumes with names of their own, of 1 to 255 bytes",
            cure="name each volume once",
        )
