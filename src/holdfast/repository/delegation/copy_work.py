"""What a copy worker does: the volumes of another repository's point as those of its own session, by the engine of
`repository/copying`, with the task's keys.
"""

from dataclasses import replace

from holdfast.domain.errors import ChunksMovedError, FormatError, ObjectNotFoundError
from holdfast.repository.copying.known_chunks import KnownChunks
from holdfast.repository.copying.readers import Readers
from holdfast.repository.copying.translation import Translation
from holdfast.repository.copying.volume_source import CopiedVolume
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.scratch import SessionScratch, one_key
from holdfast.repository.delegation.tasks import BackupTask, CopySource
from holdfast.repository.delegation.worker_side import AllVolumes, Written, write_volumes
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Progress
from holdfast.repository.reading.passed_over import warnings_of_worker
from holdfast.repository.sessions.signs_of_life import LivingProgress
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.parents import Method
from holdfast.repository.writing.volume_writer import write_volume


def run_copy_task(
    scratch: SessionScratch, task: BackupTask, source: ObjectStore, progress: Progress, surroundings: Surroundings
) -> BackupResult:
    """Write every volume of the task from the repository in `source`, where the reader says that it lives. As
    `run_backup_task` otherwise.

    Raises ChunksMovedError where chunks lie in packs that the task does not tell of: it is to be prepared again.
    """
    copied = task.copied_from
    if copied is None:
        raise FormatError("the task is no copy", why="it does not say where to read")
    readers, known = Readers(copied.access(source, surroundings)), KnownChunks()
    together = AllVolumes(_living(copied, source, progress, surroundings))

    def write(backup: BackupSession, number: int) -> Written:
        order, one = task.volumes[number], copied.volumes[number]
        translation = Translation(readers.data, surroundings, backup, known)
        content = CopiedVolume(copied.backup, one.volume, readers.maps, translation)
        changed = None
        if one.earlier is not None:
            changed = content.changed_from(one.earlier, readers.of_earlier(stands=copied.earlier_stands))
        volume = write_volume(backup, content, name=order.name, parent=order.parent, changed=changed, progress=together)
        return volume, Method.of(order.parent, changed), ()

    try:
        result = write_volumes(scratch, task, write, surroundings)
    except ObjectNotFoundError as error:
        raise ChunksMovedError(error.what, why=error.why, cure="prepare the task again") from error
    return replace(result, warnings=warnings_of_worker(readers.passed_over()))


def _living(copied: CopySource, source: ObjectStore, progress: Progress, surroundings: Surroundings) -> LivingProgress:
    """Signs of life of the reader, so that no collection of the source takes its pin for a dead one's (rule 7)."""
    owner = copied.owner
    scratch = SessionScratch(
        store=source,
        session=copied.reader,
        keys=one_key(owner.kid, copied.scratch_key),
        repository=owner.repository,
        kid=owner.kid,
        random_bytes=surroundings.random_bytes,
        suite=owner.suite,
    )
    return LivingProgress(progress, copied.reader, scratch.say_alive, surroundings.now)
