"""The plan that follows another one: what it condemns, what it leaves in force (rule 4.4). Nothing is written here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from holdfast.domain.errors import NeedsRetrievalError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.pack import DIRECTORY_ENTRY, FOOTER, HEADER_BYTES, TAG_BYTES, PackHeader
from holdfast.repository.format.plan import Plan, with_survivors
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.older_versions import NOT_IT
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.index_runs import IndexRuns
from holdfast.repository.upkeep.collection.marking import PackUse
from holdfast.repository.upkeep.collection.repacking import Repacked
from holdfast.repository.upkeep.collection.run_merging import NOTHING_MERGED, Merging

DEAD_PERCENT = 10
SMALL_BYTES = 4 * 1024 * 1024
# A session leaves one small pack of a kind or two, at its end, but many where the packs of a small volume are to be
# small (decision 31): those stay, as long as they are worth a request.
_FEW = 8
_TINY_BYTES = 256 * 1024
# A plan says of so many at once that they may go with the next one: 16 MiB of the 256 that it may have.
_UNNAMED_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Findings:
    """A marking under `plan`: packs that points use, with those that readers at work need besides; packs that stand,
    sessions that are open, points that need nothing condemned. `left`: packs that maps name, condemned or gone.
    """

    plan: Plan
    uses: Mapping[bytes, PackUse]
    read: frozenset[bytes]
    packs: StandingPacks
    opened: frozenset[bytes]
    clean: frozenset[bytes]
    left: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Proposal:
    """`index_runs` that are left out of force by `plan` may be deleted once it has been carried out."""

    plan: Plan
    newly_condemned: frozenset[bytes]
    left_out: frozenset[str]


@dataclass(frozen=True, slots=True)
class DeadPacks:
    """Packs that no point needs: those that may be condemned, cold ones whose class's least time is not over, and what
    sessions have stored that are open still, at work or dead for less than a day.
    """

    packs: frozenset[bytes]
    young: frozenset[bytes]
    unfinished: frozenset[bytes]


def dead_packs(repository: Repository, found: Findings) -> DeadPacks:
    """Packs that stand and that nothing needs, of sessions that are not open. One whose header is damaged says not
    whose it is: it is left alone, and `check` names it. Nor does one that is cold: it may be anybody's who is at work.
    """
    spared = (found.uses, found.read, found.plan.condemned)
    unneeded = [pack for pack in found.packs.listed if not any(pack in some for some in spared)]
    dead, young, unfinished = set[bytes](), set[bytes](), set[bytes]()
    for pack, header in few_at_once(repository.surroundings, lambda pack: _header_of(repository, pack), unneeded):
        if isinstance(header, PackHeader):
            ended, holds_data = header.session not in found.opened, not header.holds_maps
        else:
            ended, holds_data = header is _COLD and not found.opened, True
        if ended:
            (young if holds_data and _is_young(repository, pack) else dead).add(pack)
        elif header is not None:
            unfinished.add(pack)
    return DeadPacks(frozenset(dead), frozenset(young), frozenset(unfinished))


_COLD = object()


def _header_of(repository: Repository, pack: bytes) -> object:
    """The pack's header; None where it is damaged, gone or another's, _COLD where it has to be retrieved first."""
    try:
        return read_header(repository.store, pack)
    except NeedsRetrievalError:
        return _COLD
    except (*NOT_IT, ObjectNotFoundError):
        return None


def _is_young(repository: Repository, pack: bytes) -> bool:
    """Whether it costs as much to delete a cold pack now as to keep it. By the store's clock: it is money alone."""
    archive_class = repository.config.archive_class
    if archive_class is None:
        return False
    try:
        since = repository.store.head(names.pack(pack)).modified
    except ObjectNotFoundError:
        return False  # somebody else has deleted it
    return since is not None and since + archive_class.least_storage > repository.now()


def worth_repacking(repository: Repository, found: Findings) -> dict[str, list[PackUse]]:
    """By tenant, the packs whose live chunks should move: mostly dead ones, condemned ones that are needed, and small
    ones where together they fill a pack. In an archive none: what moves has to be retrieved first (section 17).
    """
    if repository.config.archive_class is not None:
        return {}
    chosen: dict[str, list[PackUse]] = {}
    small: list[tuple[PackUse, int]] = []
    pack_size = repository.config.pack_size_bytes
    for pack, use in found.uses.items():
        size = found.packs.size_bytes(pack)
        if size is None or use.session in found.opened:
            continue
        if pack in found.plan.condemned or _is_sparse(use, size):
            chosen.setdefault(use.tenant, []).append(use)
        elif size < min(SMALL_BYTES, pack_size // 4):
            small.append((use, size))
    for tenant, uses in _leftovers(small):
        if sum(use.live_bytes for use in uses) >= pack_size:
            chosen.setdefault(tenant, []).extend(uses)
    return chosen


def _leftovers(small: Sequence[tuple[PackUse, int]]) -> Iterator[tuple[str, list[PackUse]]]:
    """Of packs that are small, given with their sizes, those that are not meant to be: by tenant and type."""
    of_session = Counter((use.session, use.chunk_type) for use, _size in small)
    groups: dict[tuple[str, int], list[PackUse]] = {}
    for use, size in small:
        if of_session[use.session, use.chunk_type] <= _FEW or size < _TINY_BYTES:
            groups.setdefault((use.tenant, use.chunk_type), []).append(use)
    return ((tenant, uses) for (tenant, _type), uses in groups.items())


def under_older_keys(repository: Repository, found: Findings) -> dict[str, list[PackUse]]:
    """By tenant, packs under key epochs before the newest, whose live chunks are to be sealed anew."""
    chosen: dict[str, list[PackUse]] = {}
    for pack, use in found.uses.items():
        is_old = use.kid < repository.master.kid and use.session not in found.opened
        if is_old and found.packs.stands(pack):
            chosen.setdefault(use.tenant, []).append(use)
    return chosen


def _is_sparse(use: PackUse, size_bytes: int) -> bool:
    """Whether more than a tenth of a pack is dead."""
    around = HEADER_BYTES + TAG_BYTES + FOOTER.size + use.numbers.bit_count() * DIRECTORY_ENTRY.size
    return (size_bytes - around - use.live_bytes) * 100 > DEAD_PERCENT * size_bytes


def next_plan(
    repository: Repository,
    found: Findings,
    dead: frozenset[bytes],
    repacked: Iterable[Repacked],
    runs: IndexRuns,
    merging: Merging = NOTHING_MERGED,
) -> Proposal:
    """Cumulative: what was condemned stays so until it is gone and neither a map nor an index run in force names it:
    now and, where a session is open, when `found.plan` was made. `runs`: read after the repacking, of which every run
    is among them.
    """
    survivors = dict(found.plan.survivors)
    moved: set[bytes] = set()
    for one in repacked:
        moved |= one.survivors.keys()
        for pack, others in one.survivors.items():
            survivors[pack] = survivors.get(pack, frozenset()) | others
    new = (dead | moved) - found.plan.condemned
    everything = found.plan.condemned | new
    left_out = merging.replaced | {
        key
        for key, facts in runs.usable.items()
        if facts.packs <= everything and not any(found.packs.stands(pack) for pack in facts.packs)
    }
    in_force = {key: facts for key, facts in {**runs.usable, **merging.written}.items() if key not in left_out}
    unknown = runs.lost | runs.unread
    named = found.left.union(*(facts.packs for facts in in_force.values()))
    unnamed = frozenset[bytes]() if unknown else _believed_by_nobody(found, everything, named, survivors)
    kept = everything - (unnamed & found.plan.unnamed if found.opened else unnamed)
    keys = in_force.keys() | unknown
    sessions = {names.session_of_run(key) for key in keys}
    merged = {**found.plan.merged, **merging.merged}
    plan = Plan(
        epoch=found.plan.epoch + 1,
        live=found.clean,
        condemned=kept,
        index_runs=frozenset(keys),
        unnamed=frozenset(sorted(unnamed & kept)[:_UNNAMED_LIMIT]),
        survivors={pack: others for pack, others in survivors.items() if pack in kept},
        merged={session: serves for session, serves in merged.items() if session in sessions},
        kid=found.plan.kid,
        vouched=_vouched(found.plan, keys),
    )
    return Proposal(plan, new, left_out)


def _believed_by_nobody(
    found: Findings, condemned: frozenset[bytes], named: Set[bytes], survivors: Mapping[bytes, frozenset[bytes]]
) -> frozenset[bytes]:
    """Of the condemned those that stand nowhere, that are not named, and in which nobody looks for what another pack
    had that stays condemned.
    """
    believed = {pack for pack in condemned if pack in named or found.packs.stands(pack)}
    return condemned - with_survivors(survivors, believed)


def _vouched(plan: Plan, keys: Set[str]) -> Mapping[str, bytes] | None:
    """Of these runs, those under older key epochs that the plan before has vouched for (section 21)."""
    if plan.vouched is None:
        return None
    return {key: digest for key, digest in plan.vouched.items() if key in keys}
