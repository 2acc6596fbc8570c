"""A collector, and what it has read."""

from typing import NamedTuple

from tests.model.world import Plan

NOTHING: frozenset[str] = frozenset()
STUCK = "stuck"


class Collector(NamedTuple):
    """`rounds`: how many collections it runs, whether or not its plan is the one that is published. `merges`: it makes
    one index run of all and may delete those that are out of force (`run_merging.py`). What it has read stands in the
    other fields.
    """

    name: str
    rounds: int = 1
    merges: bool = False
    step: str = "begin"
    epoch: int = 0
    listed: frozenset[str] = NOTHING
    opened: frozenset[str] = NOTHING
    committed: frozenset[str] = NOTHING
    pinned: frozenset[str] = NOTHING
    waiting: frozenset[str] = NOTHING
    doomed: frozenset[str] = NOTHING
    listed_runs: frozenset[str] = NOTHING
    doomed_runs: frozenset[str] = NOTHING
    proposal: Plan | None = None
