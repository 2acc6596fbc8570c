"""The renewer: what points need and what sessions may build upon is locked anew, before the locks end (rule 9.2)."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.collector import needed_packs
from tests.model.collector_state import NOTHING
from tests.model.rules import Rules
from tests.model.world import END, World


class Renewer(NamedTuple):
    """`rounds`: renewals, after each of which the locks end that neither it nor the one before made last. `kept`: the
    packs that are still to be locked.
    """

    name: str
    rounds: int = 1
    step: str = "begin"
    epoch: int = 0
    listed: frozenset[str] = NOTHING
    opened: frozenset[str] = NOTHING
    sessions: frozenset[str] = NOTHING
    kept: frozenset[str] = NOTHING


def renew_locks(world: World, me: Renewer, rules: Rules) -> Iterator[tuple[World, Renewer]]:
    """The next step."""
    order = ["plan", "list", "ledger"] if rules.renewed_under_newest_plan else ["ledger", "plan", "list"]
    step = order[0] if me.step == "begin" else me.step
    if step in order:
        me = me._replace(step=[*order, "walk"][order.index(step) + 1])
    match step:
        case "plan":
            yield world, me._replace(epoch=world.epoch)
        case "list":
            yield world, me._replace(listed=world.pack_names())
        case "ledger":
            yield world, me._replace(opened=world.opened, sessions=world.opened | world.committed)
        case "walk":
            yield world, _walk(world, me, rules)
        case "lock" if me.kept:
            pack = min(me.kept)
            yield world.with_lock(pack), me._replace(kept=me.kept - {pack})
        case _:
            after = world._replace(locked=world.lasting, lasting=NOTHING)
            yield after, Renewer(me.name, me.rounds - 1, END if me.rounds == 1 else "begin")


def _walk(world: World, me: Renewer, rules: Rules) -> Renewer:
    """What points need, and what stands and may have been built upon by a session that is open."""
    plan = world.plans[me.epoch]
    points = (world.point(session) for session in sorted(me.sessions))
    needed = needed_packs(world, plan, [point for point in points if point is not None], rules)
    if needed is None:
        return me._replace(step="begin")
    if not rules.condemned_are_renewed_for_points:
        needed -= plan.condemned
    kept = needed
    if rules.uncondemned_are_renewed:
        kept |= me.listed - _let_go(world, me, rules)
    return me._replace(step="lock", kept=kept)


def _let_go(world: World, me: Renewer, rules: Rules) -> frozenset[str]:
    """What the plan condemns, where every session knows that which is open."""
    known = {session for session, epoch in world.acknowledged if epoch >= me.epoch}
    lagging = world.since(me.epoch) and not me.opened <= known
    return NOTHING if lagging and rules.let_go_when_all_know else world.plans[me.epoch].condemned
