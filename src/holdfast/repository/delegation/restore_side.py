"""The appliance's half of a delegated restore: pin, find out which sessions' packs are needed, hand over their keys.

Only map packs are read here. The pin stands under the session id that the workers' scratch has, until `finish_reading`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.domain.errors import UsageError
from holdfast.repository.delegation.covered_versions import covered_versions
from holdfast.repository.delegation.facts import Facts
from holdfast.repository.delegation.needed_packs import data_keys_of, needed_packs
from holdfast.repository.delegation.orders import delete_scratch, order
from holdfast.repository.delegation.prepared import Prepared
from holdfast.repository.delegation.tasks import VOLUMES_LIMIT, RestoreOrder, RestoreTask, TenantPart
from holdfast.repository.format import names
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.reading.restore import choose_volume
from holdfast.repository.sessions.pins import pin_again, unpin
from holdfast.repository.sessions.points import PointSummary, load_manifest


@dataclass(frozen=True, slots=True)
class VolumeTarget:
    """A volume of the point, by name (None: the only one), and where to restore it; `target` is for who opens it."""

    name: str | None
    target: Facts


@dataclass(frozen=True, slots=True, repr=False)
class PreparedRestore(Prepared[RestoreTask]):
    """What a worker is to restore, while the point is pinned; `pinned` is False where no pin could be written."""

    pinned: bool


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
    attempt, and finds chunks where they lie now. Whatever is raised, `finish_reading` takes the pin back.
    """
    if not 1 <= len(volumes) <= VOLUMES_LIMIT:
        raise UsageError("no volume is named", why=f"a task has 1 to {VOLUMES_LIMIT} volumes", cure="name some")
    reader = repository.surroundings.random_bytes(16) if session is None else session
    pinned = pin_again(repository, reader, [point.session], progress)
    manifest = load_manifest(repository, point)
    chosen = tuple(RestoreOrder(choose_volume(manifest, one.name), one.target) for one in volumes)
    access = repository.access(manifest.tenant)
    rows = needed_packs(repository, access, [one.volume for one in chosen])
    task = RestoreTask(
        owner=TenantPart.of(access.keys),
        session=reader,
        attempt=1,
        data_keys=data_keys_of(repository, rows),
        index_runs=tuple(access.index_runs()),
        volumes=chosen,
        limits=dict(limits or {}),
        versions=covered_versions(repository, names.PACKS, names.INDEX),
        archive_class=repository.config.archive_class,
    )
    return PreparedRestore(repository, task, pinned)


def write_restore_task(prepared: PreparedRestore, attempt: int) -> RestoreTask:
    """Leave the task of that attempt, of 1 and up, in the reader's scratch. Running it again is safe."""
    written = order(prepared.repository, dataclasses.replace(prepared.task, attempt=attempt))
    if not isinstance(written, RestoreTask):
        raise UsageError(f"{prepared.session.hex()} is no restore", why="its task says so", cure="draw another id")
    return written


def finish_reading(repository: Repository, session: bytes, progress: Progress) -> None:
    """The restore or verification is over, whatever came of it: unpin, and remove its scratch. Again is safe."""
    if session in repository.ledger.refresh().pins:
        unpin(repository, session, progress)
    delete_scratch(repository, session)
