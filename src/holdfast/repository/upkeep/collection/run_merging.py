"""Many small index runs into few, in a session of its own (section 11). Bounded memory: a merged run has one part.

A run is in force because a plan names it; so nobody takes up a merged one before the plan that drops those it replaces.
"""

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import index_run, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import ROW, IndexRun
from holdfast.repository.format.plan import SERVES_ALL, Plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.sorted_run import merged_rows
from holdfast.repository.sessions.session import WriterSession, end_session, open_repacking
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.index_runs import IndexRuns, RunFacts, read_run

SMALL_ROWS = 1 << 17
MERGED_ROWS = 1 << 18
RUNS_LIMIT = 256
GONE_LIMIT = 1000
_GONE_SHARE = 16


@dataclass(frozen=True, slots=True)
class Tidiness:
    """`runs`: how many small index runs a tenant may have that were never merged. `gone`: how many packs may be gone
    and still condemned though no map names them, or an eighth of those that stand, if that is more. Beyond that every
    run is read.
    """

    runs: int = RUNS_LIMIT
    gone: int = GONE_LIMIT

    def is_kept(self, repository: Repository, plan: Plan, packs: StandingPacks, in_maps: frozenset[bytes]) -> bool:
        """Whether the runs that the plan names may stay unread; what a LIST leaves out costs time or space alone."""
        counts: Counter[bytes] = Counter()
        for info in objects_under(repository.store, names.INDEX):
            if info.size_bytes < SMALL_ROWS * ROW.itemsize and names.session_of_run(info.key) not in plan.merged:
                counts[names.tenant_of_run(info.key)] += 1
        gone = sum(pack not in packs.listed for pack in plan.condemned - in_maps)
        return max(counts.values(), default=0) <= self.runs and gone <= max(self.gone, len(packs.listed) // 8)


@dataclass(frozen=True, slots=True)
class Merging:
    """`replaced` runs, and `written` ones that say the same, by the sessions that stay open until a plan names them.
    `worth_a_plan`: whether one is to be published for this alone.
    """

    replaced: frozenset[str]
    written: Mapping[str, RunFacts]
    sessions: tuple[WriterSession, ...]
    worth_a_plan: bool

    @property
    def merged(self) -> dict[bytes, bytes]:
        """What the plan says of the written runs: their sessions, and the workload that they serve."""
        return {names.session_of_run(key): facts.serves for key, facts in self.written.items()}

    def end(self) -> None:
        """Whether or not a plan names what was written."""
        for session in self.sessions:
            end_session(session.repository, session.session, session.point_key)


TIDY = Tidiness()
NOTHING_MERGED = Merging(frozenset(), {}, (), worth_a_plan=False)

_Kin = tuple[bytes, bytes, bool]
_Batch = list[str]


def batches(plan: Plan, runs: IndexRuns, gone: frozenset[bytes], most_runs: int) -> dict[_Kin, list[_Batch]]:
    """Which runs become one, by tenant and by whom they may serve (section 11)."""
    new = {
        key
        for key, facts in runs.usable.items()
        if facts.row_count < SMALL_ROWS and names.session_of_run(key) not in plan.merged
    }
    count = Counter(names.tenant_of_run(key) for key in new)
    crowded = {tenant for tenant, of_tenant in count.items() if of_tenant > most_runs}
    hollow = {key for key, facts in runs.usable.items() if _is_hollow(facts, gone)}
    chosen = hollow | {
        key
        for key, facts in runs.usable.items()
        if facts.row_count < SMALL_ROWS and names.tenant_of_run(key) in crowded
    }

    def kin(key: str) -> _Kin:
        facts = runs.usable[key]
        return names.tenant_of_run(key), facts.serves, facts.verified

    found: dict[_Kin, list[_Batch]] = {}
    for whose, keys in groupby(sorted(chosen, key=lambda key: (kin(key), runs.usable[key].row_count, key)), kin):
        worth = [batch for batch in _grown(keys, runs.usable) if len(batch) > 1 or batch[0] in hollow | new]
        if worth:
            found[whose] = worth
    return found


def _is_hollow(facts: RunFacts, gone: frozenset[bytes]) -> bool:
    """Whether so many of its packs are gone that it is written anew."""
    return len(facts.packs & gone) * _GONE_SHARE >= max(len(facts.packs), 1)


def _grown(keys: Iterable[str], usable: Mapping[str, RunFacts]) -> Iterator[_Batch]:
    """Ascending by rows, each with those before it as long as it has at most twice as many rows as they together."""
    batch: _Batch = []
    rows = 0
    for key in keys:
        more = usable[key].row_count
        if batch and (more > 2 * rows or rows + more > MERGED_ROWS):
            yield batch
            batch, rows = [], 0
        batch.append(key)
        rows += more
    if batch:
        yield batch


def merge_runs(repository: Repository, plan: Plan, runs: IndexRuns, gone: frozenset[bytes], most_runs: int) -> Merging:
    """Write merged runs, without the rows of packs in `gone`.

    Without a plan nothing is merged: then every run is in force, one of a merging that died too.
    """
    chosen = batches(plan, runs, gone, most_runs)
    if not plan.since:
        return dataclasses.replace(NOTHING_MERGED, worth_a_plan=bool(chosen))
    replaced: set[str] = set()
    written: dict[str, RunFacts] = {}
    sessions: list[WriterSession] = []
    for (tenant, serves, verified), of_kin in chosen.items():
        session = open_repacking(repository, repository.tenant_by_id(tenant).name)
        sessions.append(session)
        workload = session.workload_id if serves == SERVES_ALL else serves
        for part, keys in enumerate(of_kin):
            # What does not open any more stays in force: the next collection says what becomes of it.
            with contextlib.suppress(IntegrityError, ObjectNotFoundError):
                runs_of_batch = (read_run(repository, key, plan) for key in keys)
                rows, packs = merged_rows(((run.rows, run.packs) for run in runs_of_batch), gone)
                if len(rows):
                    facts = RunFacts(frozenset(packs.ids()), len(rows), verified, serves)
                    body = index_run.encode(IndexRun(session.session, workload, verified, 0, packs, rows))
                    del rows  # what is sealed now is in memory once less
                    key = names.index_run(tenant, session.session, part)
                    repository.sealed.write(Kind.INDEX_RUN, key, body)
                    written[key] = facts
                replaced.update(keys)
    return Merging(frozenset(replaced), written, tuple(sessions), worth_a_plan=bool(replaced))
