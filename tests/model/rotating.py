"""A new key epoch: what is under the key before counts until the ledger goes on under the new one, and whoever lets it
do so says first which points that are (rules 2 and 11).
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.collector_state import NOTHING, Collector
from tests.model.rules import Rules
from tests.model.world import END, World


class Rotation(NamedTuple):
    """Tells the ledger of points that it does not know, begins the epoch, and appends the first batch under it; who
    writes next begins at that. `read`: the ledger that it has read; `stood`: what stood there when it looked; `seen`:
    what of that it saw.
    """

    name: str
    step: str = "record"
    read: tuple[frozenset[str], ...] = ()
    stood: frozenset[str] = NOTHING
    seen: frozenset[str] = NOTHING


def rotate(world: World, me: Rotation, rules: Rules) -> Iterator[tuple[World, Rotation]]:
    """The next step."""
    match me.step:
        case "record" | "look" if world.unknown() and rules.known_before_the_turn:
            return  # behind the first batch they would count no more
        case "record" if world.keys.newest == 1:
            yield world, me._replace(step="tell", seen=_made_and_open(world))
        case "tell":
            after = world
            for session in me.seen & world.opened:
                after = after.with_commit(session)
            yield after, me._replace(step="begin", seen=NOTHING)
        case "begin" if world.keys.newest == 1:
            yield world._replace(keys=world.keys._replace(newest=2)), me._replace(step="look")
        case "look" if world.keys.newest > world.keys.ledger:
            stood = _made_and_open(world)
            looked = me._replace(step="append", read=_ledger(world), stood=stood, seen=stood)
            yield world, looked
            if world.keys.misleads and stood:
                misled = world._replace(keys=world.keys._replace(misleads=False))
                yield misled, me if rules.unsaid_asked_in_two_ways else looked._replace(seen=NOTHING)
        case "append" if me.read != _ledger(world):
            yield world, Rotation(me.name, "look")
        case "append":
            yield _turn(world, me, rules), Rotation(me.name, END)


class Acceptor(NamedTuple):
    """Holds the key of the point `name`, which another one, or itself before it died, has made: goes by what stands."""

    name: str
    step: str = "read"


def accept(world: World, me: Acceptor, rules: Rules) -> Iterator[tuple[World, Acceptor]]:
    """The ledger is told of what counted when it was read, unless it says by now that the session has ended."""
    if me.step == "read" and world.point(me.name) is not None:
        if me.name in world.committed or counts(world, me.name, rules):
            yield world, me._replace(step="tell" if rules.recorded_before_told else "believe")
    elif me.step == "tell":
        if me.name in world.opened:
            world = world.with_commit(me.name)
        yield world, me._replace(step="believe" if me.name in world.committed else END)


def _ledger(world: World) -> tuple[frozenset[str], ...]:
    """What changes whenever somebody appends."""
    return world.opened, world.committed, frozenset({str(world.keys.ledger)})


def _made_and_open(world: World) -> frozenset[str]:
    return frozenset(point.session for point in world.points) & world.opened


def _turn(world: World, me: Rotation, rules: Rules) -> World:
    """The first batch under the new key epoch. What came after the look is a point for good when its own session, if
    that lives, has told the ledger.
    """
    late = frozenset(point.session for point in world.points if point.key == 1) & world.opened - me.stood
    if rules.unsaid_in_the_first_batch:
        for session in me.seen:
            world = world.with_commit(session)
    return world._replace(keys=world.keys._replace(ledger=2, unpromised=world.keys.unpromised | late))


def counts(world: World, session: str, rules: Rules) -> bool:
    """Whether what stands under an open session's name, if anything does, is one."""
    least = world.keys.ledger if rules.counts_until_the_ledger_turns else world.keys.newest
    point = world.point(session)
    return point is None or point.key >= least


def begin_to_end(world: World, me: Collector, rules: Rules) -> Iterator[tuple[World, Collector]]:
    """A tombstone that found the name taken, by what does not count; or one answer shows nothing there."""
    for session in world.opened:
        if not counts(world, session, rules):
            yield world, me._replace(step="say the end", waiting=frozenset({session}))
        elif world.keys.misleads and world.point(session) is not None:
            misled = world._replace(keys=world.keys._replace(misleads=False))
            following = (
                me if rules.taken_is_no_tombstone else me._replace(step="say the end", waiting=frozenset({session}))
            )
            yield misled, following


def say_the_end(world: World, me: Collector, rules: Rules) -> tuple[World, Collector]:
    """The ledger's record of it, unless somebody has told the ledger of a point meanwhile."""
    ended = me.waiting & world.opened if rules.ended_while_open else me.waiting
    keys = world.keys._replace(ended=world.keys.ended | ended)
    after = world._replace(opened=world.opened - ended, committed=world.committed - ended, keys=keys)
    return after, me._replace(step="list", waiting=NOTHING)
