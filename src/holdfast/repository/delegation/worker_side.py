"""What a worker does with its task: the same writing and reading as without one, with the task's keys."""

from collections.abc import Callable
from contextlib import closing

from holdfast.domain.errors import ChunksMovedError, ConflictError, ObjectNotFoundError
from holdfast.repository.block_source import BlockSource, BlockTarget
from holdfast.repository.delegation.facts import Facts
from holdfast.repository.delegation.results import BackupResult, RestoredVolume, RestoreResult
from holdfast.repository.delegation.scratch import SessionScratch
from holdfast.repository.delegation.tasks import BackupTask, RestoreTask, VolumeOrder
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Progress, Silence
from holdfast.repository.reading.passed_over import warnings_of_worker
from holdfast.repository.reading.restore import restore_to
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.parents import Method, changes_since
from holdfast.repository.writing.resuming import checkpoints_of, take_over
from holdfast.repository.writing.trail import TrailOwner
from holdfast.repository.writing.volume_writer import write_volume

OpenSource = Callable[[Facts], BlockSource]
OpenTarget = Callable[[Facts], BlockTarget]
# A volume, how it was known what to read, and warnings.
Written = tuple[VolumeMap, Method, tuple[str, ...]]


def run_backup_task(
    scratch: SessionScratch,
    task: BackupTask,
    open_source: OpenSource,
    progress: Progress,
    surroundings: Surroundings,
) -> BackupResult:
    """Write every volume of the task; all packs are acknowledged and were found again when this returns. What earlier
    attempts have read is not read again, as far as their checkpoints in `scratch` say (section 18).

    What fails is raised, and leaves packs that nothing refers to but the checkpoints.
    """
    together = AllVolumes(progress)

    def write(backup: BackupSession, number: int) -> Written:
        return _write(backup, task.volumes[number], open_source, together)

    return write_volumes(scratch, task, write, surroundings)


def write_volumes(
    scratch: SessionScratch,
    task: BackupTask,
    write: Callable[[BackupSession, int], Written],
    surroundings: Surroundings,
) -> BackupResult:
    """Every volume of the task, by its number, as `write` does it."""
    backup = _begun(scratch, task, surroundings)
    volumes: list[VolumeMap] = []
    methods: list[Method] = []
    warnings: list[str] = []
    try:
        for number, order in enumerate(task.volumes):
            volume, method, said = write(backup, number)
            volumes.append(volume)
            methods.append(method)
            warnings += [f"{order.name}: {line}" for line in said]
        packs = backup.finish()
    finally:
        backup.abandon()
    return BackupResult(
        session=task.session,
        attempt=task.attempt,
        volumes=tuple(volumes),
        methods=tuple(methods),
        packs=packs,
        loaded_runs=tuple(backup.loaded_runs),
        statistics=backup.counters.statistics(),
        warnings=tuple(warnings),
    )


def _begun(scratch: SessionScratch, task: BackupTask, surroundings: Surroundings) -> BackupSession:
    """All attempts work under the plan that the session has acknowledged, so what is looked up now may be adopted. That
    a worker lives its host tells.
    """
    access = task.access(scratch.store, surroundings)
    earlier = (
        checkpoint
        for attempt in range(1, task.attempt)
        for checkpoint in checkpoints_of(surroundings, scratch.read_checkpoint, attempt)
    )
    taken = take_over(access, task.terms.condemned, earlier, Silence())
    owner = TrailOwner(task.session, task.attempt, task.terms.workload_id, scratch.write_checkpoint)
    return BackupSession.begin(access, task.terms, taken, owner)


def _write(backup: BackupSession, order: VolumeOrder, open_source: OpenSource, progress: Progress) -> Written:
    with closing(open_source(order.source)) as source:
        if order.size_bytes is not None and source.size_bytes != order.size_bytes:
            raise ConflictError(
                f"the source of {order.name} is not the one that was ordered",
                why=f"it has {source.size_bytes} bytes where {order.size_bytes} were expected",
                cure="run the backup again",
            )
        changed, warnings = changes_since(source, order.parent)
        volume = write_volume(backup, source, name=order.name, parent=order.parent, changed=changed, progress=progress)
    return volume, Method.of(order.parent, changed), warnings


def run_restore_task(
    store: ObjectStore, task: RestoreTask, open_target: OpenTarget, progress: Progress, surroundings: Surroundings
) -> RestoreResult:
    """Restore every volume of the task, one after the other. Raises ChunksMovedError where chunks lie in packs that the
    task does not tell of: it is to be prepared again.
    """
    counts = RequestCounts()
    access = task.access(CountingStore(store, counts), surroundings)
    together = AllVolumes(progress)
    restored = []
    warnings: list[str] = []
    for order in task.volumes:
        try:
            facts, passed_over = restore_to(access, order.volume, open_target(order.target), together)
        except ObjectNotFoundError as error:
            raise ChunksMovedError(error.what, why=error.why, cure="prepare the task again") from error
        restored.append(RestoredVolume(order.volume.name, order.volume.size_bytes, facts))
        warnings += [f"{order.volume.name}: {line}" for line in warnings_of_worker(passed_over)]
    return RestoreResult(task.session, task.attempt, tuple(restored), counts.snapshot(), tuple(warnings))


class AllVolumes:
    """One volume's progress after the other's, told as one: the total grows as each begins."""

    def __init__(self, listener: Progress) -> None:
        self._listener = listener
        self._total_bytes = 0

    def total(self, size_bytes: int | None) -> None:
        """A further volume."""
        self._total_bytes += size_bytes or 0
        self._listener.total(self._total_bytes)

    def advance(self, size_bytes: int) -> None:
        """So much more of all."""
        self._listener.advance(size_bytes)

    def skip(self, size_bytes: int) -> None:
        """So much of all was done before."""
        self._listener.skip(size_bytes)

    def note(self, text: str) -> None:
        """Said as it is."""
        self._listener.note(text)
