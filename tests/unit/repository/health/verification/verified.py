"""A verification as appliance and worker do it together, over one store."""

from holdfast.repository.delegation.orders import read_result
from holdfast.repository.delegation.restore_side import finish_reading
from holdfast.repository.delegation.results import VerifyResult
from holdfast.repository.delegation.scratch import SessionScratch, one_key
from holdfast.repository.delegation.tasks import VerifyTask
from holdfast.repository.health.verification.acceptance import Verified, accept_verification
from holdfast.repository.health.verification.preparing import (
    PreparedVerification,
    prepare_verification,
    write_verify_task,
)
from holdfast.repository.health.verification.work import run_verify_task
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import PointSummary, find_point
from holdfast.repository.surroundings import Surroundings
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.worker.narrow_store import NarrowStore


def point_of(repository: Repository, session: bytes) -> PointSummary:
    """The point of that session."""
    return find_point(repository, session.hex(), DEFAULT_TENANT)


def ordered(
    repository: Repository, session: bytes, attempt: int = 1, reader: bytes | None = None
) -> PreparedVerification:
    """Pinned, and the task written."""
    prepared = prepare_verification(repository, point_of(repository, session), Silence(), session=reader)
    write_verify_task(prepared, attempt)
    return prepared


def worker(
    store: ObjectStore, prepared: PreparedVerification, attempt: int = 1, around: Surroundings | None = None
) -> None:
    """A worker's whole life, with no more rights than it has."""
    around = around or deterministic_surroundings(900 + attempt)
    owner, narrow = prepared.task.owner, NarrowStore(store, prepared.session, writes_packs=False)
    keys = one_key(owner.kid, prepared.scratch_key)
    mine = SessionScratch(narrow, prepared.session, keys, owner.repository, owner.kid, around.random_bytes, owner.suite)
    task = mine.read_task(attempt)
    assert isinstance(task, VerifyTask)
    mine.write_result(run_verify_task(narrow, task, Silence(), around))


def told(repository: Repository, session: bytes, attempt: int = 1) -> VerifyResult:
    """What the worker left."""
    result = read_result(repository, session, attempt)
    assert isinstance(result, VerifyResult)
    return result


def verify(repository: Repository, session: bytes) -> Verified:
    """All of it."""
    prepared = ordered(repository, session)
    worker(repository.store, prepared)
    verified = accept_verification(repository, point_of(repository, session), told(repository, prepared.session))
    finish_reading(repository, prepared.session, Silence())
    assert prepared.session not in repository.ledger.refresh().pins
    return verified
