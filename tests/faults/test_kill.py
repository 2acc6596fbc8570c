"""kill -9 at any moment: real processes of the command line on a directory, real files, no chance to clean up.

What was committed restores byte for byte, what was not leaves no point, the next run works, and what a dead writer left
in `incoming/` is bounded and goes away. `KILLS=10000 pytest tests/faults/test_kill.py` is a campaign of that length,
`SEED` its other parameter.
"""

import os
import time
from collections.abc import Iterator

import pytest

from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.directory import LEFTOVER_AGE_SECONDS, DirectoryStore
from holdfast.testing.small_repository import put, restored
from tests.faults.ground import (
    TRIES_FOR_A_KILL,
    Aim,
    Ground,
    everything_is_there,
    finished,
    new_ground,
    note_new_points,
    timed_backup,
    wait_for_start,
)

KILLS = int(os.environ.get("KILLS", "60"))
# Three uploads of data packs and of map packs each, and one small object, are under way at most.
LEFTOVERS_OF_ONE_KILL = 7
# Before a backup has announced itself.
START_SECONDS = 0.1


@pytest.fixture
def ground() -> Iterator[Ground]:
    with new_ground() as made:
        yield made


def test_kill(ground, count_case):
    tail = Aim(timed_backup(ground))
    number = killed = most_leftovers = 0
    while killed < KILLS:
        assert number < TRIES_FOR_A_KILL * KILLS, "most victims had ended by themselves"
        content = ground.change_image()
        batches, leftovers = ground.batches(), ground.leftovers()
        process = ground.back_up()
        if number % 6:
            wait_for_start(ground, process, batches)
            time.sleep(tail.moment(ground.dice))
        else:
            time.sleep(ground.dice.random() * START_SECONDS)
        process.kill()
        process.communicate()
        is_hit = process.returncode < 0
        killed += is_hit
        count_case(int(is_hit))
        if number % 6:
            tail.learn(hit=is_hit)
        note_new_points(ground, content, at_least=int(process.returncode == 0))
        most_leftovers = max(most_leftovers, ground.leftovers() - leftovers)
        if number % 8 == 7:
            tail = Aim(timed_backup(ground))
        number += 1
    assert most_leftovers <= LEFTOVERS_OF_ONE_KILL
    timed_backup(ground)
    everything_is_there(ground)
    a_day_later_nothing_is_left_over(ground)


def a_day_later_nothing_is_left_over(ground: Ground) -> None:
    later = DirectoryStore(ground.small.store.location, clock=lambda: time.time() + LEFTOVER_AGE_SECONDS + 60)
    put(later, "sessions/probe", b"")
    assert ground.leftovers() == 0


def test_kill_a_restore(ground):
    """Nothing bears the target's name unless it is whole, and the same command, run again, brings it."""
    timed_backup(ground)
    [content] = ground.contents.values()
    target = ground.folder / "restored"
    started = time.monotonic()
    finished(ground.start("restore", "latest:disk", "--to", str(target)))
    whole_seconds = time.monotonic() - started
    for _ in range(6):
        target.unlink(missing_ok=True)
        process = ground.start("restore", "latest:disk", "--to", str(target))
        time.sleep((0.5 + ground.dice.random() / 2) * whole_seconds)
        process.kill()
        process.communicate()
        assert not target.exists() or target.read_bytes() == content
    target.unlink(missing_ok=True)
    finished(ground.start("restore", "latest:disk", "--to", str(target)))
    assert target.read_bytes() == content
    assert [path.name for path in ground.folder.iterdir() if "partial" in path.name] == []


def test_four_commands_at_once(ground):
    """Four processes back up the same image to one repository, two of them as the same workload: four points come."""
    content = ground.change_image()
    running = [
        ground.start("backup", str(ground.image), "--workload", workload)
        for workload in ("disk", "disk", "other", "third")
    ]
    for process in running:
        finished(process)
    repository = ground.open()
    points = list_points(repository)
    assert sorted(point.workload for point in points) == ["disk", "disk", "other", "third"]
    assert all(restored(repository, point) == content for point in points)
    assert check_repository(ground.open(), 100, Silence()).damage == ()
