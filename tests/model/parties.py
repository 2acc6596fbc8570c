"""Who works on a repository: writers, deleters, readers and verifiers, each as a program of single steps.

`steps` gives every way in which a party may go on; a party that is never chosen again has died. The collector is in
`collector.py`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.collector import collect
from tests.model.collector_state import STUCK, Collector
from tests.model.handing_over import Successor, hand_over
from tests.model.hiding import LEDGER, NOBODY, over_a_record, over_a_tombstone, set_aside, takes_for_junk
from tests.model.renewer import Renewer, renew_locks
from tests.model.repairer import Repairer, mend
from tests.model.rotating import Acceptor, Rotation, accept, rotate
from tests.model.rules import Rules
from tests.model.world import END, Place, Point, Run, World


class Writer(NamedTuple):
    """Backs up `wants`; `parent` is the point it would like to build upon, `adopts` a dead session's name, `key` the
    newest key epoch that it has met, `told` the newest plan that the ledger knew of when its own record was added.
    """

    name: str
    wants: frozenset[str]
    parent: str = ""
    adopts: str = ""
    renews: bool = False
    step: str = "open"
    epoch: int = 0
    places: frozenset[Place] = frozenset()
    new: frozenset[Place] = frozenset()
    seen: frozenset[Place] = frozenset()
    inherited: frozenset[Place] = frozenset()
    key: int = 1
    told: int = 0


class Deleter(NamedTuple):
    """Retires a point."""

    name: str
    step: str = "retire"


class Reader(NamedTuple):
    """Restores a point; while it is reading, all of the point must be found."""

    name: str
    point: str
    step: str = "pin"


class Verifier(NamedTuple):
    """Has read these packs, and opens them to everybody by a run of its own name; `places`: what it found of them."""

    name: str
    packs: frozenset[str]
    step: str = "plan"
    epoch: int = 0
    places: frozenset[Place] = frozenset()


class Unlocker(NamedTuple):
    """The time comes when Object Lock lets go of a pack."""

    name: str
    step: str = "unlock"


class Usurper(NamedTuple):
    """May write packs and nothing else, and puts what opens for nobody under the name of one that is gone."""

    name: str
    chunks: frozenset[str]
    step: str = "put"


class Rot(NamedTuple):
    """Takes the newest record, after which nobody who has not read it opens it."""

    name: str
    step: str = "rot"


class Forgetter(NamedTuple):
    """Takes the ledger's end away, from the record of the point `name` on, and nobody remembers that it was there."""

    name: str
    step: str = "forget"


class Hider(NamedTuple):
    """Puts a delete marker over what stands under a name: a session's point or tombstone, or the newest record."""

    name: str
    step: str = "hide"


Party = (
    Forgetter
    | Hider
    | Rot
    | Successor
    | Rotation
    | Acceptor
    | Writer
    | Deleter
    | Reader
    | Verifier
    | Unlocker
    | Usurper
    | Renewer
    | Collector
    | Repairer
)


def steps(world: World, party: Party, rules: Rules) -> Iterator[tuple[World, Party]]:
    """Every way in which this party may take its next step; none when it has ended or waits."""
    if party.step == END:
        return
    match party:
        case Collector():
            yield from collect(world, party, rules)
        case Repairer():
            yield from mend(world, party, rules)
        case Successor():
            yield from hand_over(world, party, rules)
        case Rotation():
            yield from rotate(world, party, rules)
        case Acceptor():
            yield from accept(world, party, rules)
        case Writer():
            yield from _write(world, party, rules)
        case Deleter() if world.point(party.name):
            yield _delete(world, party, rules)
        case Reader():
            yield _read(world, party, rules)
        case Verifier():
            yield _verify(world, party, rules)
        case Unlocker():
            yield world._replace(locked=world.locked - {party.name}), party._replace(step=END)
        case Usurper() if party.name not in world.pack_names():
            yield _usurp(world, party)
        case Forgetter():
            keys = world.keys._replace(ledger=1)
            yield world._replace(committed=world.committed - {party.name}, keys=keys), party._replace(step=END)
        case Hider() if party.name == LEDGER or world.ended(party.name):
            yield world._replace(hidden=world.hidden | {party.name}), party._replace(step=END)
        case Rot() if world.last_opened in world.opened:
            yield world._replace(rotten=True), party._replace(step=END)
        case Renewer():
            yield from renew_locks(world, party, rules)


def _usurp(world: World, me: Usurper) -> tuple[World, Party]:
    """What points had there lies elsewhere, and is owed to them."""
    places = frozenset((chunk, me.name) for chunk in me.chunks)
    packs = world.packs | {(me.name, me.chunks, "usurper")}
    return (
        world._replace(packs=packs, damaged=world.damaged | places, owed=world.owed | places),
        me._replace(step=END),
    )


def _write(world: World, me: Writer, rules: Rules) -> Iterator[tuple[World, Party]]:
    match me.step:
        case "open" if me.adopts and not rules.adopted_after_acknowledged and not me.seen:
            yield world, me._replace(seen=frozenset(_adoptable(world, me, rules)) or frozenset({("", "")}))
        case "open" if takes_for_junk(world, rules):
            yield world, me._replace(step="set aside")
        case "open" if world.rotten:
            return  # damage: nothing is appended
        case "set aside":
            yield set_aside(world), me._replace(step="open" if world.junk else "put over")
        case "put over" if LEDGER not in world.hidden or world.last_opened not in world.opened:
            yield world, me._replace(step="open")
        case "put over":
            over, believes = over_a_record(world, me.name, rules)
            following = "plan" if rules.open_before_plan else "acknowledge"
            yield over, me._replace(step=following if believes else "open")
        case "open":
            following = "plan" if rules.open_before_plan else "acknowledge"
            last = me.name if world.last_opened else ""
            opened = world._replace(opened=world.opened | {me.name}, last_opened=last)
            yield opened, me._replace(step=following, key=world.keys.ledger, told=world.told)
            if LEDGER in world.hidden and world.last_opened in world.opened:
                over, believes = over_a_record(world, me.name, rules)
                yield over, me._replace(step=following if believes else "open")
        case "plan":
            following = "acknowledge" if rules.open_before_plan else "open"
            for after, epoch in world.plans_shown(me.told):
                yield after, me._replace(step=following, epoch=epoch)
        case "acknowledge":
            acknowledged = world.acknowledged | {(me.name, me.epoch)}
            yield world._replace(acknowledged=acknowledged), me._replace(step="build upon")
        case "build upon":
            yield world, _build_upon(world, me, rules)
        case "upload":
            yield _upload(world, me)
        case "renew":
            yield from _renew(world, me, rules)
        case "acknowledge again":
            acknowledged = world.acknowledged | {(me.name, me.epoch)}
            yield (
                world._replace(acknowledged=acknowledged),
                me._replace(step="index" if rules.packs_before_point else "commit"),
            )
        case "index":
            run = Run(me.name, me.epoch, me.new)
            yield world._replace(runs=world.runs | {run} if me.new else world.runs), me._replace(step="commit")
        case "commit":
            yield _commit(world, me, rules)
        case "record" if me.name in world.keys.ended and rules.recorded_while_open:
            yield world, me._replace(step=END)
        case "record":
            last = NOBODY if world.last_opened else ""
            recorded = world.with_commit(me.name).with_told(me.epoch)._replace(last_opened=last)
            yield recorded, me._replace(step="end the other" if me.adopts else END)
        case "end the other":
            ended = frozenset() if world.ended(me.adopts) else frozenset({me.adopts})
            yield world._replace(tombstones=world.tombstones | ended), me._replace(step=END)


def _build_upon(world: World, me: Writer, rules: Rules) -> Writer:
    """What is there already: the parent's, a dead session's, what index runs know; the first that has a chunk counts.

    One step, though it is many requests: all are reads of things written once.
    """
    plan = world.plans[me.epoch]
    inherited = _inheritable(world, me, rules)
    adopted = set(me.seen or _adoptable(world, me, rules))
    if rules.adopted_never_condemned:
        adopted = {place for place in adopted if place[1] not in plan.condemned}
    offered: set[Place] = set()
    for run in world.runs:
        if run.session in plan.runs or run.epoch >= world.since(me.epoch) or not rules.only_runs_in_force:
            offered.update(run.places)
    if rules.never_condemned:
        offered = {place for place in offered if place[1] not in plan.condemned}
    offered |= adopted
    places = dict(sorted(offered))
    places.update(dict(inherited))
    chosen = frozenset((chunk, pack) for chunk, pack in places.items() if chunk in me.wants)
    following = "upload" if rules.packs_before_point else "commit"
    mine = frozenset(place for place in inherited if place in chosen)
    taken = frozenset(place for place in adopted if place in chosen) - mine
    return me._replace(step=following, places=chosen, inherited=mine, new=taken)


def _inheritable(world: World, me: Writer, rules: Rules) -> frozenset[Place]:
    parent = world.point(me.parent)
    plan = world.plans[me.epoch]
    if parent is None or me.parent in world.retired:
        return frozenset()
    fit = parent.session in plan.live or parent.epoch >= world.since(me.epoch)
    return parent.places if fit or not rules.only_fit_parents else frozenset()


def _adoptable(world: World, me: Writer, rules: Rules) -> Iterator[Place]:
    """What the checkpoints of the other session say, as far as it is found again."""
    for session, (chunk, pack) in world.checkpoints:
        there = world.opens((chunk, pack)) if rules.adopted_by_content else chunk in world.chunks_in(pack)
        if session == me.adopts and (there or not rules.adopted_found_again):
            yield chunk, pack


def _upload(world: World, me: Writer) -> tuple[World, Writer]:
    """One pack with what was found nowhere."""
    missing = me.wants - {chunk for chunk, _pack in me.places}
    after = "renew" if me.renews else "index"
    if not missing:
        return world, me._replace(step=after)
    return _with_pack(world, me, f"{me.name}.1", missing, after)


def _with_pack(world: World, me: Writer, pack: str, chunks: frozenset[str], after: str) -> tuple[World, Writer]:
    new = frozenset((chunk, pack) for chunk in chunks)
    kept = frozenset(place for place in me.places if place[0] not in chunks)
    said = frozenset((me.name, place) for place in new)
    return (
        world.with_pack(pack, chunks, me.name)._replace(checkpoints=world.checkpoints | said),
        me._replace(step=after, places=kept | new, new=me.new | new),
    )


def _renew(world: World, me: Writer, rules: Rules) -> Iterator[tuple[World, Party]]:
    """A long writer may go over to a newer plan; it need not."""
    yield world, me._replace(step="index")
    plan = world.plans[-1]
    if world.epoch == me.epoch or (me.inherited and me.parent not in plan.live):
        return
    doomed = frozenset(chunk for chunk, pack in me.places if pack in plan.condemned)
    later = me._replace(epoch=world.epoch, inherited=frozenset())
    if doomed and rules.renewed_before_acknowledged:
        yield _with_pack(world, later, f"{me.name}.2", doomed, "acknowledge again")
    else:
        yield world, later._replace(step="acknowledge again")


def _commit(world: World, me: Writer, rules: Rules) -> tuple[World, Party]:
    if me.name in world.tombstones and rules.one_winner:
        if me.name not in world.hidden:
            return world, me._replace(step=END)
        over, believes = over_a_tombstone(world, Point(me.name, me.epoch, me.places), rules)
        return over, me._replace(step="record" if believes else END)
    tombstones = world.tombstones - {me.name}
    if not rules.packs_before_point:
        missing = me.wants - {chunk for chunk, _pack in me.places}
        me = me._replace(places=me.places | {(chunk, f"{me.name}.1") for chunk in missing})
    points = world.points | {Point(me.name, me.epoch, me.places, me.key)}
    if me.key < world.keys.ledger:
        world = world._replace(keys=world.keys._replace(unpromised=world.keys.unpromised | {me.name}))
    return world._replace(points=points, tombstones=tombstones), me._replace(step="record")


def _delete(world: World, me: Deleter, rules: Rules) -> tuple[World, Party]:
    """The retirement, then its record; the mutant the other way round."""
    order = ["retire", "record", END] if rules.retired_before_record else ["record", "retire", END]
    step = order[0] if me.step == "retire" else order[1]
    following = order[order.index(step) + 1]
    after = me._replace(step=END if following == END else "second")
    if step == "retire":
        return world._replace(retired=world.retired | {me.name}), after
    return world._replace(committed=world.committed - {me.name}), after


def _read(world: World, me: Reader, rules: Rules) -> tuple[World, Party]:
    if me.step in ("read", "give up"):
        return world._replace(pins=world.pins - {(me.name, me.point)}), me._replace(step=END)
    order = ["pin", "check"] if rules.pinned_before_checked else ["check", "pin"]
    first = me.step == "pin"
    following = "second" if first else "read"
    if order[0 if first else 1] == "pin":
        return world._replace(pins=world.pins | {(me.name, me.point)}), me._replace(step=following)
    return world, me._replace(step="give up" if me.point in world.retired else following)


def _verify(world: World, me: Verifier, rules: Rules) -> tuple[World, Party]:
    """The newest plan, the packs as they stand, the run; the mutant finds the packs first."""
    order = ["plan", "find"] if rules.verified_under_newest_plan else ["find", "plan"]
    if me.step == "write":
        run = Run(me.name, me.epoch, me.places)
        return world._replace(runs=world.runs | {run} if me.places else world.runs), me._replace(step=END)
    first = me.step == "plan"
    following = "second" if first else "write"
    if order[0 if first else 1] == "plan":
        return world, me._replace(step=following, epoch=world.epoch)
    found = frozenset((chunk, pack) for pack in sorted(me.packs) for chunk in world.chunks_in(pack))
    return world, me._replace(step=following, places=found)


def sufferings(world: World, party: Party) -> Iterator[str]:
    """What has befallen it that must befall nobody."""
    if party.step == STUCK:
        yield "is stuck"
    elif isinstance(party, Acceptor) and party.step == "believe" and party.name in world.keys.unpromised:
        yield "believes in a point that counts no more"
    elif isinstance(party, Reader) and party.step == "read" and (party.name, party.point) in world.pins:
        point = world.point(party.point)
        if point is not None and not all(world.found(place) for place in point.places):
            yield "cannot read"
    elif isinstance(party, Writer) and party.step in ("record", "end the other") and world.point(party.name) is None:
        yield "has no point"
