"""The collector: condemn what nothing needs, publish that, wait for whoever may not know it, look again, delete."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.model.collector_state import NOTHING, STUCK, Collector
from tests.model.forgetting import still_condemned
from tests.model.hiding import over_a_point
from tests.model.rotating import begin_to_end, counts, say_the_end
from tests.model.rules import Rules
from tests.model.run_merging import after_sweep, tidy
from tests.model.world import END, Place, Plan, Point, World


class Marked(NamedTuple):
    """Packs that must stay, and the points that need no condemned one."""

    needed: frozenset[str]
    clean: frozenset[str]


def collect(world: World, me: Collector, rules: Rules) -> Iterator[tuple[World, Collector]]:
    """Every way to take the next step."""
    match me.step:
        case "stuck":
            return
        case "mark" | "mark again" if any(not counts(world, one, rules) for one in _asked(world, me)):
            yield world, _again(me)  # nobody can say yet whether that is to be a point
        case "begin" if rules.unknown_points_stop and world.unknown():
            yield world, _again(me)
        case "begin":
            for after, epoch in world.plans_shown(0):  # it may have read the ledger long ago
                yield after, _with_ledger(after, me)._replace(step="who is open" if epoch else "close", epoch=epoch)
        case "who is open" if world.late and world.told < me.epoch and rules.told_before_asked:
            yield world.with_told(me.epoch), me
        case "who is open":
            yield world, me._replace(step="wait", waiting=world.opened)
        case "wait":
            yield from _wait(world, me, rules)
        case "close":
            for after in _closed(world, rules):
                yield after, me._replace(step="list")
            yield from begin_to_end(world, me, rules)
        case "say the end":
            yield say_the_end(world, me, rules)
        case "list":
            yield world, me._replace(step="ledger", listed=world.pack_names())
        case "ledger":
            yield world, _with_ledger(world, me)._replace(step="mark")
        case "mark":
            for roots in _roots(world, me, rules):
                for seen in _runs_seen(world, me, rules):
                    yield from _mark(world, me, rules, roots, seen)
        case "sweep":
            gone = me.doomed - world.locked
            packs = frozenset(pack for pack in world.packs if pack[0] not in gone)
            for following in after_sweep(world, me):
                yield world._replace(packs=packs), me._replace(step=following, doomed=NOTHING)
        case "again":
            yield world, _again(me)
        case "publish":
            yield _publish(world, me, rules)
        case "mark again":
            me = _with_ledger(world, me)
            for roots in _roots(world, me, rules):
                for seen in _runs_seen(world, me, rules):
                    yield from _mark_again(world, me, rules, roots, seen)
        case _:
            yield tidy(world, me, rules)


def _asked(world: World, me: Collector) -> frozenset[str]:
    """The open sessions under whose names it looks now."""
    return me.opened if me.step == "mark" else world.opened


def _stopped(world: World, me: Collector) -> tuple[World, Collector]:
    """Something is missing: with another collection's plan it may be found. If there is none, this one is stuck."""
    return world, me._replace(step=STUCK) if world.epoch == me.epoch else _again(me)


def _again(me: Collector) -> Collector:
    """The next round, or the end."""
    return Collector(me.name, me.rounds - 1, me.merges, "begin" if me.rounds > 1 else END)


def _with_ledger(world: World, me: Collector) -> Collector:
    """Read on: what it has read of a point before it knows, whatever becomes of the ledger's end."""
    forgotten = me.committed & world.unknown()
    return me._replace(
        opened=world.opened,
        committed=world.committed | forgotten,
        pinned=frozenset(point for _reader, point in world.pins),
    )


def _wait(world: World, me: Collector, rules: Rules) -> Iterator[tuple[World, Collector]]:
    """Until every session that was open has ended or knows the plan; one that gives no sign of life may be ended."""
    for session in me.waiting & world.opened & world.hidden:
        if world.point(session) is not None:
            yield over_a_point(world, session, rules), me._replace(waiting=me.waiting - {session})
    waiting = frozenset(
        session
        for session in me.waiting
        if session in world.opened
        and not (world.ended(session) and counts(world, session, rules))
        and not any(known == session and epoch >= me.epoch for known, epoch in world.acknowledged)
    )
    if not waiting or not rules.unacknowledged_must_end:
        following = "mark again" if me.proposal else "close"
        if me.proposal and not rules.marked_again:
            following = "sweep"
            me = me._replace(doomed=world.plans[me.epoch].condemned, proposal=None)
        yield world, me._replace(step=following, waiting=NOTHING)
        return
    for session in waiting:
        free = rules.expiry_by_tombstone and not world.ended(session)
        tombstones = world.tombstones | {session} if free else world.tombstones
        yield world._replace(tombstones=tombstones), me._replace(waiting=waiting - {session})


def _closed(world: World, rules: Rules) -> Iterator[World]:
    """Records that crashes have left unwritten; and any session or reader may have given no sign of life for a day."""
    world = world._replace(opened=world.opened - world.tombstones, committed=world.committed - world.retired)
    yield world
    for pin in world.pins:
        yield world._replace(pins=world.pins - {pin})
    for session in world.opened:
        if world.point(session) is not None:
            if counts(world, session, rules):
                recorded = world.with_commit(session)
                yield recorded._replace(committed=recorded.committed - world.retired)
        else:
            tombstones = world.tombstones | {session}
            yield world._replace(opened=world.opened - {session}, tombstones=tombstones)


def _roots(world: World, me: Collector, rules: Rules) -> Iterator[tuple[Point, ...]]:
    """What must be kept readable; the mutant asks a LIST, which may leave one out."""
    if not rules.roots_from_ledger:
        everything = tuple(world.live_points())
        yield everything
        for left_out in everything:
            yield tuple(point for point in everything if point != left_out)
        return
    sessions = set(me.committed)
    if rules.open_resolved_by_get:
        sessions |= me.opened
    if rules.pins_are_roots:
        sessions |= me.pinned
    found = (world.point(session) for session in sorted(sessions))
    shown = tuple(point for point in found if point is not None)
    yield shown
    if world.keys.misleads and not rules.roots_asked_in_two_ways:
        for hidden in me.opened:
            yield tuple(point for point in shown if point.session != hidden)


def _needed(world: World, plan: Plan, roots: Iterable[Point], seen: frozenset[str], rules: Rules) -> Marked | None:
    """What these points need; None where something is missing: then a collection stops. `seen`: the index runs that are
    asked for places.
    """
    needed: set[str] = set()
    clean: set[str] = set()
    for point in roots:
        tidy = True
        for place in sorted(point.places):
            there = _copies_to_keep(world, plan, place, seen, rules)
            if not there and point.session in world.retired:
                continue  # its reader has given up, or will
            if not there:
                return None
            needed |= there
            tidy = tidy and not there & plan.condemned
        if tidy:
            clean.add(point.session)
    return Marked(frozenset(needed), frozenset(clean))


def needed_packs(world: World, plan: Plan, points: list[Point], rules: Rules) -> frozenset[str] | None:
    """What these points need under a plan; None where something is missing."""
    marked = _needed(world, plan, points, plan.runs, rules)
    return None if marked is None else marked.needed


def _copies_to_keep(world: World, plan: Plan, place: Place, seen: frozenset[str], rules: Rules) -> frozenset[str]:
    """The packs that must stay for that chunk's sake: its own, or, where that is condemned or gone, another one. Where
    all that have it are condemned, each of them: another collection may rely on any one.
    """
    chunk, pack = place
    stands = chunk in world.chunks_in(pack)
    if stands and pack not in plan.condemned:
        return frozenset({pack})
    runs = [run for run in world.runs if run.session in seen]
    known = {other for run in runs for one, other in run.places if one == chunk} - {pack}
    named = {other for doomed, other in plan.survivors if doomed == pack}
    if world.archive and stands and named:
        if not rules.cold_survivors_by_runs:
            return frozenset()  # what lies in them would have to be retrieved: the collection stops
        named &= known
        kept = sorted(other for other in named if chunk in world.chunks_in(other))
        return frozenset({pack, *kept})
    others = named if stands and rules.survivors_are_named else known
    standing = sorted(other for other in others if chunk in world.chunks_in(other))
    fit = [other for other in standing if other not in plan.condemned or not rules.survivors_never_condemned]
    if fit:
        return frozenset({fit[0]})
    elsewhere = sorted(other for other in known if chunk in world.chunks_in(other) and rules.found_by_runs_too)
    copies = [*([pack] if stands else []), *standing, *elsewhere]
    return frozenset(copies if rules.all_condemned_copies_kept else copies[:1])


def _runs_seen(world: World, me: Collector, rules: Rules) -> Iterator[frozenset[str]]:
    """Those that the plan names; the mutant asks a LIST, which may be short."""
    if rules.survivors_are_named:
        yield world.plans[me.epoch].runs
        return
    yield frozenset(run.session for run in world.runs)
    yield NOTHING


def _mark_again(
    world: World, me: Collector, rules: Rules, roots: tuple[Point, ...], seen: frozenset[str]
) -> Iterator[tuple[World, Collector]]:
    """What of the condemned may be deleted."""
    plan = world.plans[me.epoch]
    marked = _needed(world, plan, roots, seen, rules)
    if marked is None:
        yield _stopped(world, me)
    else:
        yield world, me._replace(step="sweep", doomed=plan.condemned - marked.needed, proposal=None)


def _mark(
    world: World, me: Collector, rules: Rules, roots: tuple[Point, ...], seen: frozenset[str]
) -> Iterator[tuple[World, Collector]]:
    """What the plan in force lets be deleted now, and every plan that may follow it."""
    plan = world.plans[me.epoch]
    marked = _needed(world, plan, roots, seen, rules)
    if marked is None:
        yield _stopped(world, me)
        return
    spared = _spared(world, me, rules)
    dead = me.listed - marked.needed - plan.condemned
    dead -= spared
    candidates = [(dead, frozenset[tuple[str, str]]())]
    for pack in sorted(me.listed - dead - plan.condemned - spared):
        candidates.extend(
            (dead - copies | {pack}, frozenset((pack, copy) for copy in copies))
            for copies in _copies(world, me, plan, pack, roots, rules)
        )
    doomed = plan.condemned - marked.needed
    for condemned, survivors in candidates:
        proposal = _proposal(world, me, plan, condemned, survivors, _in_maps(me, roots, rules), rules)
        points = tuple(point for point in roots if point.session not in world.retired)
        tidy = _needed(world, proposal, points, seen | proposal.runs, rules)
        if tidy is None:
            continue
        live = tidy.clean if rules.live_means_clean else frozenset(point.session for point in points)
        yield world, me._replace(step="sweep", doomed=doomed, proposal=proposal._replace(live=live))


def _spared(world: World, me: Collector, rules: Rules) -> frozenset[str]:
    """Packs of sessions that are open. A cold one does not say whose it is: it may be anybody's."""
    if world.archive:
        return me.listed if me.opened and rules.cold_needs_no_session_open else NOTHING
    return frozenset(pack for pack in me.listed & world.pack_names() if world.session_of(pack) in me.opened)


def _copies(
    world: World, me: Collector, plan: Plan, pack: str, roots: tuple[Point, ...], rules: Rules
) -> Iterator[frozenset[str]]:
    """Packs that make this one superfluous: each live chunk of it lies in one of them too. In an archive packs go as a
    whole, when nothing needs them: to move a chunk would need a retrieval.
    """
    if world.archive:
        return
    wanted = {chunk for point in roots for chunk, place in point.places if place == pack}
    standing = [other for other in sorted(me.listed & world.pack_names()) if other != pack]
    good = [other for other in standing if world.session_of(other) not in me.opened]
    if rules.survivors_never_condemned:
        good = [other for other in good if other not in plan.condemned]
    runs = runs_in_force(world, plan, me.epoch, me.opened, NOTHING, rules)
    if not rules.survivors_in_runs_in_force:
        runs = frozenset(run.session for run in world.runs)
    named = {place for run in world.runs if run.session in runs for place in run.places}
    choices = [
        next(
            (
                other
                for other in good
                if world.opens((chunk, other)) and ((chunk, other) in named or not rules.survivors_in_runs)
            ),
            None,
        )
        for chunk in sorted(wanted)
    ]
    chosen = frozenset(choice for choice in choices if choice is not None)
    readable = all(world.opens((chunk, pack)) for chunk in wanted)
    if wanted and readable and None not in choices:
        yield chosen


def runs_in_force(
    world: World, plan: Plan, epoch: int, opened: frozenset[str], condemned: frozenset[str], rules: Rules
) -> frozenset[str]:
    """The runs that the next plan may name."""
    return frozenset(
        run.session
        for run in world.runs
        if (run.session not in opened or (run.session in plan.runs and rules.named_runs_stay))
        and (run.session in plan.runs or run.epoch >= world.since(epoch) or not rules.runs_never_return)
        and any(pack in world.pack_names() or pack not in condemned for _chunk, pack in run.places)
    )


def clean_points(world: World, plan: Plan, rules: Rules) -> frozenset[str]:
    """Points that may be built upon under that plan: all of them found, and nothing of them condemned."""
    marked = {
        point.session: _needed(world, plan, [point], plan.runs, rules)
        for point in world.live_points()
        if all(world.found(place) for place in point.places)
    }
    return frozenset(session for session, one in marked.items() if one is not None and session in one.clean)


def _in_maps(me: Collector, roots: Iterable[Point], rules: Rules) -> frozenset[str]:
    if not rules.map_keeps_condemned:
        return NOTHING
    asked = [one for one in roots if rules.pinned_map_keeps_condemned or one.session in me.committed | me.opened]
    return frozenset(pack for point in asked for _chunk, pack in point.places)


def _proposal(
    world: World,
    me: Collector,
    plan: Plan,
    condemned: frozenset[str],
    survivors: frozenset[tuple[str, str]],
    in_maps: frozenset[str],
    rules: Rules,
) -> Plan:
    """The plan that follows; without the points that may be built upon, which depend on it."""
    everything = condemned | plan.condemned if rules.plans_are_cumulative else condemned
    if not rules.undeleted_stays_condemned:
        everything -= world.locked
    runs = runs_in_force(world, plan, me.epoch, me.opened, everything, rules)
    named = {pack for run in world.runs if run.session in runs for _chunk, pack in run.places}
    standing = world.pack_names()
    stays = standing | named | in_maps if rules.named_stays_condemned else standing
    return still_condemned(
        Plan(frozenset(), everything, runs, survivors | plan.survivors), stays, plan.unnamed, me.opened, rules
    )


def _publish(world: World, me: Collector, rules: Rules) -> tuple[World, Collector]:
    """With If-None-Match: whoever loses begins again, as often as it may."""
    if me.proposal is None or world.epoch != me.epoch:
        return world, me._replace(step="end the merging, again" if me.merges else "again", proposal=None)
    opened = me.opened if not rules.ledger_read_again else NOTHING
    following = "who is open" if rules.ledger_read_again else "wait"
    if me.merges:
        following = "end the merging" if rules.merged_before_named else "write the merged run"
    published = me._replace(step=following, epoch=me.epoch + 1, waiting=opened)
    return world._replace(plans=(*world.plans, me.proposal)), published
