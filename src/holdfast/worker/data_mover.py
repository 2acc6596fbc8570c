"""One task from its pointer to its result: the sealed task is read, its data moved, what came of it sealed again."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from holdfast.domain.errors import FormatError, WrongKeyError
from holdfast.patience import Waiting
from holdfast.protocol.worker_messages import TaskKind, TaskPointer
from holdfast.repository.crypto.keys import KEY_BYTES
from holdfast.repository.delegation.copy_work import run_copy_task
from holdfast.repository.delegation.results import Result
from holdfast.repository.delegation.scratch import SessionScratch, one_key
from holdfast.repository.delegation.tasks import BackupTask, RestoreTask, Task, VerifyTask
from holdfast.repository.delegation.worker_side import OpenSource, OpenTarget, run_backup_task, run_restore_task
from holdfast.repository.health.verification.work import run_verify_task
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.signs_of_life import LivingProgress
from holdfast.repository.surroundings import Surroundings
from holdfast.worker.narrow_store import NarrowStore
from holdfast.worker.new_rights import when_allowed
from holdfast.worker.ports import KeyUnwrapper


@dataclass(frozen=True, slots=True)
class DataMover:
    """Moves data with what it is given; `open_store` takes the location that a pointer names."""

    open_store: Callable[[str], ObjectStore]
    open_source: OpenSource
    open_target: OpenTarget
    keys: KeyUnwrapper
    surroundings: Surroundings
    waiting: Waiting

    def move(self, pointer: TaskPointer, progress: Progress) -> tuple[str, ...]:
        """Do the task and leave its result; the warnings. Raises what went wrong: then there is no result."""
        key = when_allowed(lambda: self.keys.unwrap(pointer), self.waiting)
        if len(key) != KEY_BYTES:
            raise WrongKeyError(
                f"the key of {pointer.name} is none",
                why=f"it has {len(key)} bytes, not {KEY_BYTES}",
                cure="nothing was changed; whoever sent the task starts another attempt",
            )
        session = bytes.fromhex(pointer.session)
        with closing(self.open_store(pointer.location)) as opened:
            store = NarrowStore(opened, session, writes_packs=pointer.kind in (TaskKind.BACKUP, TaskKind.COPY))
            repository = bytes.fromhex(pointer.repository)
            keys = one_key(pointer.kid, key)
            scratch = SessionScratch(store, session, keys, repository, pointer.kid, self.surroundings.random_bytes)
            task = when_allowed(lambda: scratch.read_task(pointer.attempt), self.waiting)
            scratch = replace(scratch, suite=task.owner.suite)
            living = LivingProgress(progress, session, scratch.say_alive, self.surroundings.now)
            result = self._do(pointer, scratch, task, living)
            scratch.write_result(result)
        return result.warnings

    def _do(self, pointer: TaskPointer, scratch: SessionScratch, task: Task, progress: Progress) -> Result:
        if isinstance(task, BackupTask) and task.copied_from is not None and pointer.kind is TaskKind.COPY:
            with closing(self.open_store(task.copied_from.location)) as opened:
                source = NarrowStore(opened, task.copied_from.reader, writes_packs=False)
                return run_copy_task(scratch, task, source, progress, self.surroundings)
        if isinstance(task, BackupTask) and task.copied_from is None and pointer.kind is TaskKind.BACKUP:
            return run_backup_task(scratch, task, self.open_source, progress, self.surroundings)
        if isinstance(task, RestoreTask) and pointer.kind is TaskKind.RESTORE:
            return run_restore_task(scratch.store, task, self.open_target, progress, self.surroundings)
        if isinstance(task, VerifyTask) and pointer.kind is TaskKind.VERIFY:
            return run_verify_task(scratch.store, task, progress, self.surroundings)
        raise FormatError(
            f"the task is no {pointer.kind}",
            why="pointer and task do not belong together",
            cure="nothing was changed; whoever sent the task starts another attempt",
        )
