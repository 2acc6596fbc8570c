"""What it costs to free what deleted points alone needed: the older half of twenty, beside restic and borg."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Protocol

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import page, plot  # noqa: E402 - found through the line above
from bench.contestants import VOLUME, Borg, Contestant, Holdfast, Place, Restic  # noqa: E402
from bench.measured_process import measure  # noqa: E402
from bench.rounds import folder_bytes  # noqa: E402
from bench.scale import setting  # noqa: E402
from bench.volume_image import make_images  # noqa: E402

MEBIBYTE = 1 << 20
POINTS = 20
DELETED = POINTS // 2
CHANGED_SHARE = 0.02
_PIECE_BYTES = 256 * 1024


class Collector(Protocol):
    """A program with the commands that make many points, delete some, and free what nothing needs any more."""

    @property
    def contestant(self) -> Contestant:
        """What makes its repository, and how it is called."""

    def back_up(self, place: Place, number: int) -> list[str]:
        """One more point of the volume."""

    def name_of(self, number: int, output: str) -> str:
        """How the point is called that this command said it made."""

    def delete(self, place: Place, point: str) -> list[str]:
        """The point is gone; what it needed is not free yet."""

    def collect(self, place: Place) -> list[str]:
        """What is measured."""


@dataclass(frozen=True, slots=True)
class HoldfastCollector:
    """`repository collect-garbage`."""

    contestant: Contestant

    def back_up(self, place: Place, number: int) -> list[str]:
        """Read and compared, for nobody says what changed."""
        return [_holdfast(), "image", "backup", VOLUME, "--workload", "volume", "--output", "json", *_at(place)]

    def name_of(self, number: int, output: str) -> str:
        """Its id."""
        return str(json.loads(output)["restore_point"])

    def delete(self, place: Place, point: str) -> list[str]:
        """`image delete`."""
        return [_holdfast(), "image", "delete", point, "--yes", *_at(place)]

    def collect(self, place: Place) -> list[str]:
        """Packs of which more than a tenth is dead are written anew."""
        return [_holdfast(), "repository", "collect-garbage", str(place.repository), "--no-progress"]


@dataclass(frozen=True, slots=True)
class ResticCollector:
    """`prune`."""

    contestant: Contestant

    def back_up(self, place: Place, number: int) -> list[str]:
        """As in the other figures."""
        return [*_restic(place), "--json", "backup", VOLUME]

    def name_of(self, number: int, output: str) -> str:
        """Of its last line."""
        return str(json.loads(output.splitlines()[-1])["snapshot_id"])

    def delete(self, place: Place, point: str) -> list[str]:
        """`forget`."""
        return [*_restic(place), "forget", point]

    def collect(self, place: Place) -> list[str]:
        """Its own limit: 5 % of the repository may stay unused."""
        return [*_restic(place), "prune"]


@dataclass(frozen=True, slots=True)
class BorgCollector:
    """`compact`."""

    contestant: Contestant

    def back_up(self, place: Place, number: int) -> list[str]:
        """As in the other figures."""
        return ["borg", "create", "--compression", "zstd,3", f"{place.repository}::p{number}", VOLUME]

    def name_of(self, number: int, output: str) -> str:
        """It was given."""
        return f"p{number}"

    def delete(self, place: Place, point: str) -> list[str]:
        """`delete`."""
        return ["borg", "delete", f"{place.repository}::{point}"]

    def collect(self, place: Place) -> list[str]:
        """Its own limit: a segment stays while less than 10 % of it would be free."""
        return ["borg", "compact", str(place.repository)]


COLLECTORS: tuple[Collector, ...] = (
    HoldfastCollector(Holdfast("default")),
    ResticCollector(Restic("auto")),
    BorgCollector(Borg()),
)


@dataclass(frozen=True, slots=True)
class Freed:
    """What one collection used. Bytes of the whole repository, before and after; `lean_bytes` of one that never had the
    deleted points.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    before_bytes: int
    after_bytes: int
    lean_bytes: int


def main() -> None:
    """Measure, print, and where asked for write the figures into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (3)")
    parser.add_argument("--size", type=int, default=256, metavar="MIB", help="size of the image in MiB (256)")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/performance.md")
    images = Path(tempfile.gettempdir()) / "holdfast-bench-images"
    parser.add_argument("--images", type=Path, default=images, help="where images are kept between runs")
    options = parser.parse_args()
    with ProcessPoolExecutor(1) as pool:  # in a process of its own: a child inherits its parent's peak memory
        folder = options.images / f"{options.size}-mib"
        image = pool.submit(make_images, folder, options.size * MEBIBYTE, CHANGED_SHARE).result().before
    found: dict[str, list[Freed]] = {one.contestant.name: [] for one in COLLECTORS}
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=options.images) as name:
            for program, freed in _round(Path(name), image, number).items():
                found[program].append(freed)
                print(f"round {number + 1}: {program:18} CPU {freed.cpu_seconds:.2f} s", flush=True)
    sections = {"collecting: setting": _setting(options.rounds, options.size), "collecting: figures": table(found)}
    print(*sections.values(), sep="\n\n")
    if options.docs:
        docs = ROOT / "docs"
        bars = {name: [one.cpu_seconds for one in rounds] for name, rounds in found.items()}
        plot.draw_panels({"collection": bars}, "", docs / "collecting.svg")
        sections["collecting: figures"] += "\n\n![CPU seconds of a collection](collecting.svg)"
        page.write_sections(docs / "performance.md", sections)


def _round(folder: Path, image: Path, number: int) -> dict[str, Freed]:
    """Every program makes the same points and loses the same ones; then each collects, one right after the other. In a
    repository of its own each makes those alone that stay.
    """
    dice = random.Random(number)
    state = folder / VOLUME
    shutil.copyfile(image, state)  # of what this process holds its children inherit the peak
    programs = dice.sample(COLLECTORS, len(COLLECTORS))
    places = {one.contestant.name: Place(folder / f"{at}", folder) for at, one in enumerate(programs)}
    lean = {one.contestant.name: Place(folder / f"{at}-lean", folder) for at, one in enumerate(programs)}
    points: dict[str, list[str]] = {name: [] for name in places}
    for one in programs:
        for place in (places[one.contestant.name], lean[one.contestant.name]):
            place.prepare(state)
            _run(one.contestant.initialise(place), place)
    for at in range(POINTS):
        for one in programs:
            place = places[one.contestant.name]
            points[one.contestant.name].append(one.name_of(at, _run(one.back_up(place, at), place)))
            if at >= DELETED:
                _run(one.back_up(lean[one.contestant.name], at), lean[one.contestant.name])
        _change(state, dice)
    found = {}
    for one in programs:
        place = places[one.contestant.name]
        for point in points[one.contestant.name][:DELETED]:
            _run(one.delete(place, point), place)
        before_bytes = folder_bytes(place.repository)
        os.sync()
        used = measure(one.collect(place), place.environment(), place.folder)
        after_bytes, lean_bytes = folder_bytes(place.repository), folder_bytes(lean[one.contestant.name].repository)
        found[one.contestant.name] = Freed(
            used.cpu_seconds, used.wall_seconds, used.peak_bytes, before_bytes, after_bytes, lean_bytes
        )
    return found


def _run(command: list[str], place: Place) -> str:
    done = subprocess.run(
        command, cwd=place.folder, env=place.environment(), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def _change(state: Path, dice: random.Random) -> None:
    """A fiftieth of the volume, in pieces, that half compresses."""
    size_bytes = state.stat().st_size
    with state.open("r+b") as file:
        for _piece in range(int(size_bytes * CHANGED_SHARE) // _PIECE_BYTES):
            file.seek(dice.randrange(0, size_bytes - _PIECE_BYTES, 4096))
            file.write(dice.randbytes(_PIECE_BYTES // 2) + bytes(_PIECE_BYTES // 2))


def table(found: Mapping[str, list[Freed]]) -> str:
    """Medians in Markdown; the ratio is the median of those within a round."""
    ours = found[COLLECTORS[0].contestant.name]
    lines = [
        (
            "| program | CPU s | wall s | peak MiB | MB before | MB left | MB without them from the start "
            "| CPU against holdfast default |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, rounds in found.items():
        against = median(one.cpu_seconds / own.cpu_seconds for one, own in zip(rounds, ours, strict=True))
        lines.append(
            f"| {name} | {median(one.cpu_seconds for one in rounds):.2f} "
            f"| {median(one.wall_seconds for one in rounds):.2f} "
            f"| {median(one.peak_bytes for one in rounds) / MEBIBYTE:.0f} "
            f"| {median(one.before_bytes for one in rounds) / 1e6:.1f} "
            f"| {median(one.after_bytes for one in rounds) / 1e6:.1f} "
            f"| {median(one.lean_bytes for one in rounds) / 1e6:.1f} | {against:.2f} × |"
        )
    return "\n".join(lines)


def _setting(rounds: int, size: int) -> str:
    programs = ", ".join(one.contestant.version() for one in COLLECTORS)
    how = f"medians of {rounds} rounds" if rounds > 1 else "one round"
    return f"{programs}; an image of {size} MiB, {how}. {setting()}"


def _restic(place: Place) -> list[str]:
    return ["restic", "--repo", str(place.repository), "--cache-dir", str(place.folder / "cache")]


def _at(place: Place) -> list[str]:
    return ["--no-progress", "--repository", str(place.repository)]


def _holdfast() -> str:
    return str(Path(sys.executable).parent / "holdfast")


if __name__ == "__main__":
    main()
