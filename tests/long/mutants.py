"""Mutation testing of what must not be wrong: keys, format, collection, index, retention.

mutmut makes the mutants and finds the tests that reach each; a run takes a sample, chosen by its seed, of so many as
its time allows. A mutant that no test notices is listed: either a test is missing, or the two programs are the same.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Per cent of a run's minutes.
SHARE = 20
MUTATED = (
    "src/holdfast/domain/retention.py",
    "src/holdfast/domain/retention_rules.py",
    "src/holdfast/domain/tiers.py",
    "src/holdfast/repository/packs/chunk_index.py",
    "src/holdfast/repository/opening/ledger.py",
    "src/holdfast/repository/sessions/pins.py",
    "src/holdfast/repository/sessions/session.py",
    "src/holdfast/repository/upkeep/collection/*",
    "src/holdfast/repository/crypto/*",
    "src/holdfast/repository/format/*",
)
TESTS = (
    "tests/unit/domain",
    "tests/unit/protocol/test_policies.py",
    "tests/unit/appliance/test_harmonized.py",
    "tests/unit/repository",
    "tests/golden",
    "tests/faults/test_ledger.py",
    "tests/faults/test_interleaving.py",
    "tests/simulation/test_retention.py",
    "tests/simulation/test_flags.py",
)
_BATCH = 40
# Its exit statuses of a mutant that no test noticed, and of one that no test reaches.
_SURVIVED, _NO_TESTS = 0, 33


@dataclass(frozen=True, slots=True)
class Mutants:
    """`made` mutants there are; of `tried` ones `killed` were noticed; `survivors` are the others: name and change."""

    made: int
    tried: int
    killed: int
    survivors: tuple[tuple[str, str], ...]


def run(folder: Path, minutes: float, seed: int) -> Mutants:
    """Try mutants in an order of the seed's until the minutes are over. Raises RuntimeError when none could be made."""
    _copy(folder)
    _mutmut(folder, "run", "none of these*")
    names = sorted(_results(folder))
    if not names:
        raise RuntimeError("mutmut made no mutant; see its words above")
    random.Random(seed).shuffle(names)
    began_seconds, tried = time.monotonic(), 0
    while tried < len(names) and (not tried or time.monotonic() - began_seconds < minutes * 60):
        _mutmut(folder, "run", "--max-children", "2", *names[tried : tried + _BATCH])
        tried += _BATCH
        sys.stdout.write(f"mutants: {min(tried, len(names))} of {len(names)}\n")
        sys.stdout.flush()
    results = _results(folder)
    chosen = {name: results[name] for name in names[:tried]}
    lost = [name for name, code in chosen.items() if code in (_SURVIVED, _NO_TESTS)]
    survivors = tuple((name, _mutmut(folder, "show", name)) for name in sorted(lost))
    return Mutants(len(names), len(chosen), len(chosen) - len(survivors), survivors)


def _copy(folder: Path) -> None:
    """What mutmut changes is a copy of the tree, never the tree."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("src", "tests", "docs", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    wishes = {
        "source_paths": ["src"],
        "only_mutate": list(MUTATED),
        "pytest_add_cli_args_test_selection": list(TESTS),
        "also_copy": ["tests", "docs", "tools"],
    }
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in wishes.items())
    text = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(f"{text}\n[tool.mutmut]\n{lines}")


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
