"""Every interleaving of a few parties, each of which may stop for ever at any step."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

from tests.model.copier import Anybody, TwoWorlds, steps, sufferings
from tests.model.rules import Rules
from tests.model.world import World

State = tuple[int, ...]  # the world's number, and each party's
Thing = TypeVar("Thing", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Searched:
    """How many states there are, and the first loss that was met with the steps that lead to it."""

    states: int
    loss: str = ""
    path: tuple[str, ...] = ()


def search(world: World | TwoWorlds, parties: tuple[Anybody, ...], rules: Rules) -> Searched:
    """Look at every state that can be reached, or up to the first in which something is lost.

    States share their worlds and parties: each of these is a number, and what one party makes of one world is worked
    out once.
    """
    worlds: _Numbered[World | TwoWorlds] = _Numbered()
    people: _Numbered[Anybody] = _Numbered()

    @cache
    def lost(at: int) -> list[str]:
        return worlds.of(at).losses()

    @cache
    def suffered(at: int, who: int) -> list[str]:
        one = people.of(who)
        return [f"{one.name} {what}" for what in sufferings(worlds.of(at), one)]

    @cache
    def moves(at: int, who: int) -> list[tuple[int, int]]:
        taken = steps(worlds.of(at), people.of(who), rules)
        return [(worlds.number(after), people.number(moved)) for after, moved in taken]

    begun: State = (worlds.number(world), *map(people.number, parties))
    came_from: dict[State, tuple[State, int] | None] = {begun: None}
    todo = [begun]
    while todo:
        state = todo.pop()
        at, *all_of_them = state
        losses = lost(at) or [loss for who in all_of_them for loss in suffered(at, who)]
        if losses:
            movers = [people.of(before[place]) for before, place in _back(came_from, state)]
            path = tuple(f"{one.name}: {one.step}" for one in reversed(movers))
            return Searched(len(came_from), losses[0], path)
        for place, who in enumerate(all_of_them, 1):
            for after, moved in moves(at, who):
                following = (after, *state[1:place], moved, *state[place + 1 :])
                if following not in came_from:
                    came_from[following] = (state, place)
                    todo.append(following)
    return Searched(len(came_from))


def _back(came_from: dict[State, tuple[State, int] | None], state: State) -> Iterator[tuple[State, int]]:
    """Each state before, and the place of the party that took the step from it."""
    while (before := came_from[state]) is not None:
        yield before
        state = before[0]


class _Numbered(Generic[Thing]):
    """Things and their numbers, from 0."""

    def __init__(self) -> None:
        self._numbers: dict[Thing, int] = {}
        self._things: list[Thing] = []

    def number(self, thing: Thing) -> int:
        known = self._numbers.setdefault(thing, len(self._things))
        if known == len(self._things):
            self._things.append(thing)
        return known

    def of(self, number: int) -> Thing:
        return self._things[number]
