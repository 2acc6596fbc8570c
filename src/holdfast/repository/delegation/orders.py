"""Tasks left by the appliance in a session's scratch, and believed again only with its mark.

A worker can write into its session's scratch, so what is read back from there counts only with a mark that nobody can
make but who holds the master key.
"""

import dataclasses
import hmac

from holdfast.domain.errors import IntegrityError, ObjectExistsError, UsageError
from holdfast.repository.crypto.keys import MasterKey
from holdfast.repository.delegation.results import Result
from holdfast.repository.delegation.scratch import SessionScratch
from holdfast.repository.delegation.task_form import encode_task
from holdfast.repository.delegation.tasks import Task
from holdfast.repository.format import names
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.opening.repository import Repository
from holdfast.repository.trust.few_at_once import delete_all
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.vouching import unvouched

_UNMARKED = bytes(32)


def scratch_of(repository: Repository, session: bytes, kid: int) -> SessionScratch:
    """The session's scratch, where tasks of that key epoch are left."""
    master = repository.master
    return SessionScratch(
        store=repository.store,
        session=session,
        keys=lambda wanted: repository.epochs.of(wanted).scratch_key(session),
        repository=master.repository,
        kid=kid,
        random_bytes=repository.surroundings.random_bytes,
        suite=master.suite,
    )


def order(repository: Repository, task: Task) -> Task:
    """Leave the task for its attempt. Running it again is safe: what stands there, and bears the mark, stands.

    Raises IntegrityError where a task stands that the appliance did not make.
    """
    if not 1 <= task.attempt <= names.ATTEMPT_LIMIT:
        raise UsageError(
            f"there is no attempt {task.attempt}",
            why=f"they are 1 to {names.ATTEMPT_LIMIT}",
            cure="begin a new session",
        )
    ready = marked(task, repository.epochs.of(task.owner.kid))
    try:
        scratch_of(repository, task.session, task.owner.kid).write_task(ready)
    except ObjectExistsError:
        return ordered(repository, task.session, task.attempt)
    return ready


def ordered(repository: Repository, session: bytes, attempt: int) -> Task:
    """The task of that attempt, as the appliance left it. Raises ObjectNotFoundError, IntegrityError."""
    task = scratch_of(repository, session, repository.master.kid).read_task(attempt)
    opened = repository.ledger.state.open.get(session, {})
    if task.owner.kid < opened.get("kid", FIRST_EPOCH):
        raise unvouched(names.task(session, attempt), task.owner.kid, opened["kid"])
    if not hmac.compare_digest(task.proof, marked(task, repository.epochs.of(task.owner.kid)).proof):
        key = names.task(session, attempt)
        raise IntegrityError(
            f"{key} is not of the appliance",
            why="it does not bear its mark: a worker wrote it",
            cure="give the session up; find out what ran on that worker",
            objects=(key,),
        )
    return task


def marked(task: Task, master: MasterKey) -> Task:
    """The task with the appliance's mark (section 16)."""
    bare = dataclasses.replace(task, proof=_UNMARKED)
    return dataclasses.replace(task, proof=master.task_mark().of(encode_task(bare)))


def read_result(repository: Repository, session: bytes, attempt: int) -> Result:
    """What a worker left. Raises ObjectNotFoundError where there is nothing (yet), IntegrityError."""
    return scratch_of(repository, session, repository.master.kid).read_result(attempt)


def delete_scratch(repository: Repository, session: bytes) -> None:
    """Remove tasks and results of a session that has ended; its acknowledgement stays, a collection may ask for it.

    What a LIST does not show stays too, and is in nobody's way.
    """
    prefix = names.scratch(session)
    keys = [info.key for info in objects_under(repository.store, prefix)]
    gone = [key for key in keys if not key.startswith(prefix + names.ACKNOWLEDGEMENT)]
    delete_all(repository.surroundings, repository.store, gone)
