"""One collection, from the newest plan to deleted packs (rule 4). The order of the lines is the promise."""

import dataclasses
from collections.abc import Callable, Container, Set
from dataclasses import dataclass
from datetime import timedelta

from holdfast.domain.errors import (
    ConflictError,
    IntegrityError,
    ObjectNotFoundError,
    UnavailableError,
)
from holdfast.domain.numerals import counted
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan, with_survivors
from holdfast.repository.opening.plans import condemned_before, newest_plan, plan_to_write_under, publish
from holdfast.repository.opening.repository import Repository
from holdfast.repository.opening.unknown_points import require_known
from holdfast.repository.progress import Progress
from holdfast.repository.trust.few_at_once import delete_all, few_at_once
from holdfast.repository.trust.probe import require_conditional_writes
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.fence import SILENCE, OpenSession, close_dead, wait_for_sessions
from holdfast.repository.upkeep.collection.index_runs import IndexRuns, delete_runs, read_runs
from holdfast.repository.upkeep.collection.marking import Marking, PackUse
from holdfast.repository.upkeep.collection.planning import (
    DeadPacks,
    Findings,
    Proposal,
    dead_packs,
    next_plan,
    under_older_keys,
    worth_repacking,
)
from holdfast.repository.upkeep.collection.repacking import Repacked, repack
from holdfast.repository.upkeep.collection.roots import Roots, read_roots
from holdfast.repository.upkeep.collection.run_merging import TIDY, Merging, Tidiness, merge_runs

_TRIES = 5
# In single-writer mode, between the plan that condemns a pack and its end (rule 8.5).
REST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class CollectionOrder:
    """`patience`: how long sessions that do not know the plan are waited for; then another collection goes on.
    `rekey_bytes`: instead of what is worth it, so much of what is under older key epochs is repacked, of each tenant.
    `tidiness`: when index runs are looked through and merged.
    """

    patience: timedelta = timedelta(minutes=10)
    tidiness: Tidiness = TIDY
    repack: bool = True
    dry_run: bool = False
    rekey_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """What was found and done. `condemned` and `repacked` count packs of this collection's own plan, `kept` those that
    are condemned and still there, `locked` those of them that a lock holds; bytes are as stored. `young`: cold packs
    that nothing needs and that cost as much deleted as kept. `unfinished`: packs of sessions that are open, at work or
    dead for less than a day, which no point needs yet. `merged_runs`: index runs that others took the place of.
    `waiting`: sessions that hold the rest up.
    """

    epoch: int
    points: int
    packs: int
    stored_bytes: int
    condemned: int = 0
    condemned_bytes: int = 0
    repacked: int = 0
    written_bytes: int = 0
    deleted: int = 0
    freed_bytes: int = 0
    kept: int = 0
    locked: int = 0
    young: int = 0
    young_bytes: int = 0
    unfinished: int = 0
    unfinished_bytes: int = 0
    merged_runs: int = 0
    waiting: tuple[OpenSession, ...] = ()
    dry_run: bool = False


class Collection:
    """One run. Killed anywhere, another run is safe and finishes what this one began."""

    def __init__(
        self, repository: Repository, order: CollectionOrder, progress: Progress, pause: Callable[[float], None]
    ) -> None:
        self._repository = repository
        self._order = order
        self._progress = progress
        self._pause = pause
        self._manifests: dict[bytes, Manifest] = {}
        self._own_epoch = 0

    def run(self) -> CollectionReport:
        """Raises IntegrityError where a root or a needed chunk is missing, or a point stands that the ledger does not
        know: then nothing was deleted after it was seen.

        ConflictError when other collections were always quicker.
        """
        repository = self._repository
        if not self._order.dry_run:
            require_conditional_writes(repository.store, repository.surroundings, repository.config)
        for _try in range(_TRIES):
            plan = self._plan()
            try:
                report = self._round(plan)
            except (IntegrityError, ObjectNotFoundError, UnavailableError):
                # What is missed may have been moved by another collection, which its plan tells.
                if newest_plan(repository.sealed).epoch == max(plan.epoch, self._own_epoch):
                    raise
                report = None
            if report is not None:
                return report
        raise ConflictError(
            f"other collections of {repository.store.location} were quicker {_TRIES} times",
            why="each of them has published a plan in the meantime",
            cure="run one collection at a time",
        )

    def _round(self, plan: Plan) -> CollectionReport | None:
        """None where another collection has published its plan first."""
        repository = self._repository
        require_known(repository.ledger.unknown_points())  # what has been read of the ledger stays known
        waiting: tuple[OpenSession, ...] = ()
        if not self._order.dry_run:
            waiting = self._wait(plan)
            close_dead(repository)
        packs = StandingPacks(repository.store)
        roots = self._roots()
        report = CollectionReport(
            plan.epoch, len(roots.points), len(packs.listed), sum(packs.listed.values()), dry_run=self._order.dry_run
        )
        if waiting:
            return dataclasses.replace(report, waiting=waiting)
        self._progress.note(f"marking what is needed by {counted(len(roots.points), 'restore point')}")
        marking = Marking(repository, plan, packs)
        clean = frozenset(point.session for point in roots.points if marking.add(point))
        read, left = self._read_in_place(plan, packs, roots)
        found = Findings(plan, marking.uses, read, packs, roots.opened, clean, marking.left | left)
        needed = _condemned_in(plan, found.uses, found.read)
        if self._order.dry_run:
            return self._foreseen(report, found, needed)
        report = self._sweep(report, plan, needed, packs)
        self._remove_scratch()
        return self._condemn(report, found, marking)

    def _condemn(self, report: CollectionReport, found: Findings, marking: Marking) -> CollectionReport | None:
        """The second half: the next plan, published and carried out."""
        repository, packs = self._repository, found.packs
        dead = dead_packs(repository, found)
        repacked = (
            repack(repository, tenant, uses, self._progress, self._order.rekey_bytes)
            for tenant, uses in sorted(self._to_repack(found).items())
        )
        moved = [one for one in repacked if one.survivors]
        report = _with_spared(report, dead, packs)
        merging, runs = self._merge(found, moved)
        proposal = next_plan(repository, found, dead.packs, moved, runs, merging)
        tidier = merging.worth_a_plan or _forgotten(found.plan, proposal.plan) > self._order.tidiness.gone
        if not (proposal.newly_condemned or moved or tidier):
            return report
        published = self._publish(proposal.plan)
        merging.end()
        if not published:
            return None
        report = _with_plan(report, proposal, moved, packs)
        waiting = self._wait(proposal.plan)
        if waiting:
            return dataclasses.replace(report, waiting=waiting)
        packs = StandingPacks(repository.store)  # others may have deleted some
        roots = self._roots()
        again = Marking(repository, proposal.plan, packs, walked=marking)
        for point in roots.points:
            again.add(point)
        read, _left = self._read_in_place(proposal.plan, packs, roots)
        needed = _condemned_in(proposal.plan, again.uses, read) | _after_repacking(proposal.plan, found.uses, moved)
        report = self._sweep(report, proposal.plan, needed, packs)
        delete_runs(repository, proposal.plan, proposal.left_out | runs.unnamed)
        return dataclasses.replace(report, merged_runs=len(merging.replaced))

    def _merge(self, found: Findings, moved: list[Repacked]) -> tuple[Merging, IndexRuns]:
        """The runs under the plan; where they were all read, small ones are merged. What is out of force goes."""
        repository, plan, packs = self._repository, found.plan, found.packs
        written = frozenset[str]().union(*(one.index_runs for one in moved))
        tidiness = self._order.tidiness
        unread = plan.index_runs if tidiness.is_kept(repository, plan, packs, found.left) else frozenset[str]()
        runs = read_runs(repository, plan, found.opened, written, unread)
        delete_runs(repository, plan, runs.obsolete)
        gone = frozenset(pack for pack in plan.condemned if not unread and not packs.stands(pack))
        return merge_runs(repository, plan, runs, gone, tidiness.runs), runs

    def _plan(self) -> Plan:
        read = newest_plan if self._order.dry_run else plan_to_write_under
        return read(self._repository.sealed, self._repository.ledger.state.plan_epoch)

    def _wait(self, plan: Plan) -> tuple[OpenSession, ...]:
        if not plan.since:
            return ()
        return wait_for_sessions(self._repository, plan, self._order.patience, self._pause, self._tell_of_waiting)

    def _tell_of_waiting(self, sessions: tuple[OpenSession, ...]) -> None:
        minutes = round(self._order.patience.total_seconds() / 60)
        named = ", ".join(f"{one.session.hex()[:8]} since {one.since}" for one in sessions[:3])
        self._progress.note(
            f"waiting for {counted(len(sessions), 'session')} that may build upon what is to go ({named}), for "
            f"{counted(minutes, 'minute')} at most"
        )

    def _roots(self) -> Roots:
        return read_roots(self._repository, self._manifests)

    def _read_in_place(
        self, plan: Plan, packs: StandingPacks, roots: Roots
    ) -> tuple[frozenset[bytes], frozenset[bytes]]:
        """What readers at work need where they believe it to be, for their workers hold no other keys, and the packs to
        which they turn where it does not open there; and what their maps name that is condemned or gone.
        """
        marking = Marking(self._repository, plan, packs, in_place=True)
        for point in roots.pinned:
            marking.add(point)
        return with_survivors(plan.survivors, marking.uses), marking.left

    def _to_repack(self, found: Findings) -> dict[str, list[PackUse]]:
        if self._order.rekey_bytes:
            return under_older_keys(self._repository, found)
        return worth_repacking(self._repository, found) if self._order.repack else {}

    def _publish(self, plan: Plan) -> bool:
        """Whether this plan is the one of its epoch."""
        published = publish(self._repository.sealed, plan)
        if published:
            self._own_epoch = plan.epoch
        return published

    def _sweep(
        self, report: CollectionReport, plan: Plan, needed: Set[bytes], packs: StandingPacks
    ) -> CollectionReport:
        """Delete what is condemned and not needed; what a lock holds stays, and stays condemned (rule 4.4), and so does
        what has to rest in single-writer mode (rule 8.5).
        """
        packs.ask(plan.condemned, self._repository.surroundings)
        standing = [pack for pack in sorted(plan.condemned) if packs.stands(pack)]
        rested = self._rested(plan) if standing else plan.condemned
        doomed = [pack for pack in standing if pack not in needed and pack in rested]
        sizes = {pack: packs.size_bytes(pack) or 0 for pack in doomed}
        delete = self._repository.store.delete
        answers = few_at_once(self._repository.surroundings, lambda pack: delete(names.pack(pack)), doomed)
        gone = [pack for pack, is_gone in answers if is_gone]
        packs.forget(gone)
        return dataclasses.replace(
            report,
            deleted=report.deleted + len(gone),
            freed_bytes=report.freed_bytes + sum(sizes[pack] for pack in gone),
            kept=len(standing) - len(gone),
            locked=len(doomed) - len(gone),
        )

    def _rested(self, plan: Plan) -> frozenset[bytes]:
        if not self._repository.config.single_writer:
            return plan.condemned
        return condemned_before(self._repository.sealed, plan, self._repository.now() - REST)

    def _foreseen(self, report: CollectionReport, found: Findings, needed: Set[bytes]) -> CollectionReport:
        """What a collection would do, as far as can be told without doing it."""
        unneeded = dead_packs(self._repository, found)
        report = _with_spared(report, unneeded, found.packs)
        dead = unneeded.packs | frozenset(
            pack for pack in found.plan.condemned if found.packs.stands(pack) and pack not in needed
        )
        sparse = [use for uses in self._to_repack(found).values() for use in uses]
        return dataclasses.replace(
            report,
            condemned=len(dead) + len(sparse),
            condemned_bytes=sum(found.packs.size_bytes(pack) or 0 for pack in [*dead, *(use.pack for use in sparse)]),
            repacked=len(sparse),
            written_bytes=sum(use.live_bytes for use in sparse),
        )

    def _remove_scratch(self) -> None:
        """What sessions that ended more than a day ago have left: nobody asks for their acknowledgements any more. What
        a probe or a retrieval that was killed has left goes, too.
        """
        repository = self._repository
        listed = list(repository.store.list(names.SESSIONS))
        state = repository.ledger.refresh()
        long_ago = repository.now() - SILENCE  # by the store's clock, as `modified`
        gone = []
        for info in listed:
            session = names.session_of_scratch(info.key)
            if session is None or session in state.open or session in state.pins:
                continue
            if info.modified and info.modified < long_ago:
                gone.append(info.key)
        delete_all(repository.surroundings, repository.store, gone)


def _forgotten(before: Plan, after: Plan) -> int:
    """How many packs leave the list of the condemned, or may leave it with the plan after this one."""
    return len(before.condemned - after.condemned) + len(after.unnamed - before.unnamed)


def _condemned_in(plan: Plan, *needed: Container[bytes]) -> frozenset[bytes]:
    """What the plan condemns though it is needed: most that is needed is not condemned."""
    return frozenset(pack for pack in plan.condemned if any(pack in some for some in needed))


def _after_repacking(plan: Plan, uses: Container[bytes], moved: list[Repacked]) -> frozenset[bytes]:
    """The same of what was needed before: it is needed still, where it lies now."""
    survivors = {pack: others for one in moved for pack, others in one.survivors.items()}
    here = frozenset[bytes]().union(*survivors.values())
    return frozenset(pack for pack in _condemned_in(plan, uses, here) if pack in here or pack not in survivors)


def _with_spared(report: CollectionReport, dead: DeadPacks, packs: StandingPacks) -> CollectionReport:
    """What no point needs and stays for now."""

    def size_of(some: Set[bytes]) -> int:
        return sum(packs.size_bytes(pack) or 0 for pack in some)

    return dataclasses.replace(
        report,
        young=len(dead.young),
        young_bytes=size_of(dead.young),
        unfinished=len(dead.unfinished),
        unfinished_bytes=size_of(dead.unfinished),
    )


def _with_plan(
    report: CollectionReport, proposal: Proposal, moved: list[Repacked], packs: StandingPacks
) -> CollectionReport:
    return dataclasses.replace(
        report,
        epoch=proposal.plan.epoch,
        condemned=len(proposal.newly_condemned),
        condemned_bytes=sum(packs.size_bytes(pack) or 0 for pack in proposal.newly_condemned),
        repacked=sum(len(one.survivors) for one in moved),
        written_bytes=sum(one.written_bytes for one in moved),
    )
