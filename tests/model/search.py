"""Every interleaving of a few parties, each of which may stop for ever at any step."""

from dataclasses import dataclass

from tests.model.collector_state import STUCK
from tests.model.parties import Party, believes_in_nothing, lost_while_read, steps
from tests.model.rules import Rules
from tests.model.world import World

State = tuple[World, tuple[Party, ...]]


@dataclass(frozen=True, slots=True)
class Searched:
    """How many states there are, and the first loss that was met with the steps that lead to it."""

    states: int
    loss: str = ""
    path: tuple[str, ...] = ()


def search(world: World, parties: tuple[Party, ...], rules: Rules) -> Searched:
    """Look at every state that can be reached, or up to the first in which something is lost."""
    begun: State = (world, parties)
    came_from: dict[State, tuple[State, str] | None] = {begun: None}
    todo = [begun]
    while todo:
        state = todo.pop()
        world, parties = state
        losses = [*world.losses(), *(f"{one.name} cannot read" for one in parties if lost_while_read(world, one))]
        losses += [f"{one.name} has no point" for one in parties if believes_in_nothing(world, one)]
        losses += [f"{one.name} is stuck" for one in parties if one.step == STUCK]
        if losses:
            return Searched(len(came_from), losses[0], _path(came_from, state))
        for at, party in enumerate(parties):
            for after, moved in steps(world, party, rules):
                following = (after, (*parties[:at], moved, *parties[at + 1 :]))
                if following not in came_from:
                    came_from[following] = (state, f"{party.name}: {party.step}")
                    todo.append(following)
    return Searched(len(came_from))


def _path(came_from: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    steps_taken: list[str] = []
    before = came_from[state]
    while before is not None:
        state, step = before
        steps_taken.append(step)
        before = came_from[state]
    return tuple(reversed(steps_taken))
