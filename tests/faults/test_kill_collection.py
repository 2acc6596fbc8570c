"""kill -9 of collections and of backups beside them, real processes all: no point is lost, and in the end nothing that
no point needs is left.

`KILLS=10000 pytest tests/faults/test_kill_collection.py` is a campaign of that length, `SEED` its other parameter.
"""

import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from tests.faults.ground import (
    SEED,
    TRIES_FOR_A_KILL,
    Aim,
    Ground,
    everything_is_there,
    new_ground,
    note_new_points,
    timed_backup,
)
from tests.faults.world import collect

KILLS = int(os.environ.get("KILLS", "24"))
KEPT_POINTS = 3
DONE = (0, 3)


@pytest.fixture
def ground() -> Iterator[Ground]:
    with new_ground() as made:
        yield made


def delete_some(ground: Ground) -> None:
    """All but a few, chosen by the dice."""
    repository = ground.open()
    points = list_points(repository)
    for point in ground.dice.sample(points, max(len(points) - KEPT_POINTS, 0)):
        retire(repository, point.session, point.key)
        del ground.contents[point.session]


def packs_in(ground: Ground) -> set[str]:
    return {info.key for info in ground.small.store.list(names.PACKS)}


def collect_a_day_later(ground: Ground):
    """Nothing else runs: sessions that were killed have given no sign of life for a day."""
    later = SteppableClock(datetime.now(UTC) + timedelta(days=2))
    repository = ground.small.open(deterministic_surroundings(ground.dice.randrange(1 << 62), later))
    return collect(repository)


def undisturbed(ground: Ground) -> float:
    """A backup and a collection beside it, both to their ends; how long that takes, in seconds."""
    content, began = ground.change_image(), time.monotonic()
    backup, collection = ground.back_up(), ground.collect()
    for process in (backup, collection):
        process.communicate()
        assert process.returncode in DONE
    taken_seconds = time.monotonic() - began
    note_new_points(ground, content, at_least=1)
    return taken_seconds


def test_kill(ground, count_case):
    dice = random.Random(SEED)
    timed_backup(ground)
    number, killed, seen = 0, 0, packs_in(ground)
    while killed < KILLS:
        assert number < TRIES_FOR_A_KILL * KILLS, "most victims had ended by themselves"
        if number % 8 == 0:
            aim = Aim(undisturbed(ground))
        delete_some(ground)
        content = ground.change_image()
        backup, collection = ground.back_up(), ground.collect()
        victims = dice.choice([(backup,), (collection,), (backup, collection)])
        time.sleep(aim.moment(dice))
        for victim in victims:
            victim.kill()
        for process in (backup, collection):
            said = process.communicate()[1].decode()
            assert process.returncode < 0 or process.returncode in DONE, said
        hits = sum(victim.returncode < 0 for victim in victims)
        killed += hits
        count_case(hits)
        aim.learn(hit=hits > 0)
        note_new_points(ground, content, at_least=int(backup.returncode in DONE))
        seen |= packs_in(ground)
        if number % 4 == 3:
            assert collect_a_day_later(ground).waiting == ()
        number += 1
    collect_a_day_later(ground)
    assert collect_a_day_later(ground).condemned == 0
    assert seen - packs_in(ground), "nothing was freed at all"
    everything_is_there(ground)
    assert check_repository(ground.open(), None, Silence()).unreferenced_packs == 0


ROUNDS = 4


def test_beside_two_backups_and_a_restore(ground):
    """All of them begin at once, and there is garbage: what is read, what is written and what was there stays whole."""
    for _ in range(KEPT_POINTS + 1):
        timed_backup(ground)
    seen = packs_in(ground)
    for number in range(ROUNDS):
        delete_some(ground)
        session, expected = ground.dice.choice(list(ground.contents.items()))
        content, target = ground.change_image(), ground.folder / f"read-{number}"
        running = [ground.start("backup", str(ground.image), "--workload", workload) for workload in ("disk", "other")]
        running += [ground.start("restore", session.hex(), "--to", str(target)), ground.collect()]
        for process in running:
            said = process.communicate()[1].decode()
            assert process.returncode in DONE, said
        assert target.read_bytes() == expected
        new = {point.session for point in list_points(ground.open())} - set(ground.contents)
        assert len(new) == 2
        ground.contents |= dict.fromkeys(new, content)
        seen |= packs_in(ground)
    everything_is_there(ground)
    assert collect_a_day_later(ground).waiting == ()
    assert seen - packs_in(ground), "nothing was freed at all"
    everything_is_there(ground)
