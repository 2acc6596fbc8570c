"""Mutation testing of what must not be wrong: keys, format, collection, index, retention.

mutmut makes the mutants and finds the tests that reach each. A run takes a sample, chosen by its seed and as many of
each area, of so many as its time allows, and of a batch at least. A mutant that no test notices is listed: either a
test is missing, or the two programs are the same.
"""

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Per cent of a run's minutes.
SHARE = 20
# Modules and packages below `holdfast`.
AREAS = {
    "crypto and keys": ("repository.crypto", "repository.keys"),
    "format": ("repository.format",),
    "ledger and sessions": ("repository.opening.ledger", "repository.sessions.pins", "repository.sessions.session"),
    "index": (
        "repository.packs.chunk_index",
        "repository.packs.filed_rows",
        "repository.packs.run_shelf",
        "repository.packs.sorted_run",
        "repository.reading.index_search",
    ),
    "collection": ("repository.upkeep.collection",),
    "retention": ("domain.retention", "domain.retention_rules", "domain.tiers"),
}
TESTS = (
    "tests/unit/domain",
    "tests/unit/protocol/test_policies.py",
    "tests/unit/appliance/test_harmonized.py",
    "tests/unit/repository",
    "tests/golden",
    "tests/faults/test_ledger.py",
    "tests/faults/test_interleaving.py",
    "tests/faults/test_late_visible.py",
    "tests/faults/test_past_keys.py",
    "tests/faults/test_rekeying.py",
    "tests/simulation/test_retention.py",
    "tests/simulation/test_flags.py",
)
# mutmut tries everything once before each batch, which takes as long as some fifty mutants.
_BATCH = 300
# A mutant that never ends is noticed by the first test that it holds up.
_LONGEST_TEST_SECONDS = 300
# Its exit statuses of a mutant that no test noticed, or that none reaches.
_UNNOTICED = (0, 5, 33)


@dataclass(frozen=True, slots=True)
class Mutants:
    """`areas`: of each how many mutants there are, were tried and were noticed; `survivors` are those that were tried
    and not noticed: name and change.
    """

    areas: dict[str, tuple[int, int, int]]
    survivors: tuple[tuple[str, str], ...]


def run(folder: Path, minutes: float, seed: int) -> Mutants:
    """Try mutants in an order of the seed's until the minutes are over. Raises RuntimeError when none could be made,
    or none of a batch tried.
    """
    _copy(folder)
    _mutmut(folder, "run", "none of these*")
    names = _in_turn(sorted(_results(folder)), random.Random(seed))
    if not names:
        raise RuntimeError("mutmut made no mutant; see its words above")
    began_seconds, tried = time.monotonic(), 0
    while tried < len(names) and (not tried or time.monotonic() - began_seconds < minutes * 60):
        _mutmut(folder, "run", "--max-children", "2", *names[tried : tried + _BATCH])
        tried += _BATCH
        results = _results(folder)
        if all(results[name] is None for name in names[tried - _BATCH : tried]):
            raise RuntimeError("mutmut tried none of a batch: a test of theirs fails without a mutant, too")
        sys.stdout.write(f"mutants: {min(tried, len(names))} of {len(names)}\n")
        sys.stdout.flush()
    judged = [name for name in names[:tried] if results[name] is not None]
    lost = {name for name in judged if results[name] in _UNNOTICED}
    areas = {}
    for area in AREAS:
        made, chosen = (sum(area_of(name) == area for name in some) for some in (names, judged))
        areas[area] = made, chosen, chosen - sum(area_of(name) == area for name in lost)
    return Mutants(areas, tuple((name, _mutmut(folder, "show", name)) for name in sorted(lost)))


def area_of(name: str) -> str:
    """Where a mutant belongs, of its name (`page.where`)."""
    place = name.removeprefix("holdfast.")
    return next(area for area, places in AREAS.items() if any(place.startswith(f"{one}.") for one in places))


def _in_turn(names: list[str], dice: random.Random) -> list[str]:
    """One of each area after the other, as long as it has any."""
    dice.shuffle(names)
    areas = [[name for name in names if area_of(name) == area] for area in AREAS]
    return [name for some in itertools.zip_longest(*areas) for name in some if name is not None]


def _copy(folder: Path) -> None:
    """What mutmut changes is a copy of the tree, never the tree."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("src", "tests", "docs", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    wishes = {
        "source_paths": ["src"],
        "only_mutate": [*_files(folder)],
        "pytest_add_cli_args": [f"--timeout={_LONGEST_TEST_SECONDS}"],
        "pytest_add_cli_args_test_selection": list(TESTS),
        "also_copy": ["tests", "docs", "tools"],
    }
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in wishes.items())
    text = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(f"{text}\n[tool.mutmut]\n{lines}")


def _files(folder: Path) -> Iterator[str]:
    for place in itertools.chain.from_iterable(AREAS.values()):
        path = Path("src", "holdfast", *place.split("."))
        yield f"{path}/*" if (folder / path).is_dir() else f"{path}.py"


def _mutmut(folder: Path, *words: str) -> str:
    """Its output; its status says no more than that some mutant survived."""
    command = [str(Path(sys.executable).parent / "mutmut"), *words]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    return done.stdout


def _results(folder: Path) -> dict[str, int | None]:
    """Of every mutant the exit status of its tests, None where it was not tried."""
    found: dict[str, int | None] = {}
    for file in (folder / "mutants").rglob("*.meta"):
        found |= json.loads(file.read_text())["exit_code_by_key"]
    return found
