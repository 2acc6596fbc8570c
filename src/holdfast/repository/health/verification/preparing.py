"""The appliance prepares a verification: the point is pinned, and the data packs that it needs are named (rule 7)."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError, UsageError
from holdfast.repository.delegation.covered_versions import covered_versions
from holdfast.repository.delegation.needed_packs import data_keys_of, needed_packs
from holdfast.repository.delegation.orders import order
from holdfast.repository.delegation.prepared import Prepared
from holdfast.repository.delegation.tasks import PackOrder, Task, TenantPart, VerifyTask
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.format.places import PackRow
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.pins import pin_again
from holdfast.repository.sessions.points import PointSummary, load_manifest
from holdfast.repository.sessions.recorded_packs import recorded_packs


@dataclass(frozen=True, slots=True, repr=False)
class PreparedVerification(Prepared[VerifyTask]):
    """What a worker is to read, while the point is pinned; `pinned` is False where no pin could be written."""

    pinned: bool


def prepare_verification(
    repository: Repository, point: PointSummary, progress: Progress, *, session: bytes | None = None
) -> PreparedVerification:
    """Pin the point, then check that it is not retired (rule 7), and name the data packs that it needs.

    `session`: the caller's own random id; with the same one it may be run again, after a crash or for a further
    attempt. Whatever is raised, `finish_reading` takes the pin back. A map that does not open is left to
    `accept_verification` to say. Raises UsageError for an archive repository.
    """
    if repository.config.archive_class is not None:
        raise UsageError(
            "a verification does not read an archive repository",
            why="its packs are cold, and reading each costs a retrieval",
            cure="`holdfast repository check` compares what the store says of them",
        )
    reader = repository.surroundings.random_bytes(16) if session is None else session
    pinned = pin_again(repository, reader, [point.session], progress)
    manifest = load_manifest(repository, point)
    access = repository.access(manifest.tenant)
    packs = packs_of(repository, access, manifest)
    wanted = {names.pack(one.row.pack) for one in packs}
    task = VerifyTask(
        owner=TenantPart.of(access.keys),
        session=reader,
        attempt=1,
        data_keys=data_keys_of(repository, (one.row for one in packs)),
        packs=packs,
        versions={key: ids for key, ids in covered_versions(repository, names.PACKS).items() if key in wanted},
    )
    return PreparedVerification(repository, task, pinned)


def packs_of(repository: Repository, access: TenantAccess, manifest: Manifest) -> tuple[PackOrder, ...]:
    """The data packs that a point needs, with what was recorded of them, where that still stands. What a map that does
    not open leads to is not among them.
    """
    rows = _rows(repository, access, manifest.volumes)
    recorded = {pack: one for pack, one in recorded_packs(repository, rows).items() if not one.holds_maps}
    return tuple(
        PackOrder(row, known.size_bytes, known.sha256) if (known := recorded.get(row.pack)) else PackOrder(row)
        for row in sorted(rows, key=PackRow.encode)
    )


def write_verify_task(prepared: PreparedVerification, attempt: int) -> VerifyTask:
    """Leave the task of that attempt, of 1 and up, in the reader's scratch. Running it again is safe."""
    return verify_task(order(prepared.repository, dataclasses.replace(prepared.task, attempt=attempt)))


def verify_task(task: Task) -> VerifyTask:
    """Raises UsageError for one of another kind."""
    if not isinstance(task, VerifyTask):
        raise UsageError("the session is no verification", why="its task says so", cure="draw another id")
    return task


def _rows(repository: Repository, access: TenantAccess, volumes: Iterable[VolumeMap]) -> set[PackRow]:
    """Of volumes whose maps open; together, and one by one where one does not."""
    every = list(volumes)
    try:
        return needed_packs(repository, access, every)
    except (IntegrityError, ObjectNotFoundError):
        if len(every) <= 1:
            return set()
        return set().union(*(_rows(repository, access, [one]) for one in every))
