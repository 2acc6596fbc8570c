"""The plan that a repair publishes: it condemns damage and names the packs with copies as survivors (rule 4.7)."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan
from holdfast.repository.health.repair.workshop import overtaken
from holdfast.repository.opening.plans import publish
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.trust.older_versions import NOT_IT
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.index_runs import IndexRuns, read_runs
from holdfast.repository.upkeep.collection.marking import Marking
from holdfast.repository.upkeep.collection.planning import Findings, next_plan
from holdfast.repository.upkeep.collection.repacking import Repacked


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a repair has found and written: packs that are damaged or missing with those that hold copies of their
    chunks, and the runs that name these.
    """

    survivors: Mapping[bytes, frozenset[bytes]]
    index_runs: frozenset[str]


def agree(
    repository: Repository,
    plan: Plan,
    runs: IndexRuns,
    points: Iterable[Manifest],
    opened: frozenset[bytes],
    outcome: Outcome,
) -> Plan:
    """The newest plan now: one that tells everybody of the outcome, or `plan` where that says it already.

    Raises ConflictError where a collection has published its own first.
    """
    packs = StandingPacks(repository.store)
    survivors = {**_passed_on(plan, outcome.survivors), **outcome.survivors}
    # Nothing was marked: any map may name what is condemned.
    found = Findings(plan, {}, frozenset(), packs, opened, frozenset(), plan.condemned.union(survivors))
    now = read_runs(repository, plan, opened, outcome.index_runs.union(runs.usable))
    mended = [Repacked(survivors, outcome.index_runs, 0, 0)]
    proposal = next_plan(repository, found, frozenset(), mended, now).plan
    gained = any(others - plan.survivors.get(pack, frozenset()) for pack, others in proposal.survivors.items())
    replaced = replaced_runs(repository, packs, runs.lost, now.named | proposal.condemned, frozenset(plan.merged))
    if not (outcome.index_runs or proposal.condemned - plan.condemned or gained or replaced):
        return plan
    new = dataclasses.replace(proposal, index_runs=proposal.index_runs - replaced)
    new = dataclasses.replace(new, live=_clean(repository, new, packs, points))
    if not publish(repository.sealed, new):
        raise overtaken()
    return new


def replaced_runs(
    repository: Repository,
    packs: StandingPacks,
    lost: frozenset[str],
    known: frozenset[bytes],
    merged: frozenset[bytes],
) -> frozenset[str]:
    """Of runs that do not open or are missing, those that nobody needs: other runs name each pack that stands of their
    sessions (of a merged one, whose session is in `merged`, each pack at all), or it is condemned. Such a run leaves
    force. It is not deleted: it may be this machine that cannot read.
    """
    if not lost:
        return frozenset()
    unknown = [pack for pack in packs.listed if pack not in known]
    sessions = list(repository.surroundings.transfer.map(lambda pack: _session_of(repository, pack), unknown))
    if None in sessions:
        return frozenset()  # it may be anybody's
    return frozenset(
        key
        for key in lost
        if names.session_of_run(key) not in sessions and not (sessions and names.session_of_run(key) in merged)
    )


def _session_of(repository: Repository, pack: bytes) -> bytes | None:
    try:
        return read_header(repository.store, pack).session
    except (*NOT_IT, NeedsRetrievalError, ObjectNotFoundError):
        return None


def _passed_on(plan: Plan, survivors: Mapping[bytes, frozenset[bytes]]) -> dict[bytes, frozenset[bytes]]:
    """What was the survivor of another pack, and is hurt itself, hands that on."""
    passed = {
        pack: frozenset[bytes]().union(*(survivors[other] for other in others if other in survivors))
        for pack, others in plan.survivors.items()
    }
    return {pack: others for pack, others in passed.items() if others}


def _clean(repository: Repository, plan: Plan, packs: StandingPacks, points: Iterable[Manifest]) -> frozenset[bytes]:
    """Points that may be built upon: those that need no condemned pack, and of which nothing is lost, as far as what is
    cold lets anybody tell.
    """
    marking = Marking(repository, plan, packs)
    clean = set()
    for point in points:
        try:
            if marking.add(point):
                clean.add(point.session)
        except (IntegrityError, NeedsRetrievalError, ObjectNotFoundError):
            continue
    return frozenset(clean)
