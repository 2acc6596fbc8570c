"""`make bench-scale`: what a repository costs that has grown to 10,000 points and to 10 million chunks. See
docs/performance.md.
"""

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import page  # noqa: E402 - found through the line above
from bench.measured_process import Usage, measure  # noqa: E402
from bench.scale_repository import Grown, grow_chunks, grow_points, new  # noqa: E402
from bench.scale_step import incremental  # noqa: E402
from holdfast.repository.format.map_node import FANOUT  # noqa: E402
from holdfast.testing.deterministic_surroundings import deterministic_surroundings  # noqa: E402

MEBIBYTE, GIBIBYTE, TEBIBYTE = 1 << 20, 1 << 30, 1 << 40
POINTS = (1, 10, 100, 1000, 10_000)
SIZES = (GIBIBYTE, 64 * GIBIBYTE, TEBIBYTE, 16 * TEBIBYTE)
WORKLOADS, VOLUMES, RUNS_OF_EACH = 10, 10, 40


def main() -> None:
    """Grow, measure, print, and where asked for write the figures into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=max(POINTS), help="how many restore points (10000)")
    parser.add_argument("--chunks", type=int, default=10_000_000, help="how many chunks (10000000); 0 leaves them out")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where repositories are grown")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/performance.md")
    options = parser.parse_args()
    sections: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="holdfast-scale-", dir=options.folder) as name:
        folder = Path(name)
        if options.points:
            sections["scale: points"] = table(POINT_COLUMNS, _points(folder / "points", options.points))
            sections["scale: sizes"] = table(SIZE_COLUMNS, _sizes(folder / "sizes"))
        if options.chunks:
            grown, repository = new(_made(folder / "chunks"), deterministic_surroundings(1))
            grow_chunks(grown, repository, VOLUMES, options.chunks // VOLUMES // FANOUT, RUNS_OF_EACH)
            sections["scale: index"] = table(INDEX_COLUMNS, _index(grown, options.chunks))
            sections["scale: chunks"] = table(CHUNK_COLUMNS, _chunks(grown))
    sections["scale: setting"] = setting()
    for title, text in sections.items():
        print(f"{title}\n\n{text}\n")
    if options.docs:
        page.write_sections(ROOT / "docs" / "performance.md", sections)


POINT_COLUMNS = ("points", "open s", "list ms", "incremental CPU s", "peak MiB", "requests", "MB read", "MB written")
SIZE_COLUMNS = ("volume", "incremental CPU s", "peak MiB", "requests", "MB read", "MB written")
INDEX_COLUMNS = ("a backup's chunks", "how many", "CPU s", "µs, one known", "µs, one unknown", "peak MiB")
CHUNK_COLUMNS = ("collection", "CPU s", "wall s", "peak MiB", "requests", "MB read", "packs before", "deleted", "runs")


def _points(folder: Path, most: int) -> Iterator[list[object]]:
    grown, repository = new(_made(folder), deterministic_surroundings(1))
    for made in grow_points(repository, WORKLOADS, [count for count in POINTS if count <= most]):
        opened, _usage = step(grown, "open")
        # A workload's next state is made once and measured; it is one point more.
        said, usage = step(grown, "incremental", f"m{made}", "0", str(GIBIBYTE))
        said, usage = step(grown, "incremental", f"m{made}", "1", str(GIBIBYTE))
        yield [made, f"{opened['open_seconds']:.2f}", f"{opened['list_seconds'] * 1000:.0f}", *_cost(said, usage)]


def _sizes(folder: Path) -> Iterator[list[object]]:
    for size_bytes in SIZES:
        grown, repository = new(_made(folder / str(size_bytes)), deterministic_surroundings(1))
        incremental(repository, "w", 0, size_bytes)
        said, usage = step(grown, "incremental", "w", "1", str(size_bytes))
        yield [f"{size_bytes // GIBIBYTE} GiB", *_cost(said, usage)]


def _index(grown: Grown, chunks: int) -> Iterator[list[object]]:
    said, _usage = step(grown, "know")
    took = f"{said['load_seconds']:.1f}", f"{said['hit_microseconds']:.0f}", f"{said['miss_microseconds']:.0f}"
    yield ["known, from its index runs", chunks, *took, f"{said['peak_bytes'] / MEBIBYTE:.0f}"]
    said, _usage = step(grown, "own", "", str(chunks))
    took = f"{said['add_seconds'] + said['part_seconds']:.1f}", "", ""
    yield ["its own, and the index runs made of them", chunks, *took, f"{said['peak_bytes'] / MEBIBYTE:.0f}"]


def _chunks(grown: Grown) -> Iterator[list[object]]:
    for what in ("the first, a tenth is garbage", "the second, runs are merged", "the third, nothing to do"):
        said, usage = step(grown, "collect")
        cpu, peak, requests, read, _written = _cost(said, usage)
        runs = f"{said['merged']} merged" if said["merged"] else ""
        yield [what, cpu, f"{usage.wall_seconds:.1f}", peak, requests, read, said["packs"], said["deleted"], runs]


def _cost(said: dict[str, Any], usage: Usage) -> list[object]:
    requests = sum(said[kind] for kind in ("get", "put", "list", "head", "delete"))
    return [
        f"{usage.cpu_seconds:.2f}",
        f"{said['peak_bytes'] / MEBIBYTE:.0f}",
        requests,
        f"{said['received_bytes'] / 1e6:.1f}",
        f"{said['sent_bytes'] / 1e6:.1f}",
    ]


def step(grown: Grown, verb: str, *words: str) -> tuple[dict[str, Any], Usage]:
    """What a process said of one step of scale_step.py, and what it used."""
    command = [sys.executable, str(ROOT / "bench" / "scale_step.py"), verb, str(grown.folder), grown.code, *words]
    usage = measure(command, os.environ, grown.folder.parent)
    said: dict[str, Any] = json.loads(usage.output)
    return said, usage


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder / "repository"


def table(columns: tuple[str, ...], rows: Iterable[Sequence[object]]) -> str:
    """In Markdown; each row is printed as soon as it is there."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|'}{'---:|' * (len(columns) - 1)}"]
    for row in rows:
        lines.append(f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in row)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def setting() -> str:
    """When and on what."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    return (
        f"Measured on {today}, {cores} cores, Python {sys.version.split()[0]}; the machine's load at the end: {load}."
    )


if __name__ == "__main__":
    main()
