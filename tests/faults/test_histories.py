"""Histories of misfortune: operations one after the other on one repository, each hit by up to two faults.

A single fault is enumerated elsewhere; here what one death left meets the next one, hours later. `HISTORIES` and `SEED`
make a campaign of it.
"""

import dataclasses
import os
import random

import pytest

from holdfast.domain.errors import HoldfastError
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.small_repository import restored
from tests.faults.operations import ACTS, Attempt, run
from tests.faults.world import World, world

HISTORIES = int(os.environ.get("HISTORIES", "20"))
SEED = int(os.environ.get("SEED", "1"))
LENGTH = 6
# Behind the last request of the longest operation there is nothing to hit.
MOST_REQUESTS = 120
LONGEST_PAUSE_HOURS = 30


def known_after(world_: World, store: ObjectStore, attempt: Attempt, clock: SteppableClock, seed: int) -> World:
    """What must be there from now on: at most what the attempt adds has come, at most what it removes has gone."""
    repository = world_.small.open(deterministic_surroundings(seed, clock), store)
    seen = {point.session: point for point in list_points(repository)}
    added, missing = set(seen) - set(world_.contents), set(world_.contents) - set(seen)
    assert len(added) <= (attempt.adds is not None)
    assert missing <= {attempt.removes}
    contents = {session: world_.contents.get(session, attempt.adds or b"") for session in seen}
    for session, point in seen.items():
        assert restored(repository, point) == contents[session]
    return dataclasses.replace(world_, contents=contents)


def live(dice: random.Random, world_: World) -> list[str]:
    """One history; what was done, for whoever has to look into it."""
    store, clock, done = world_.small.copied().store, SteppableClock(), []
    for turn in range(LENGTH):
        name = dice.choice([*ACTS, "collect"])
        plan = {dice.randrange(MOST_REQUESTS): dice.choice(list(Fault)) for _ in range(dice.randrange(3))}
        clock.step(dice.random() * LONGEST_PAUSE_HOURS * 3600)
        attempt = Attempt()
        done.append(f"{name} {plan}")
        try:
            run(name, FaultyStore(store, plan), world_, 100 + turn, attempt, clock)
        except (HoldfastError, SimulatedCrash):
            done[-1] += ", failed"
        try:
            world_ = known_after(world_, store, attempt, clock, 200 + turn)
        except BaseException as error:
            error.add_note("; ".join(done))
            raise
    repository = world_.small.open(deterministic_surroundings(300, clock), store)
    assert check_repository(repository, 100, Silence()).damage == (), done
    return done


@pytest.mark.parametrize("with_plan", [False, True])
def test_nothing_is_lost_in_any_history(with_plan, count_case):
    failed = 0
    for number in range(HISTORIES):
        history = live(random.Random(f"{SEED} {number}"), world(with_plan=with_plan))
        failed += sum(line.endswith(", failed") for line in history)
        count_case()
    assert failed > HISTORIES // 2, "the faults must hit something"
