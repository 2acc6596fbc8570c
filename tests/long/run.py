"""A program: the long run. `python -m tests.long.run --seed 1 --minutes 60`; its page is docs/long-run.md.

Each section gets its share of the minutes and uses it in rounds, every one with a seed of its own that follows from the
run's. A round that fails does not end the run: its output stays in `build/long-run`, and the run ends with 1.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.long import mutants, page
from tests.long.sections import SECTIONS, Section

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "long-run"
# Of the last run that tried mutants.
MUTANTS = FOLDER / "mutants-by-area.json"
_PROCESSES = "2"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a section; `failed` names the outputs of rounds that failed."""

    name: str
    what: str
    cases: int
    unit: str
    rounds: int
    seconds: int
    failed: tuple[str, ...]


def main() -> int:
    """The exit status."""
    wish = _wish()
    FOLDER.mkdir(parents=True, exist_ok=True)
    dice, commit = random.Random(wish.seed), _commit()
    if wish.mutants:
        tried = mutants.run(FOLDER / "mutants", wish.minutes * mutants.SHARE / 100, wish.seed)
        whence = {"date": _today(), "seed": wish.seed, "commit": commit}
        MUTANTS.write_text(json.dumps({**whence, **asdict(tried)}, indent=2) + "\n")
    outcomes = [_carry_out(section, wish.minutes, dice) for section in SECTIONS]
    facts = {
        "date": _today(),
        "commit": commit,
        "seed": wish.seed,
        "minutes": wish.minutes,
        "outcomes": [asdict(outcome) for outcome in outcomes],
        "mutants": json.loads(MUTANTS.read_text()) if MUTANTS.exists() else None,
    }
    page.RESULT.write_text(json.dumps(facts, indent=2) + "\n")
    page.write(facts)
    sys.stdout.write(page.figures(facts))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _commit() -> str:
    """Of the tree that is run, with a plus where a file of it was changed since; `unknown` where git does not tell."""
    words = ["git", "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return told.stdout.strip() or "unknown"


def _wish() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--no-mutants", dest="mutants", action="store_false")
    return parser.parse_args()


def _carry_out(section: Section, minutes: float, dice: random.Random) -> Outcome:
    """Rounds until the section's time is over and its cases are reached; one at least."""
    began_seconds, least = time.monotonic(), section.hourly * minutes / 60
    cases, rounds, failed = 0, 0, []
    while not rounds or cases < least or time.monotonic() - began_seconds < minutes * 60 * section.share / 100:
        seeds = dice.sample(range(1, 1_000_000), section.abreast)
        with ThreadPoolExecutor(section.abreast) as pool:
            came = list(pool.map(partial(_round, section), seeds))
        failed += [
            _output(section, seed).name for seed, (passed, _cases) in zip(seeds, came, strict=True) if not passed
        ]
        cases, rounds = cases + sum(number for _passed, number in came), rounds + len(seeds)
        sys.stdout.write(f"{section.name}: {rounds} rounds, last seed {seeds[-1]}, {cases:,} {section.cases}\n")
        sys.stdout.flush()
    seconds = round(time.monotonic() - began_seconds)
    return Outcome(section.name, section.what, cases, section.cases, rounds, seconds, tuple(failed))


def _round(section: Section, seed: int) -> tuple[bool, int]:
    """Whether it passed, and how many cases it went through; its output stays only when it did not."""
    output = _output(section, seed)
    counted = output.with_suffix(".json")
    counted.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", _PROCESSES, "--dist", "loadfile", "--timeout", "0"]
    command += [f"--hypothesis-seed={seed}", *section.options, *section.tests]
    with output.open("w") as file:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | section.settings(seed) | {"CASES_FILE": str(counted)},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        output.unlink()
    came: dict[str, Any] = json.loads(counted.read_text()) if counted.exists() else {"cases": {}, "passed": 0}
    counted.unlink(missing_ok=True)
    return done.returncode == 0, came["passed"] if section.cases == "tests" else sum(came["cases"].values())


def _output(section: Section, seed: int) -> Path:
    return FOLDER / f"{section.name.replace(' ', '-')}-{seed}.txt"


if __name__ == "__main__":
    sys.exit(main())
