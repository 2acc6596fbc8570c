"""A session's scratch, seen with its one key SS: where appliance and worker leave each other tasks and results.

A worker is given SS, the repository's id and the key epoch, and nothing else; everything more is inside the sealed
task.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.domain.errors import ConflictError, FormatError, NeedsRetrievalError, ObjectExistsError
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.delegation.results import Result, decode_result, encode_result
from holdfast.repository.delegation.task_form import decode_task, encode_task
from holdfast.repository.delegation.tasks import Task
from holdfast.repository.format import alive as alive_form
from holdfast.repository.format import envelope, names
from holdfast.repository.format import session_checkpoint as checkpoint_form
from holdfast.repository.format.alive import Alive
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.session_checkpoint import SessionCheckpoint
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.trust.older_versions import as_damage


@dataclass(frozen=True, slots=True, repr=False)
class SessionScratch:
    """What is written is sealed with SS of `session` in the key epoch `kid`, which is the task's; `keys` gives SS of
    an epoch, and raises where it is not held. Every attempt has names of its own, each written once.
    """

    store: ObjectStore
    session: bytes
    keys: Callable[[int], bytes]
    repository: bytes
    kid: int
    random_bytes: Callable[[int], bytes]
    suite: int = DEFAULT_SUITE

    def write_task(self, task: Task) -> None:
        """Leave a task for the attempt that it names. Raises ObjectExistsError where one is there."""
        self._write(Kind.TASK, names.task(self.session, task.attempt), encode_task(task))

    def read_task(self, attempt: int) -> Task:
        """The task of that attempt. Raises ObjectNotFoundError, IntegrityError."""
        key = names.task(self.session, attempt)
        task = decode_task(self._read(Kind.TASK, key))
        if (task.session, task.attempt) != (self.session, attempt):
            raise FormatError(f"{key} is of another attempt", why="it names another session or attempt", key=key)
        return task

    def write_result(self, result: Result) -> None:
        """Leave what came of the attempt that it names; an equal one that is there is our own lost answer (rule 1).

        Raises ConflictError where another result is there.
        """
        try:
            self._write(Kind.RESULT, names.result(self.session, result.attempt), encode_result(result))
        except ObjectExistsError as error:
            if self.read_result(result.attempt) != result:
                raise ConflictError(
                    f"attempt {result.attempt} has a result already",
                    why="two workers did the same attempt",
                    cure="nothing: the first result stands",
                ) from error

    def read_result(self, attempt: int) -> Result:
        """The result of that attempt. Raises ObjectNotFoundError where there is none (yet), IntegrityError."""
        key = names.result(self.session, attempt)
        result = decode_result(self._read(Kind.RESULT, key))
        if (result.session, result.attempt) != (self.session, attempt):
            raise FormatError(f"{key} is of another attempt", why="it names another session or attempt", key=key)
        return result

    def write_checkpoint(self, checkpoint: SessionCheckpoint) -> None:
        """Leave how far an attempt has come. Raises ObjectExistsError where that one is there."""
        key = names.session_checkpoint(self.session, checkpoint.attempt, checkpoint.number)
        self._write(Kind.SESSION_CHECKPOINT, key, checkpoint_form.encode(checkpoint))

    def read_checkpoint(self, attempt: int, number: int) -> SessionCheckpoint:
        """That one of that attempt. Raises ObjectNotFoundError, IntegrityError."""
        key = names.session_checkpoint(self.session, attempt, number)
        return checkpoint_form.of_key(key, self._read(Kind.SESSION_CHECKPOINT, key))

    def say_alive(self, alive: Alive) -> None:
        """Leave a sign of life. Raises ObjectExistsError where there is one of that hour."""
        self._write(Kind.ALIVE, names.alive(self.session, alive.hour), alive_form.encode(alive))

    def _write(self, kind: Kind, key: str, body: bytes) -> None:
        data = envelope.seal(
            kind,
            body,
            kind_key=self.keys(self.kid),
            object_key=key,
            repository=self.repository,
            kid=self.kid,
            salt=self.random_bytes(envelope.SALT_BYTES),
            suite=self.suite,
        )
        self.store.create(key, data, hashlib.sha256(data).digest())

    def _read(self, kind: Kind, key: str) -> bytes:
        try:
            data = self.store.get(key)
        except NeedsRetrievalError as error:
            raise as_damage(self.store, key, error) from error
        return envelope.open_object(
            data, kinds=(kind,), kind_key=self.keys, object_key=key, repository=self.repository
        )[1]


def one_key(kid: int, key: bytes) -> Callable[[int], bytes]:
    """What a worker has: SS of its session in one key epoch."""

    def keys(wanted: int) -> bytes:
        if wanted != kid:
            raise FormatError(f"it is sealed under key epoch {wanted}", why=f"the key that was given is of epoch {kid}")
        return key

    return keys
