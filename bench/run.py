"""`make bench`: this project beside restic and borg, on one image, in one run. See docs/performance.md."""

import argparse
import json
import os
import platform
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import ebs_blocks, figures, page, plot, stage_profile  # noqa: E402 - found through the line above
from bench.contestants import COMPARED, FULL, LISTED, Borg, Contestant, Holdfast, Restic  # noqa: E402
from bench.rounds import run_rounds, warm  # noqa: E402
from bench.volume_image import Images, make_images  # noqa: E402

CHANGED_SHARE = 0.02
MAIN_PAGE = "performance"
MEBIBYTE = 1 << 20


def main() -> None:
    """Measure, print, and unless asked otherwise write the figures into the docs."""
    options = _options()
    size_bytes = options.size * MEBIBYTE
    with ProcessPoolExecutor(1) as pool:  # in a process of its own: a child inherits its parent's peak memory
        images = pool.submit(make_images, options.images / f"{options.size}-mib", size_bytes, CHANGED_SHARE).result()
    cores = frozenset(sorted(os.sched_getaffinity(0))[: options.cores]) if options.cores else None
    contestants = _contestants(options)
    facts: dict[str, Any] = {
        "programs": list(dict.fromkeys(one.version() for one in contestants)),
        "machine": _machine(cores),
        "image": {
            "size_bytes": images.size_bytes,
            "data_bytes": images.data_bytes,
            "changed_bytes": images.changed_bytes,
            "changed_block_count": images.changed_block_count,
        },
        "rounds": options.rounds,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    print(json.dumps(facts, indent=2))
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=options.images) as folder:
        samples = run_rounds(contestants, images, Path(folder), options.rounds, cores, print)
        warm(images)
        parts = not options.quick and options.name == MAIN_PAGE
        stages = stage_profile.profile(images, Path(folder)) if parts else None
        blocks = ebs_blocks.measure_blocks(images, Path(folder)) if parts else None
    sections = {"setting": _setting(facts, images), "figures": figures.table(samples)}
    found = [goal for goal in figures.goals(samples) if goal.measured is not None or not options.incremental]
    sections["goals"] = figures.goals_table(found)
    raw = facts | {"samples": [asdict(sample) for sample in samples]}
    if stages is not None:
        sections["stages"], raw["profile"] = stages.table(), stages.seconds
    if blocks is not None:
        sections["blocks"], raw["ebs_blocks"] = blocks.sentence(), asdict(blocks)
    print(*sections.values(), sep="\n\n")
    if not options.quick and not options.no_docs:
        docs = ROOT / "docs"
        (docs / f"{options.name}.json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
        if options.name == MAIN_PAGE:
            plot.draw(samples, ", ".join(facts["programs"]), docs / "performance.svg")
        page.write_sections(docs / "performance.md", {f"{options.name}: {part}": sections[part] for part in sections})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (3)")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="size of the image in MiB (1024)")
    parser.add_argument("--cores", type=int, default=0, help="let every program use so many cores only (all)")
    parser.add_argument("--quick", action="store_true", help="the main contestants only; writes no docs")
    parser.add_argument("--incremental", action="store_true", help="only what an incremental backup needs")
    parser.add_argument("--slow", action="store_true", help="a full backup with the slowest compression of each too")
    parser.add_argument("--no-docs", action="store_true", help="print only")
    parser.add_argument("--name", default=MAIN_PAGE, help="docs/NAME.json and the page's sections `NAME: …`")
    images = Path(tempfile.gettempdir()) / "holdfast-bench-images"
    parser.add_argument("--images", type=Path, default=images, help="where images are kept between runs")
    return parser.parse_args()


def _contestants(options: argparse.Namespace) -> list[Contestant]:
    if options.incremental:
        steps = frozenset({FULL, LISTED, COMPARED})
        return [Holdfast("default", steps), Restic("auto", steps), Borg(steps)]
    contestants: list[Contestant] = [Holdfast("default"), Restic("auto"), Borg(), Holdfast("fast")]
    if not options.quick and "fastest" in Restic.modes():
        contestants.append(Restic("fastest"))
    if options.slow:
        contestants += [Holdfast("best", frozenset({FULL})), Restic("max", frozenset({FULL}))]
    return contestants


def _setting(facts: dict[str, Any], images: Images) -> str:
    machine, rounds = facts["machine"], facts["rounds"]
    return (
        f"{', '.join(facts['programs'])}; {machine['processor']}, {machine['cores']} cores, {machine['system']},"
        f" Python {machine['python']}; {f'medians of {rounds} rounds' if rounds > 1 else 'one round'}."
        f" The image has {images.size_bytes / MEBIBYTE:.0f} MiB, {images.data_bytes / MEBIBYTE:.0f} MiB of them data;"
        f" between the two backups {images.changed_bytes / MEBIBYTE:.1f} MiB change, in"
        f" {images.changed_block_count} blocks of 512 KiB. Measured on {facts['date']}."
    )


def _machine(cores: frozenset[int] | None) -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": len(cores or os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
