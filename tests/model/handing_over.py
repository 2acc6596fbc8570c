"""The newest plan is said once more under a new key epoch, by whoever is first to write under one (section 21)."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.rules import Rules
from tests.model.world import END, World


class Successor(NamedTuple):
    """Has the new key, and read the plan of that epoch."""

    name: str
    step: str = "read"
    epoch: int = 0


def hand_over(world: World, me: Successor, rules: Rules) -> Iterator[tuple[World, Successor]]:
    """The plan that was read becomes the next one, with If-None-Match: where another was quicker, that one is read."""
    if me.step == "read":
        yield world, me._replace(step="publish", epoch=world.epoch)
    elif world.epoch == me.epoch or not rules.handed_over_as_the_next:
        said = world.plans[me.epoch]._replace(since=world.since(me.epoch), unnamed=frozenset())
        yield world._replace(plans=(*world.plans, said)), me._replace(step=END)
    else:
        yield world, me._replace(step="read")
