"""Damage of what only who is at work needs: what workers are told and answer, signs of life, checkpoints, claims of a
lease. A check names it, and no point is hurt.

Its loss cannot be seen: nothing refers to it, and who misses it goes on without it or says so.
"""

import random

import pytest

from holdfast.repository.delegation.backup_side import reprepare
from holdfast.repository.format import names
from holdfast.repository.format.alive import Alive
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.sessions.points import list_points
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore
from holdfast.testing.small_repository import SmallRepository, put
from tests.faults import test_delegated_copy_crash_points as copying
from tests.faults import test_delegated_crash_points as delegated
from tests.faults import test_single_writer as alone
from tests.faults import test_verify_crash_points as verifying
from tests.faults.test_damage import damages, examined, flipped
from tests.unit.repository.delegation.delegated import scratch

ONE_BYTE_IN = 32
HOUR = 494_592


def of_workers() -> SmallRepository:
    """A backup, a verification and a restore whose workers are done; nobody has looked at what they left."""
    run, store = delegated.before("accept", delegated.instance(with_plan=True))
    prepared = reprepare(run.scene.open(60, store), run.session)
    scratch(store, prepared, deterministic_surroundings(61)).say_alive(Alive(run.session, HOUR))
    for number, step in enumerate((verifying.step, delegated.restore)):
        other = delegated.Run(run.scene, bytes([number]) * 16)
        plain = FaultyStore(delegated.copy(run, store), {})
        step(delegated.Run(run.scene, other.session), plain, 20)
        tidies = next(request for request in plain.requests if request.kind == "delete")
        assert not delegated.hit(step, other, store, tidies, Fault.CRASH_BEFORE)
    return SmallRepository(store, run.scene.small.secret)


def of_a_copy() -> SmallRepository:
    """An archive that a worker has copied into; nobody has looked at what it left."""
    return copying.before("accept").repositories[copying.ARCHIVE]


def of_a_single_writer() -> SmallRepository:
    """A claim was left behind."""
    return SmallRepository(alone.left_behind().store, alone.scene().small.secret)


SCENES = {
    "workers": (of_workers, {names.TASK: 3, names.RESULT: 3, names.ALIVE: 1}),
    "copy": (of_a_copy, {names.TASK: 1, names.RESULT: 1}),
    "single writer": (of_a_single_writer, {names.LEASES: 1}),
}


def scratch_of(store: ObjectStore) -> list[str]:
    return [info.key for prefix in (names.SESSIONS, names.LEASES) for info in store.list(prefix)]


@pytest.mark.parametrize("name", SCENES)
def test_damage_is_named_and_hurts_nobody(name, count_case):
    make, least = SCENES[name]
    small, dice = make().copied(), random.Random(name)
    other_store = (of_workers if name == "copy" else of_a_copy)().store
    foreign = bytes(other_store.get(scratch_of(other_store)[0]))
    keys = scratch_of(small.store)
    for part, number in least.items():
        assert sum(part in key for key in keys) >= number, part
    points = list_points(small.open(deterministic_surroundings(70)))
    for key in keys:
        body = bytes(small.store.get(key))
        bits = [(at, dice.randrange(8)) for at in dice.sample(range(len(body)), len(body) // ONE_BYTE_IN)]
        changed: list[tuple[str, bytes | None]] = [
            (f"bit {bit} of byte {at}", flipped(body, at, bit)) for at, bit in bits
        ]
        changed += damages(key.split("/")[0] + "/", small.store, key, foreign)
        for what, other in changed:
            small.store.delete(key)
            if other is not None:
                put(small.store, key, other)
            found, report = examined(small)
            assert found == (set() if other is None else {key}), f"{key}, {what}"
            assert report is not None
            assert not any(one.hurt for one in report)
            assert list_points(small.open(deterministic_surroundings(71))) == points
            count_case()
        put(small.store, key, body)
    assert examined(small) == (set(), ())
