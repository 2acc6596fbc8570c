"""Index runs under a plan: which are in force, what they name, which of them may go (rule 4, section 11)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.plan import SERVES_ALL, Plan
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.session import is_retired
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.vouching import vouching_of


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run is without its rows. `serves`: the one workload that may build upon it, or SERVES_ALL."""

    packs: frozenset[bytes]
    row_count: int
    verified: bool
    serves: bytes


@dataclass(frozen=True, slots=True)
class IndexRuns:
    """Under a plan: runs that may be in force, as far as they were read; those of whom nothing can be told, being
    damaged or missing; of these the ones that are in force; those in force that were left unread; those that are in
    force neither now nor ever again; and what may be a merged one that no plan names: who has slept may publish that.
    """

    usable: Mapping[str, RunFacts]
    unreadable: frozenset[str]
    lost: frozenset[str]
    unread: frozenset[str]
    obsolete: frozenset[str]
    unnamed: frozenset[str] = frozenset()

    @property
    def named(self) -> frozenset[bytes]:
        """The packs that usable runs name."""
        return frozenset[bytes]().union(*(facts.packs for facts in self.usable.values()))


def read_runs(
    repository: Repository,
    plan: Plan,
    opened: frozenset[bytes],
    newer: frozenset[str] = frozenset(),
    unread: frozenset[str] = frozenset(),
) -> IndexRuns:
    """Usable are runs that the plan names, whoever wrote them, and newer ones of sessions that are not open. One that
    it left out never returns. `newer`: those that are known to be in force (a point says so, or they were written just
    now), for a LIST may leave one out. `unread`: those that the plan names and that are to stay so whatever they hold.
    """
    usable: dict[str, RunFacts] = {}
    unreadable: set[str] = set()
    obsolete: set[str] = set()
    unnamed: set[str] = set()
    listed = {info.key for info in objects_under(repository.store, names.INDEX)}
    for key in sorted((listed | plan.index_runs | newer) - unread):
        if names.session_of_run(key) in opened and key not in plan.index_runs:
            continue
        try:
            run = read_run(repository, key, plan)
        except (IntegrityError, ObjectNotFoundError):
            unreadable.add(key)
            continue
        if key in plan.index_runs or run.plan_epoch >= plan.since:
            usable[key] = _facts(repository, run)
        else:
            (obsolete if run.plan_epoch or _had_a_point(repository, run.session) else unnamed).add(key)
    lost = {key for key in unreadable if key in plan.index_runs | newer or not plan.since}
    return IndexRuns(usable, frozenset(unreadable), frozenset(lost), unread, frozenset(obsolete), frozenset(unnamed))


def _had_a_point(repository: Repository, session: bytes) -> bool:
    """Whether it was a backup's: a merging never has a point."""
    return session in repository.ledger.state.live or is_retired(repository, session)


def read_run(repository: Repository, key: str, plan: Plan) -> IndexRun:
    """An index run of any tenant that counts under the plan. Raises ObjectNotFoundError, IntegrityError."""
    identifier = names.tenant_of_run(key)
    access = repository.access_with(identifier, repository.tenant_by_id(identifier).keys)
    return access.read_index_run(key, vouching_of(plan))


def _facts(repository: Repository, run: IndexRun) -> RunFacts:
    """In an archive chunks are shared within one workload alone (section 17)."""
    for_all = run.verified and repository.config.archive_class is None
    return RunFacts(frozenset(run.packs.ids()), len(run.rows), run.verified, SERVES_ALL if for_all else run.workload)


def delete_runs(repository: Repository, plan: Plan, keys: Iterable[str]) -> None:
    """Of these runs, which were listed and are out of force under `plan`, those that no session writes and no newer
    plan may name: the ledger is read first, then the plan (rule 4.6). Every open session knows this plan.
    """
    wanted = sorted(keys)
    if not wanted:
        return
    opened = repository.ledger.whole().open
    if newest_plan(repository.sealed).epoch != plan.epoch:
        return
    for key in wanted:
        if names.session_of_run(key) not in opened:
            repository.store.delete(key)
