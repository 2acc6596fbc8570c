"""The repairer: tells the ledger of points that it does not know, copies what does not open, publishes a plan that
condemns damage and names the copies (rule 4.7).
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.collector import clean_points, runs_in_force
from tests.model.rules import Rules
from tests.model.world import END, Place, Plan, Run, World


class Repairer(NamedTuple):
    """`healed`: places that do not open, each with the pack that has the chunk now."""

    name: str
    step: str = "tell"
    epoch: int = 0
    healed: frozenset[tuple[Place, str]] = frozenset()


def mend(world: World, me: Repairer, rules: Rules) -> Iterator[tuple[World, Repairer]]:
    """The next step."""
    match me.step:
        case "tell":
            told = world
            for session in world.unknown():
                told = told.with_commit(session)
            yield told, me._replace(step="open")
        case "open":
            yield world._replace(opened=world.opened | {me.name}), me._replace(step="plan")
        case "plan":
            yield world, me._replace(step="acknowledge", epoch=world.epoch)
        case "acknowledge":
            acknowledged = world.acknowledged | {(me.name, me.epoch)}
            yield world._replace(acknowledged=acknowledged), me._replace(step="copy")
        case "copy":
            yield _copy(world, me)
        case "index":
            places = frozenset((place[0], pack) for place, pack in me.healed)
            yield world._replace(runs=world.runs | {Run(me.name, me.epoch, places)}), me._replace(step="tombstone")
        case "tombstone":
            ended = frozenset() if world.ended(me.name) else frozenset({me.name})
            yield world._replace(tombstones=world.tombstones | ended), me._replace(step="close")
        case "close":
            yield world._replace(opened=world.opened - {me.name}), me._replace(step="publish")
        case "publish":
            yield _publish(world, me, rules)


def _copy(world: World, me: Repairer) -> tuple[World, Repairer]:
    """A pack of its own with every chunk that still opens anywhere."""
    hurt = [place for place in sorted(world.damaged) if world.found(place)]
    if not hurt:
        return world, me._replace(step="tombstone")
    pack = f"{me.name}.1"
    chunks = frozenset(chunk for chunk, _pack in hurt)
    return (
        world.with_pack(pack, chunks, me.name),
        me._replace(step="index", healed=frozenset((place, pack) for place in hurt)),
    )


def _publish(world: World, me: Repairer, rules: Rules) -> tuple[World, Repairer]:
    """Where no other plan was quicker; from then on what was healed must be found for ever."""
    if world.epoch != me.epoch:
        return world, me._replace(step=END)
    before = world.plans[me.epoch]
    damaged = frozenset(pack for _chunk, pack in world.damaged & frozenset(world.standing_places()))
    condemned = before.condemned | damaged if rules.damage_is_condemned else before.condemned
    survivors = before.survivors | frozenset((place[1], pack) for place, pack in me.healed)
    runs = runs_in_force(world, before, me.epoch, world.opened, condemned, rules)
    plan = Plan(frozenset(), condemned, runs, survivors)
    live = clean_points(world, plan, rules)
    owed = world.owed | frozenset(place for place, _pack in me.healed)
    return world._replace(plans=(*world.plans, plan._replace(live=live)), owed=owed), me._replace(step=END)
