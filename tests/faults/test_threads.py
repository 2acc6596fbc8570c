"""The same faults where real threads are at work: nothing hangs, nothing half done is taken for done.

The order of requests differs from run to run here; that each ends, and how, must not.
"""

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.domain.errors import HoldfastError
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from tests.faults.operations import ACTS, Attempt
from tests.faults.test_crash_points import inspect, inspect_again
from tests.faults.world import World, world

FAULTS = (Fault.ERROR, Fault.CRASH_AFTER)


@pytest.fixture(scope="module")
def pools():
    with ThreadPoolExecutor(2) as compute, ThreadPoolExecutor(8) as transfer:
        yield compute, transfer


def threaded(seed: int, pools) -> Surroundings:
    compute, transfer = pools
    inline = deterministic_surroundings(seed)
    return dataclasses.replace(inline, compute=compute, transfer=transfer, compute_width=2, transfer_width=4)


def act(name: str, store: ObjectStore, world_: World, pools, attempt: Attempt) -> bool:
    try:
        attempt.outcome = ACTS[name](world_.small.open(threaded(7, pools), store), world_, attempt)
    except (HoldfastError, SimulatedCrash):
        return False
    return True


@pytest.mark.parametrize("name", ["full", "compared", "stream", "restore", "restore to a pipe", "check"])
def test_faults_among_threads(name, pools, count_crash_point):
    world_ = world(with_plan=False)
    plain = FaultyStore(world_.small.copied().store, {})
    assert act(name, plain, world_, pools, Attempt())
    for number, fault in itertools.product(range(len(plain.requests)), FAULTS):
        inner = world_.small.copied().store
        attempt = Attempt()
        succeeded = act(name, FaultyStore(inner, {number: fault}), world_, pools, attempt)
        try:
            assert attempt.outcome is not False
            inspect(inner, world_, attempt, succeeded=succeeded)
            inspect_again(name, inner, world_, 8, attempt)
        except BaseException as error:
            error.add_note(f"{name}: {fault.name} at request {number}")
            raise
        count_crash_point()
