"""The page docs/long-run.md, of what a long run has found. As a program: the page of the last one, with what was
explained since.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

# Why a mutant that nobody noticed is no harm, or what notices it since.
EXPLAINED = Path(__file__).with_name("survivors.toml")
_ROOT = Path(__file__).resolve().parents[2]
PAGE = _ROOT / "docs" / "long-run.md"
RESULT = _ROOT / "build" / "long-run" / "result.json"
HEAD = """# The long run

`make test-long SEED=… MINUTES=…` does what every run does, with other seeds and for as long as you want: rounds of
each kind below, one after the other, each with a seed that follows from the run's. `tests/long` is it. A round that
fails leaves its output in `build/long-run`, and the command ends with 1.

The last run that was kept:
"""
MUTANTS = """
## Mutants

One operator, constant or call of the code is changed at a time ([mutmut](https://mutmut.readthedocs.io)), and the tests
that reach it are run. Of {made:,} mutants {tried:,} were tried on {date} (seed {seed}, commit {commit}), as many of
each area, and {noticed:,} were noticed ({share:.1f} %):

| area | mutants | tried | noticed |
|---|---:|---:|---:|
{areas}

Those that nobody noticed:
"""


def figures(facts: dict[str, Any]) -> str:
    """A line for each section."""
    lines = [f"seed {facts['seed']}, {facts['minutes']:g} minutes"]
    for outcome in facts["outcomes"]:
        failed = f", FAILED: {', '.join(outcome['failed'])}" if outcome["failed"] else ""
        cases = f"{outcome['cases']:,} {outcome['unit']} in {outcome['rounds']} rounds"
        lines.append(f"{outcome['name']}: {cases}, {outcome['seconds']} s{failed}")
    if mutants := facts["mutants"]:
        _made, tried, noticed = _sums(mutants)
        lines.append(f"mutants: {noticed:,} of {tried:,} noticed")
    return "\n".join(lines) + "\n"


def write(facts: dict[str, Any]) -> None:
    """Today's page."""
    lines = [
        HEAD,
        f"{facts['date']}, seed {facts['seed']}, commit {facts['commit']}, MINUTES={facts['minutes']:g}.",
        "",
        "| what | cases | rounds | minutes | failed |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| **{one['name']}**: {one['what']} | {one['cases']:,} {one['unit']} | {one['rounds']} | "
        f"{one['seconds'] / 60:.1f} | {len(one['failed'])} |"
        for one in facts["outcomes"]
    ]
    if mutants := facts["mutants"]:
        lines += [_of_mutants(mutants), *_listed(mutants["survivors"])]
    PAGE.write_text("\n".join(lines).rstrip() + "\n")


def _sums(mutants: dict[str, Any]) -> list[int]:
    """How many there are, were tried and were noticed."""
    return [sum(column) for column in zip(*mutants["areas"].values(), strict=True)]


def _of_mutants(mutants: dict[str, Any]) -> str:
    made, tried, noticed = _sums(mutants)
    areas = "\n".join(
        f"| {area} | {' | '.join(f'{number:,}' for number in row)} |" for area, row in mutants["areas"].items()
    )
    share = 100 * noticed / tried
    return MUTANTS.format(**{**mutants, "areas": areas}, made=made, tried=tried, noticed=noticed, share=share)


def where(name: str) -> str:
    """Where a mutant is, of its name: `holdfast.a.x_do__mutmut_1`, or `holdfast.a.xǁClassǁdo__mutmut_1` of a method."""
    module, _, function = name.removeprefix("holdfast.").partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{function.removeprefix('x').removeprefix('_').removeprefix('ǁ').replace('ǁ', '.')}"


def _listed(survivors: list[tuple[str, str]]) -> list[str]:
    """The changed lines of each, without the words around them, and why nobody noticed."""
    explained = {(one["where"], one["was"], one["is"]): one["why"] for one in explanations()}
    lines = ["| where | was | is | why |", "|---|---|---|---|"]
    for name, difference in survivors:
        place = where(name)
        was, now = (_changed(difference, sign) for sign in "-+")
        lines.append(f"| `{place}` | {was} | {now} | {explained.get((place, was, now), 'not looked at yet')} |")
    return lines


def explanations() -> list[dict[str, str]]:
    """What people found of single mutants: `where`, `was` and `is` as in the table, and `why`."""
    if not EXPLAINED.exists():
        return []
    found: list[dict[str, str]] = tomllib.loads(EXPLAINED.read_text())["survivor"]
    return found


def _changed(difference: str, sign: str) -> str:
    changed = [line[1:].strip() for line in difference.splitlines() if line.startswith(sign) and line[:3] != sign * 3]
    return " ".join(f"`{line}`" for line in changed if line).replace("|", "\\|") or "nothing"


if __name__ == "__main__":
    write(json.loads(RESULT.read_text()))
