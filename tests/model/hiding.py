"""Delete markers: whoever puts one over a name lets a PUT with If-None-Match succeed where something stands. A writer
does that itself, to what it took for junk under the next record's name.
"""

from tests.model.rules import Rules
from tests.model.world import Point, World

LEDGER = "the newest record"
NOBODY = "nobody"  # has opened anything; who did is followed only in a world that begins so


def over_a_point(world: World, session: str, rules: Rules) -> World:
    """A tombstone is put over a point that a marker hides, by who has not seen that point and gives the session up."""
    seen = world._replace(hidden=world.hidden - {session})
    if not rules.first_counts:
        points = frozenset(point for point in world.points if point.session != session)
        return seen._replace(points=points, tombstones=world.tombstones | {session})
    return seen if rules.looked_after_writing else seen._replace(opened=world.opened - {session})


def over_a_tombstone(world: World, point: Point, rules: Rules) -> tuple[World, bool]:
    """A point is put over a tombstone that a marker hides; whether its session then believes in it."""
    seen = world._replace(hidden=world.hidden - {point.session})
    if not rules.first_counts:
        seen = seen._replace(points=world.points | {point}, tombstones=world.tombstones - {point.session})
    return seen, not rules.looked_after_writing


def takes_for_junk(world: World, rules: Rules) -> bool:
    """Whether a writer that reads to the ledger's end finds junk there, or what it takes for it: a record that rots."""
    return world.junk or (world.rotten and not rules.junk_is_as_it_was_put)


def set_aside(world: World) -> World:
    """A marker over what stands by now under the name where junk was: another writer may have been quicker."""
    return world._replace(junk=False) if world.junk else world._replace(hidden=world.hidden | {LEDGER})


def over_a_record(world: World, name: str, rules: Rules) -> tuple[World, bool]:
    """A session's `open` is put over the newest record by who has not read that one; whether it believes to be open."""
    seen = world._replace(hidden=world.hidden - {LEDGER}, rotten=False)
    if not rules.first_counts or world.rotten:
        seen = seen._replace(opened=(world.opened - {world.last_opened}) | {name}, last_opened=name)
    return seen, world.rotten or not rules.looked_after_writing
