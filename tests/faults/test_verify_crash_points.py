"""A verification by appliance and worker: every request of its three steps × everything that may befall it.

Whatever befalls it, no point is hurt; done again as the appliance would it finds the same, nothing of it is left but
index runs that say the truth, and another workload that builds upon these restores whole.
"""

import contextlib

import pytest

from holdfast.domain.errors import NotFoundError
from holdfast.repository.delegation.restore_side import finish_reading
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.verification.acceptance import Verified, accept_verification
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.session import retire
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from tests.faults.judged import Judged
from tests.faults.test_delegated_crash_points import (
    OLD,
    OLD_CONTENTS,
    Run,
    contents,
    copy,
    faults,
    hit,
    instance,
    points,
)
from tests.faults.test_interleaving import MeanwhileStore
from tests.faults.world import collect
from tests.unit.repository.delegation.delegated import back_up
from tests.unit.repository.health.verification.verified import ordered, point_of, told, worker

OTHER = {name: {"kind": "memory", "snapshot": f"{name}-old"} for name in OLD}


def verification(run: Run, store: ObjectStore, seed: int) -> Verified:
    """All three steps, the appliance's and the worker's, over one store."""
    repository = run.scene.open(seed, store)
    prepared = ordered(repository, run.scene.first, run.attempt, run.session)
    worker(store, prepared, run.attempt, deterministic_surroundings(seed + 1))
    point = point_of(repository, run.scene.first)
    verified = accept_verification(repository, point, told(repository, run.session, run.attempt))
    finish_reading(repository, run.session, Silence())
    return verified


def step(run: Run, store: ObjectStore, seed: int) -> None:
    verification(run, store, seed)


def test_verification(count_crash_point):
    scene = instance(with_plan=True)
    start, standing = Run(scene), scene.small.copied().store
    wanted = verification(Run(scene), copy(start, standing), 20)
    assert wanted.opened_packs == wanted.packs > 0
    judged = Judged()
    for request, fault in faults(step, start, standing):
        store, run = copy(start, standing), Run(scene)
        try:
            succeeded = hit(step, run, store, request, fault)
            if judged.is_new(succeeded, run.session, stores=(store,)):
                assert points(run, store) == 0
                other, _result = back_up(scene.open(70, store), scene.disks, OTHER, "another")
                assert contents(scene.open(71, store), point_of(scene.open(71, store), other.session)) == OLD_CONTENTS
                again = verification(Run(scene, run.session, 1 if succeeded else 2), store, 80)
                assert (again.packs, again.chunks, again.damage) == (wanted.packs, wanted.chunks, ())
                assert scene.open(82, store).ledger.state.pins == {}
                assert not list(store.list(names.scratch(run.session)))
        except BaseException as error:
            error.add_note(f"{fault.name} at {request}")
            raise
        count_crash_point()


def _collections(repository: Repository, run: Run) -> None:
    for _round in range(2):
        collect(repository)


def _delete_and_collect(repository: Repository, run: Run) -> None:
    point = point_of(repository, run.scene.first)
    retire(repository, point.session, point.key)
    _collections(repository, run)


def _back_up(repository: Repository, run: Run) -> None:
    back_up(repository, run.scene.disks, OTHER, "another")


MEANWHILE = {"collections": _collections, "a deletion": _delete_and_collect, "a backup": _back_up}


@pytest.mark.parametrize("name", MEANWHILE)
def test_somebody_else_works_meanwhile(name, count_case):
    """Between any two requests; afterwards another backup builds upon what was opened, and garbage goes."""
    scene = instance(with_plan=True)
    start, standing = Run(scene), scene.small.copied().store
    plain = FaultyStore(copy(start, standing), {})
    step(Run(scene), plain, 20)
    judged = Judged()
    for request in plain.requests:
        inner, run = copy(start, standing), Run(scene)

        def meanwhile(store: ObjectStore = inner, run: Run = run) -> None:
            MEANWHILE[name](scene.open(60, store), run)

        try:
            with contextlib.suppress(NotFoundError) if name == "a deletion" else contextlib.nullcontext():
                assert verification(run, MeanwhileStore(inner, request.number, meanwhile), 20).damage == ()
            if judged.is_new(run.session, stores=(inner,)):
                repository = scene.open(61, inner)
                finish_reading(repository, run.session, Silence())
                later, _result = back_up(repository, scene.disks, OTHER, "later")
                _collections(repository, run)
                assert contents(repository, point_of(repository, later.session)) == OLD_CONTENTS
                assert check_repository(repository, 100, Silence()).damage == ()
        except BaseException as error:
            error.add_note(f"{name} before {request}")
            raise
        count_case()
