"""What a backup that was killed at half of a volume reads again when it is run again: real processes, `kill -9`."""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import page, scale  # noqa: E402 - found through the line above
from bench.contestants import FULL, VOLUME, Holdfast, Place  # noqa: E402
from bench.measured_process import ProgramFailedError  # noqa: E402

MEBIBYTE = 1 << 20
SIZES_MIB = (1024, 4096, 16384)
_PAGE_BYTES = 4096
_LOOK_SECONDS = 0.002
# A file that was changed, or linked, a moment ago has no identity yet; a backup waits for it.
_SETTLED_SECONDS = 3
OURS = Holdfast("default")


@dataclass(frozen=True, slots=True)
class Resumed:
    """One backup that died and the one that went on, in bytes of the source, and in wall seconds."""

    size_bytes: int
    read_bytes: int
    rest_bytes: int
    first_seconds: float
    second_seconds: float

    @property
    def again_bytes(self) -> int:
        """Read by both."""
        return self.read_bytes + self.rest_bytes - self.size_bytes


def main() -> None:
    """Measure, print, and where asked for write the table into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="kills of each size (3)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES_MIB, metavar="MIB", help="sizes of the volume")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/performance.md")
    options = parser.parse_args()
    figures = table(_killed(size_mib * MEBIBYTE, options.rounds) for size_mib in options.sizes)
    sections = {"resuming: figures": figures, "resuming: setting": scale.setting()}
    print(*sections.values(), sep="\n\n")
    if options.docs:
        page.write_sections(ROOT / "docs" / "performance.md", sections)


def _killed(size_bytes: int, rounds: int) -> list[Resumed]:
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name:
        volume = Path(name) / VOLUME
        _fill(volume, size_bytes)
        return [_killed_at_half(Path(name) / f"{number}", volume) for number in range(rounds)]


def _fill(volume: Path, size_bytes: int) -> None:
    """Half of each page is random, so it compresses to half and no page is there twice."""
    dice = random.Random(size_bytes)
    with volume.open("wb") as file:
        for _number in range(size_bytes // MEBIBYTE):
            noise = dice.randbytes(MEBIBYTE // 2)
            half = _PAGE_BYTES // 2
            file.write(b"".join(noise[at : at + half] + bytes(half) for at in range(0, len(noise), half)))
        os.fsync(file.fileno())


def _killed_at_half(folder: Path, volume: Path) -> Resumed:
    place = Place(folder, folder)
    place.prepare(volume)
    size_bytes = volume.stat().st_size
    subprocess.run(OURS.initialise(place), cwd=folder, env=place.environment(), check=True, capture_output=True)
    command = OURS.steps(place)[FULL]
    time.sleep(_SETTLED_SECONDS)
    began = time.monotonic()
    first = subprocess.Popen(
        command, cwd=folder, env=place.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        read_bytes = stopped_at(first, size_bytes // 2)
    finally:
        first.kill()
        first.wait()
    between = time.monotonic()
    second = subprocess.run(command, cwd=folder, env=place.environment(), check=True, capture_output=True)
    ended = time.monotonic()
    said = json.loads(second.stdout)
    place.remove()
    return Resumed(
        size_bytes=size_bytes,
        read_bytes=read_bytes,
        rest_bytes=said["read_bytes"],
        first_seconds=between - began,
        second_seconds=ended - between,
    )


def stopped_at(process: "subprocess.Popen[bytes]", limit_bytes: int) -> int:
    """Stop it once it has read so much of its volume; how much it had. Raises ProgramFailedError if it ended."""
    start_bytes: int | None = None
    while process.poll() is None:
        if start_bytes is None:
            start_bytes = _read_so_far(process.pid) if _holds_volume(process.pid) else None
        elif _read_so_far(process.pid) - start_bytes >= limit_bytes:
            os.kill(process.pid, signal.SIGSTOP)
            return _read_so_far(process.pid) - start_bytes
        time.sleep(_LOOK_SECONDS)
    raise ProgramFailedError(f"the backup ended with {process.returncode} before it had read half of its volume")


def _holds_volume(process_id: int) -> bool:
    """Whether it has opened the volume: what it read before was itself."""
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            if descriptor.readlink().name == VOLUME:
                return True
    return False


def _read_so_far(process_id: int) -> int:
    """Bytes that it asked the kernel for (proc(5), rchar)."""
    lines = Path(f"/proc/{process_id}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


COLUMNS = (
    "source",
    "read by the first run",
    "by the second",
    "read twice",
    "at most",
    "",
    "s to the kill",
    "s, the second",
)


def table(found: Iterable[Sequence[Resumed]]) -> str:
    """Means in Markdown, a row for each size."""
    return scale.table(COLUMNS, map(_row, found))


def _row(rounds: Sequence[Resumed]) -> tuple[str, ...]:
    size_bytes, most_bytes = rounds[0].size_bytes, max(one.again_bytes for one in rounds)
    return (
        f"{size_bytes / 2**30:g} GiB",
        _megabytes(mean(one.read_bytes for one in rounds)),
        _megabytes(mean(one.rest_bytes for one in rounds)),
        _megabytes(mean(one.again_bytes for one in rounds)),
        _megabytes(most_bytes),
        f"{most_bytes / size_bytes:.1%}",
        f"{mean(one.first_seconds for one in rounds):.1f}",
        f"{mean(one.second_seconds for one in rounds):.1f}",
    )


def _megabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
