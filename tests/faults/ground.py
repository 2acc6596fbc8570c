"""Where real processes of the command line are killed: a directory repository, an image, and what must stay true."""

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.images.file_target import FileTarget
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import SmallRepository, make_small_repository, restored
from tests.warm_processes import COMMANDS, Stable, WarmProcess

SEED = int(os.environ.get("SEED", "1"))
BLOCKS = 24
CHANGED_BLOCKS = 12
PACK_SIZE_BYTES = 2 * 1024 * 1024
MEMORY_FOLDER = Path("/dev/shm")
START_LIMIT_SECONDS = 120.0


@dataclass
class Ground:
    """A directory repository, an image that changes, and what every committed point must give back."""

    folder: Path
    small: SmallRepository
    stable: Stable
    dice: random.Random
    contents: dict[bytes, bytes] = field(default_factory=dict)
    started: int = 0

    @property
    def image(self) -> Path:
        return self.folder / "image"

    def open(self) -> Repository:
        return self.small.open(deterministic_surroundings(self.dice.randrange(1 << 62)))

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

    def start(self, *words: str) -> WarmProcess:
        return self.command("image", *words, "--repository", self.small.store.location)

    def command(self, *words: str) -> WarmProcess:
        self.started += 1
        errors = self.folder / f"errors-{self.started}"
        words = (*words, "--password-file", str(self.folder / "code"), "--no-progress")
        with open(os.devnull, "r+b") as nothing, errors.open("xb") as said:
            return self.stable.start(words, (nothing.fileno(), nothing.fileno(), said.fileno()), errors)

    def back_up(self) -> WarmProcess:
        return self.start("backup", str(self.image), "--workload", "disk")

    def collect(self) -> WarmProcess:
        return self.command("repository", "collect-garbage", self.small.store.location, "--wait", "0")

    def leftovers(self) -> int:
        incoming = Path(self.small.store.location) / "incoming"
        return len(list(incoming.iterdir())) if incoming.exists() else 0

    def batches(self) -> int:
        ledger = Path(self.small.store.location) / "ledger"
        return len(list(ledger.iterdir())) if ledger.exists() else 0


# A victim that had ended by itself before it was struck is no kill, and the next one is tried.
TRIES_FOR_A_KILL = 3


@dataclass
class Aim:
    """When to strike: at any moment of the `seconds` that a victim works. One that was gone already brings the next
    strike nearer, so that most hit, however fast the machine is at the time.
    """

    seconds: float

    def moment(self, dice: random.Random) -> float:
        return dice.random() * self.seconds

    def learn(self, *, hit: bool) -> None:
        self.seconds *= 1.05 if hit else 0.7


@contextmanager
def new_ground(pack_size_bytes: int = PACK_SIZE_BYTES) -> Iterator[Ground]:
    """In memory where the machine has such a folder."""
    place = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place, prefix="holdfast-kill-") as name:
        folder = Path(name)
        store = DirectoryStore(folder / "repository")
        small = make_small_repository(store, deterministic_surroundings(SEED), pack_size_bytes)
        (folder / "code").write_bytes(small.secret.text or b"")
        stable = Stable(COMMANDS)
        yield Ground(folder, small, stable, random.Random(SEED))
        stable.close()


def wait_for_start(ground: Ground, process: WarmProcess, batches: int) -> None:
    """Until the process has announced its session in the ledger, or ended."""
    deadline_seconds = time.monotonic() + START_LIMIT_SECONDS
    while ground.batches() == batches and process.poll() is None and time.monotonic() < deadline_seconds:
        time.sleep(0.002)


def finished(process: "WarmProcess | subprocess.Popen[bytes]") -> None:
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
