"""Where tasks wait: a repository's own limit first, then what the region and the appliance bear.

A task that moves data holds a turn of its repository, and within it a place for a worker: of its region (the vCPU quota
is the region's) and of the appliance. Snapshots alone wait for neither, and a restore waits for no backup. Of local
workers, which this machine bears few of, each kind of work has so many places of its own: who waits for one holds none.
"""

from dataclasses import dataclass

from holdfast.appliance.ports.engine import Engine, Lane
from holdfast.domain.infrastructure import RepositoryDefinition
from holdfast.domain.policy import WorkerMode

_WORKERS, _SNAPSHOTS, _RESTORES, _LOCAL, _COLLECTIONS = "workers", "snapshots", "restores", "local", "collections"
_VERIFICATIONS, _RETRIEVALS, _ARCHIVES = "verifications", "retrievals", "archives"
_LOCAL_RESTORES, _LOCAL_VERIFICATIONS, _LOCAL_ARCHIVES = "local restores", "local verifications", "local archives"
# One after the other: a second one at once would only meet the plans of the first.
_COLLECTIONS_IN_REPOSITORY = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """How many at once."""

    workers: int = 64
    workers_in_region: int = 32
    snapshots: int = 32
    snapshots_in_region: int = 16
    restores: int = 16
    restores_in_region: int = 8
    local_workers: int = 2
    collections: int = 2
    verifications: int = 4
    retrievals: int = 64
    archives: int = 8


def set_limits(engine: Engine, limits: Limits) -> None:
    """Once, when the engine is there."""
    engine.limit(_WORKERS, limits.workers, limits.workers_in_region)
    engine.limit(_SNAPSHOTS, limits.snapshots, limits.snapshots_in_region)
    engine.limit(_RESTORES, limits.restores, limits.restores_in_region)
    engine.limit(_LOCAL, limits.local_workers)
    engine.limit(_COLLECTIONS, limits.collections, _COLLECTIONS_IN_REPOSITORY)
    engine.limit(_VERIFICATIONS, limits.verifications)
    engine.limit(_RETRIEVALS, limits.retrievals)
    engine.limit(_ARCHIVES, limits.archives)
    for queue in (_LOCAL_RESTORES, _LOCAL_VERIFICATIONS, _LOCAL_ARCHIVES):
        engine.limit(queue, limits.local_workers)


def set_repository_limit(engine: Engine, repository: RepositoryDefinition) -> None:
    """When a repository is added, changed, or known from before."""
    engine.limit(_queue_of(repository.name), repository.task_limit)


def repository_lane(name: str) -> Lane:
    """The turn of a repository."""
    return Lane(_queue_of(name))


def worker_lane(mode: WorkerMode, region: str) -> Lane:
    """A place for a worker."""
    return Lane(_LOCAL) if mode == WorkerMode.LOCAL else Lane(_WORKERS, region)


def snapshot_lane(account: str, region: str) -> Lane:
    """For tasks that only make snapshots."""
    return Lane(_SNAPSHOTS, f"{account}/{region}")


def restore_lane(mode: WorkerMode, region: str) -> Lane:
    """For restores; one without a worker waits where those with an instance do."""
    return Lane(_LOCAL_RESTORES) if mode == WorkerMode.LOCAL else Lane(_RESTORES, region)


def collection_lane(repository: str) -> Lane:
    """For collections of garbage; they wait for no backup here, nor hold one up."""
    return Lane(_COLLECTIONS, repository)


def verification_lane(mode: WorkerMode) -> Lane:
    """For verifications, each with one worker at a time; neither a backup nor a restore waits for them."""
    return Lane(_LOCAL_VERIFICATIONS if mode == WorkerMode.LOCAL else _VERIFICATIONS)


def retrieval_lane() -> Lane:
    """For restores from an archive as long as they wait for what is cold, and around their turn as a restore."""
    return Lane(_RETRIEVALS)


def archive_lane(mode: WorkerMode) -> Lane:
    """For copies into archives, each with a worker; neither a backup nor a restore waits for them."""
    return Lane(_LOCAL_ARCHIVES if mode == WorkerMode.LOCAL else _ARCHIVES)


def _queue_of(repository: str) -> str:
    return f"repository/{repository}"
