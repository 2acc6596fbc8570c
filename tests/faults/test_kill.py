"""kill -9 at any moment: real processes of the command line on a directory, real files, no chance to clean up.

What was committed restores byte for byte, what was not leaves no point, the next run works, and what a dead writer left
in `incoming/` is bounded and goes away. `KILLS=10000 pytest tests/faults/test_kill.py` is a campaign of that length,
`SEED` its other parameter.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast.images.file_target import FileTarget
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.checking.check import check_repository
from holdfast.repository.opening import Repository
from holdfast.repository.points import list_points
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.stores.directory import LEFTOVER_AGE_SECONDS, DirectoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put, restored

KILLS = int(os.environ.get("KILLS", "30"))
SEED = int(os.environ.get("SEED", "1"))
BLOCKS = 24
CHANGED_BLOCKS = 12
PACK_SIZE_BYTES = 2 * 1024 * 1024
MEMORY_FOLDER = Path("/dev/shm")
# Three uploads of data packs and of map packs each, and one small object, are under way at most.
LEFTOVERS_OF_ONE_KILL = 7
START_LIMIT_SECONDS = 60.0


@dataclass
class Ground:
    """A directory repository, an image that changes, and what every committed point must give back."""

    folder: Path
    small: SmallRepository
    dice: random.Random
    contents: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def image(self) -> Path:
        return self.folder / "image"

    def open(self) -> Repository:
        return self.small.open(deterministic_surroundings(self.dice.randrange(1 << 16)))

    def change_image(self) -> bytes:
        """Some blocks anew, some zeros, sometimes another size."""
        content = bytearray(self.image.read_bytes() if self.image.exists() else self.dice.randbytes(BLOCKS << 19))
        for _ in range(CHANGED_BLOCKS):
            at = self.dice.randrange(BLOCKS) * BLOCK_SIZE_BYTES
            zeros = self.dice.random() < 0.3
            content[at : at + BLOCK_SIZE_BYTES] = (
                bytes(BLOCK_SIZE_BYTES) if zeros else self.dice.randbytes(BLOCK_SIZE_BYTES)
            )
        del content[(BLOCKS << 19) - self.dice.choice([0, 0, 1000]) :]
        content = content.ljust((BLOCKS << 19) - 1000, b"\1")
        self.image.write_bytes(content)
        return bytes(content)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        common = ["--repository", self.small.store.location, "--password-file", str(self.folder / "code")]
        command = [sys.executable, "-m", "holdfast.cli.main", "image", *words, *common]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def back_up(self) -> "subprocess.Popen[bytes]":
        return self.start("backup", str(self.image), "--workload", "disk", "--no-progress")

    def leftovers(self) -> int:
        incoming = Path(self.small.store.location) / "incoming"
        return len(list(incoming.iterdir())) if incoming.exists() else 0

    def batches(self) -> int:
        ledger = Path(self.small.store.location) / "ledger"
        return len(list(ledger.iterdir())) if ledger.exists() else 0


@pytest.fixture
def ground() -> Iterator[Ground]:
    place = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place, prefix="holdfast-kill-") as name:
        folder = Path(name)
        store = DirectoryStore(folder / "repository")
        small = make_small_repository(store, deterministic_surroundings(SEED), PACK_SIZE_BYTES)
        (folder / "code").write_bytes(small.secret.text or b"")
        yield Ground(folder, small, random.Random(SEED))


def wait_for_start(ground: Ground, process: "subprocess.Popen[bytes]", batches: int) -> None:
    """Until the process has announced its session in the ledger, or ended."""
    deadline_seconds = time.monotonic() + START_LIMIT_SECONDS
    while ground.batches() == batches and process.poll() is None and time.monotonic() < deadline_seconds:
        time.sleep(0.002)


def finished(process: "subprocess.Popen[bytes]") -> None:
    said = process.communicate()[1]
    assert process.returncode == 0, said.decode()


def timed_backup(ground: Ground) -> float:
    """An undisturbed backup; how long it takes from its announcement to its end, in seconds."""
    content = ground.change_image()
    batches = ground.batches()
    process = ground.back_up()
    wait_for_start(ground, process, batches)
    started = time.monotonic()
    finished(process)
    taken_seconds = time.monotonic() - started
    note_new_points(ground, content, at_least=1)
    return taken_seconds


def note_new_points(ground: Ground, content: bytes, at_least: int) -> None:
    """At most one point more than before, which gives back `content`; all others are still there."""
    repository = ground.open()
    points = {point.session: point for point in list_points(repository)}
    assert set(ground.contents) <= set(points)
    new = set(points) - set(ground.contents)
    assert at_least <= len(new) <= 1
    for session in new:
        assert restored(repository, points[session]) == content
        ground.contents[session] = content


def test_kill(ground, count_case):
    tail_seconds = timed_backup(ground)
    killed = 0
    most_leftovers = 0
    for number in range(KILLS):
        content = ground.change_image()
        batches, leftovers = ground.batches(), ground.leftovers()
        process = ground.back_up()
        if number % 6:
            wait_for_start(ground, process, batches)
            time.sleep(ground.dice.random() * tail_seconds)
        else:
            time.sleep(ground.dice.random() * 0.5)
        process.kill()
        process.communicate()
        killed += process.returncode < 0
        note_new_points(ground, content, at_least=int(process.returncode == 0))
        most_leftovers = max(most_leftovers, ground.leftovers() - leftovers)
        count_case()
        if number % 8 == 7:
            tail_seconds = timed_backup(ground)
    assert killed > KILLS // 3
    assert most_leftovers <= LEFTOVERS_OF_ONE_KILL
    timed_backup(ground)
    everything_is_there(ground)
    a_day_later_nothing_is_left_over(ground)


def everything_is_there(ground: Ground) -> None:
    repository = ground.open()
    points = list_points(repository)
    assert {point.session for point in points} == set(ground.contents)
    for number, point in enumerate(points):
        target = ground.folder / f"restored-{number}"
        restore_volume(repository, point, FileTarget(target, force=False), Silence())
        assert target.read_bytes() == ground.contents[point.session]
        target.unlink()
    assert check_repository(ground.open(), 100, Silence()).damage == ()


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
    finished(ground.start("restore", "latest:disk", "--to", str(target), "--no-progress"))
    whole_seconds = time.monotonic() - started
    for _ in range(6):
        target.unlink(missing_ok=True)
        process = ground.start("restore", "latest:disk", "--to", str(target), "--no-progress")
        time.sleep((0.5 + ground.dice.random() / 2) * whole_seconds)
        process.kill()
        process.communicate()
        assert not target.exists() or target.read_bytes() == content
    target.unlink(missing_ok=True)
    finished(ground.start("restore", "latest:disk", "--to", str(target), "--no-progress"))
    assert target.read_bytes() == content
    assert [path.name for path in ground.folder.iterdir() if "partial" in path.name] == []


def test_four_commands_at_once(ground):
    """Four processes back up the same image to one repository, two of them as the same workload: four points come."""
    content = ground.change_image()
    running = [
        ground.start("backup", str(ground.image), "--workload", workload, "--no-progress")
        for workload in ("disk", "disk", "other", "third")
    ]
    for process in running:
        finished(process)
    repository = ground.open()
    points = list_points(repository)
    assert sorted(point.workload for point in points) == ["disk", "disk", "other", "third"]
    assert all(restored(repository, point) == content for point in points)
    assert check_repository(ground.open(), 100, Silence()).damage == ()
