"""Interleaved rounds: in every round each step is run by all contestants, one right after the other."""

import filecmp
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import CHECK, COMPARED, FULL, LISTED, RESTORE, VERIFY, Contestant, Place
from bench.measured_process import ProgramFailedError, measure
from bench.volume_image import Images

ORDER = (FULL, RESTORE, CHECK, VERIFY, LISTED, COMPARED)


@dataclass(frozen=True, slots=True)
class Sample:
    """One contestant's one step in one round. `stored_bytes` is by how much the repository grew."""

    round: int
    step: str
    contestant: str
    user_seconds: float
    system_seconds: float
    wall_seconds: float
    peak_bytes: int
    stored_bytes: int
    requests: dict[str, int] | None

    @property
    def cpu_seconds(self) -> float:
        """User and system time."""
        return self.user_seconds + self.system_seconds


def run_rounds(
    contestants: Sequence[Contestant],
    images: Images,
    folder: Path,
    count: int,
    cores: frozenset[int] | None,
    say: Callable[[str], None],
) -> list[Sample]:
    """All samples of `count` rounds. What the programs write is removed after each round."""
    samples = []
    for number in range(count):
        warm(images)
        # Nobody follows the same program in every round.
        order = random.Random(number).sample(contestants, len(contestants))
        places = {one.name: _prepare(one, folder / f"{at}", images) for at, one in enumerate(order)}
        for step in ORDER:
            for one in order:
                if step in one.steps(places[one.name]):
                    sample = _run(one, step, number, places[one.name], images, cores)
                    samples.append(sample)
                    say(
                        f"round {number + 1}: {step:26} {one.name:18} CPU {sample.cpu_seconds:7.2f} s,"
                        f" wall {sample.wall_seconds:7.2f} s, {sample.stored_bytes / 1e6:8.1f} MB stored"
                    )
        for place in places.values():
            place.remove()
    return samples


def warm(images: Images) -> None:
    """Have both images in the page cache, so that nobody pays for the disk."""
    for image in (images.before, images.after):
        with image.open("rb") as file:
            while file.read(1 << 20):
                pass


def _prepare(contestant: Contestant, folder: Path, images: Images) -> Place:
    """A fresh folder with the volume's first state and an empty repository."""
    place = Place(folder, images.changed_blocks)
    place.prepare(images.before)
    measure(contestant.initialise(place), place.environment(), folder)
    return place


def _run(
    contestant: Contestant, step: str, number: int, place: Place, images: Images, cores: frozenset[int] | None
) -> Sample:
    repository = place.repository
    if step == LISTED:
        place.copy_repository()
        repository = place.twin
    if step in (LISTED, COMPARED):
        place.replace_volume(images.after)
    before_bytes = folder_bytes(repository)
    os.sync()  # what the program before has left to the kernel is not this one's to wait for
    used = measure(contestant.steps(place)[step], place.environment(), place.folder, cores)
    if step == RESTORE:
        if not filecmp.cmp(place.restored, images.before, shallow=False):
            raise ProgramFailedError(f"{contestant.name} restored other bytes than it backed up")
        place.restored.unlink()
    return Sample(
        round=number,
        step=step,
        contestant=contestant.name,
        user_seconds=used.user_seconds,
        system_seconds=used.system_seconds,
        wall_seconds=used.wall_seconds,
        peak_bytes=used.peak_bytes,
        stored_bytes=folder_bytes(repository) - before_bytes,
        requests=contestant.requests(step, used.output),
    )


def folder_bytes(folder: Path) -> int:
    """The sum of the sizes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
