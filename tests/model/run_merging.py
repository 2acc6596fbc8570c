"""The collector's index runs: those that are out of force go, all others become one (rule 4.6)."""

from tests.model.collector_state import NOTHING, Collector
from tests.model.forgetting import still_condemned
from tests.model.rules import Rules
from tests.model.world import Run, World


def after_sweep(world: World, me: Collector) -> tuple[str, ...]:
    """What may follow a sweep, or the deletion of runs."""
    if not me.merges:
        return ("publish" if me.proposal else "again",)
    if me.proposal is None:
        return ("again",) if me.step == "delete runs" else ("whose runs", "again")
    following = "open a merging" if world.since(me.epoch) else "publish"
    return (following,) if me.step == "delete runs" else ("list runs", following)


def tidy(world: World, me: Collector, rules: Rules) -> tuple[World, Collector]:
    """The next step between a sweep and the plan, or after all."""
    match me.step:
        case "list runs":
            return world, me._replace(step="whose runs", listed_runs=frozenset(run.session for run in world.runs))
        case "whose runs":
            return world, me._replace(step="which plan", doomed_runs=_out_of_force(world, me, rules) - world.opened)
        case "which plan":
            doomed = me.doomed_runs if world.epoch == me.epoch else NOTHING
            return world, me._replace(step="delete runs", doomed_runs=doomed)
        case "delete runs":
            left = frozenset(run for run in world.runs if run.session not in me.doomed_runs)
            return world._replace(runs=left), me._replace(step=after_sweep(world, me)[0], doomed_runs=NOTHING)
        case "open a merging":
            session = _session(me)
            opened = world.opened | {session}
            following = "write the merged run" if rules.merged_before_named else "publish"
            acknowledged = world.acknowledged | {(session, world.epoch)}
            after = world._replace(opened=opened, acknowledged=acknowledged)
            return after, _proposing(after, me, rules, following)
        case "write the merged run":
            following = "publish" if rules.merged_before_named else "end the merging"
            return world._replace(runs=world.runs | {_merged(world, me, rules)}), me._replace(step=following)
        case _:  # end the merging
            session = _session(me)
            ended = world._replace(opened=world.opened - {session}, tombstones=world.tombstones | {session})
            return ended, me._replace(step="again" if me.step.endswith("again") else "who is open")


def _out_of_force(world: World, me: Collector, rules: Rules) -> frozenset[str]:
    """Of the runs that were listed before the plan. Those of epoch 0 may be named yet by who has merged under the plan
    before and slept: they wait until another plan stands in its place.
    """
    plan, since = world.plans[me.epoch], world.since(me.epoch)
    waits = me.proposal is not None and rules.unnamed_runs_outlive_the_plan
    return frozenset(
        run.session
        for run in world.runs
        if run.session in me.listed_runs - plan.runs and run.epoch < since and (run.epoch or not waits)
    )


def _session(me: Collector) -> str:
    return f"{me.name}{me.rounds}"


def _merged(world: World, me: Collector, rules: Rules) -> Run:
    """What the runs in force say, without packs that are condemned and gone. It is in force where a plan names it."""
    plan = world.plans[me.epoch]
    if not rules.merged_before_named:
        plan = world.plans[me.epoch - 1]
    epoch = 0
    if not rules.merged_only_where_named:
        epoch = max(known for session, known in world.acknowledged if session == _session(me))
    places = {
        place
        for run in world.runs
        if run.session not in me.opened
        and (run.session in plan.runs or run.epoch >= world.since(me.epoch) or not rules.merged_from_runs_in_force)
        for place in run.places
        if place[1] in me.listed or place[1] not in plan.condemned
    }
    return Run(_session(me), epoch, frozenset(places))


def _proposing(world: World, me: Collector, rules: Rules, following: str) -> Collector:
    """The plan names the merged run alone, and condemns what stands or is named by it or by a map."""
    if me.proposal is None:
        return me
    named = {pack for _chunk, pack in _merged(world, me, rules).places}
    if rules.map_keeps_condemned:
        roots = (world.point(session) for session in me.committed | me.opened | me.pinned)
        named |= {pack for point in roots if point for _chunk, pack in point.places}
    proposal = me.proposal._replace(runs=frozenset({_session(me)}))
    before = world.plans[me.epoch].unnamed
    return me._replace(step=following, proposal=still_condemned(proposal, me.listed | named, before, me.opened, rules))
