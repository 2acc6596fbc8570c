"""A copy: a reader of one repository and a writer of another (rule 7). Neither knows of the other, so there are two
worlds, and parties that live in one of them each.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model import parties
from tests.model.parties import Party, Writer
from tests.model.rules import Rules
from tests.model.world import END, Place, World

SOURCE, TARGET = "source", "target"


class TwoWorlds(NamedTuple):
    """What stands in the store of each."""

    source: World
    target: World

    def losses(self) -> list[str]:
        """Of either."""
        return [
            f"in the {place} {loss}" for place, world in zip(self._fields, self, strict=True) for loss in world.losses()
        ]


class There(NamedTuple):
    """A party of one of the two."""

    place: str
    party: Party

    @property
    def name(self) -> str:
        """With the place."""
        return f"{self.party.name} of the {self.place}"

    @property
    def step(self) -> str:
        """Its own."""
        return self.party.step


class Copier(NamedTuple):
    """Copies `point`. `writer`: what it does in the target, where its parent is the copy of the point `earlier`, with
    the places `base`; `earlier_map`: where that point's map lies in the source. `read`: what is read of the point.
    """

    point: str
    writer: Writer
    earlier: str = ""
    earlier_map: Place = ("", "")
    base: frozenset[Place] = frozenset()
    step: str = "begin"
    read: frozenset[Place] = frozenset()

    @property
    def name(self) -> str:
        """The session's in the target."""
        return self.writer.name


Anybody = Party | There | Copier


def steps(world: World | TwoWorlds, party: Anybody, rules: Rules) -> Iterator[tuple[World | TwoWorlds, Anybody]]:
    """Every way in which this party may take its next step, wherever it lives."""
    match party, world:
        case There(), TwoWorlds():
            for after, moved in parties.steps(getattr(world, party.place), party.party, rules):
                yield world._replace(**{party.place: after}), party._replace(party=moved)
        case Copier(), TwoWorlds():
            yield from _copy(world, party, rules)
        case _, World() if not isinstance(party, There | Copier):
            yield from parties.steps(world, party, rules)


def sufferings(world: World | TwoWorlds, party: Anybody) -> Iterator[str]:
    """What has befallen it that must befall nobody."""
    match party, world:
        case There(), TwoWorlds():
            yield from parties.sufferings(getattr(world, party.place), party.party)
        case Copier(), TwoWorlds():
            yield from parties.sufferings(world.target, party.writer)
            if _is_held(world.source, party) and not _can_read(world.source, party):
                yield "cannot read"
            original, copy = world.source.point(party.point), world.target.point(party.name)
            if (
                original
                and copy
                and {chunk for chunk, _pack in original.places} != {chunk for chunk, _pack in copy.places}
            ):
                yield "is no copy"
        case _, World() if not isinstance(party, There | Copier):
            yield from parties.sufferings(world, party)


def _copy(world: TwoWorlds, me: Copier, rules: Rules) -> Iterator[tuple[TwoWorlds, Copier]]:
    """The pin, the target's session up to what it builds upon, the two maps, what is read, the rest of the session."""
    source, target = world
    order = ["pin", "check"] if rules.pinned_before_checked else ["check", "pin"]
    step = order[0] if me.step == "begin" else me.step
    following = [*order, "write"][order.index(step) + 1] if step in order else ""
    pin = (me.name, me.point)
    match step:
        case "pin":
            yield world._replace(source=source._replace(pins=source.pins | {pin})), me._replace(step=following)
        case "check":
            yield world, me._replace(step="unpin" if me.point in source.retired else following)
        case "write":
            for after, writer in parties.steps(target, me.writer, rules):
                if isinstance(writer, Writer):
                    following = {"upload": "compare", END: "unpin"}.get(writer.step, "write")
                    yield world._replace(target=after), me._replace(step=following, writer=writer)
        case "compare":
            yield world, _compared(source, me, rules)
        case "read" | "read without a pin":
            yield world, me._replace(step="write" if _can_read(source, me) else "unpin")
        case _:  # unpin
            unpinned = source._replace(pins=source.pins - {pin})
            following = "read without a pin" if step == "unpin early" else END
            yield world._replace(source=unpinned), me._replace(step=following)


def _is_held(source: World, me: Copier) -> bool:
    """Whether it reads what must be there. Who gave no sign of life for a day has no pin any more, and fails."""
    return me.step == "read without a pin" or (me.step == "read" and (me.name, me.point) in source.pins)


def _can_read(source: World, me: Copier) -> bool:
    return all(source.found(place) for place in me.read)


def _compared(source: World, me: Copier, rules: Rules) -> Copier:
    """What differs, by the maps of the two points here. The earlier one is not pinned: what of its map is not there any
    more counts as changed; in the mutant, as unchanged.
    """
    point, earlier = source.point(me.point), source.point(me.earlier)
    read, writer = point.places if point else frozenset(), me.writer
    if writer.inherited and earlier:
        if source.found(me.earlier_map):
            read -= earlier.places
        elif not rules.missing_counts_as_changed:
            read, writer = frozenset(), writer._replace(wants=frozenset(), places=me.base)
    return me._replace(step="read" if rules.pinned_until_committed else "unpin early", read=read, writer=writer)
