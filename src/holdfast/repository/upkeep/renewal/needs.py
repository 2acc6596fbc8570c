"""What has to be locked until when, for the points that live now (rule 9.2). Nothing is written here. What is damaged
is noted, and what else is needed is found all the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from holdfast.domain.errors import HoldfastError
from holdfast.domain.time import parse_time
from holdfast.repository.format import names
from holdfast.repository.format.ledger import Record
from holdfast.repository.format.plan import Plan
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.checkpoints import newest_checkpoint
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.signs_of_life import is_ahead
from holdfast.repository.trust.lock_terms import GENERATION
from holdfast.repository.trust.older_versions import all_keys
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.fence import knows
from holdfast.repository.upkeep.collection.index_runs import read_run
from holdfast.repository.upkeep.collection.marking import Marking
from holdfast.repository.upkeep.renewal.live_points import HURT, LivePoint, latest_promise


@dataclass(frozen=True, slots=True)
class Need:
    """The least that the lock of an object must reach. `may_be_gone`: nothing that is needed is missed with it."""

    key: str
    until: datetime
    may_be_gone: bool = False


def needs_of_all(repository: Repository, points: tuple[LivePoint, ...], now: datetime) -> Iterator[Need]:
    """What every point needs: config, key slots and epochs, tenants, the ledger from its newest checkpoint that opens,
    and what says which points are retired.
    """
    until = _later(now + GENERATION, latest_promise(points))
    store = repository.store
    yield Need(names.CONFIG, until)
    for prefix in (names.KEYS, names.EPOCHS, names.TENANTS):
        for key in _standing(store, prefix):
            yield Need(key, until)
    summed = newest_checkpoint(repository.sealed, _standing(store, names.CHECKPOINTS))
    first = 1
    if summed is not None:
        first = summed.state.sequence
        yield Need(summed.key, until)
    for sequence in repository.ledger.numbers(first):
        yield Need(names.ledger(sequence), until)
    for key in _standing(store, names.RETIRED):
        yield Need(key, now + GENERATION)


def needs_of_points(
    repository: Repository,
    plan: Plan,
    packs: StandingPacks,
    points: tuple[LivePoint, ...],
    now: datetime,
    damage: list[HoldfastError],
) -> Iterator[Need]:
    """Of manifests, index runs and packs: a generation from now for all that a session may build upon, and longer where
    a point is promised that. `packs` were listed before the ledger was read.
    """
    floor = now + GENERATION
    for point in points:
        yield Need(point.key, _later(floor, point.promise))
    latest = _later(floor, latest_promise(points))
    named: set[bytes] = set()
    for key, of_run, may_be_gone in _index_runs(repository, plan, points, damage):
        yield Need(key, latest, may_be_gone)
        named |= of_run
    yield from _needs_of_packs(repository, plan, packs, points, named, floor, damage)


def _needs_of_packs(
    repository: Repository,
    plan: Plan,
    packs: StandingPacks,
    points: tuple[LivePoint, ...],
    named: set[bytes],
    floor: datetime,
    damage: list[HoldfastError],
) -> Iterator[Need]:
    """Of what points need, of what stands, also behind markers, and of what is `named`, whatever a LIST shows."""
    needed, hurt, is_whole = _promised_packs(repository, plan, packs, points, damage)
    standing = {bytes.fromhex(key.rpartition("/")[2]) for key in _standing(repository.store, names.PACKS)}
    promised = {**hurt, **needed}
    # A condemned pack may be needed behind what could not be walked.
    let_go = plan.condemned if is_whole and not _is_lagging(repository, plan) else frozenset[bytes]()
    for pack in sorted(promised.keys() | ((standing | packs.listed.keys() | named) - let_go)):
        yield Need(names.pack(pack), _later(floor, promised.get(pack)), pack not in needed and pack not in standing)


def _is_lagging(repository: Repository, plan: Plan) -> bool:
    """Whether a session has been open for so long, under an older plan, that locks of what it may build upon and this
    plan condemns could end before it does.
    """
    now = repository.now()

    def may_be_old(record: Record) -> bool:
        opened = parse_time(str(record["time"]))
        return opened <= now - GENERATION / 2 or is_ahead(opened, now)

    return any(
        may_be_old(record) and not knows(repository, session, plan)
        for session, record in repository.ledger.state.open.items()
    )


def _promised_packs(
    repository: Repository,
    plan: Plan,
    packs: StandingPacks,
    points: tuple[LivePoint, ...],
    damage: list[HoldfastError],
) -> tuple[dict[bytes, datetime | None], dict[bytes, datetime | None], bool]:
    """By pack the latest promise of a point that needs it: points with the latest go first, so the first one counts.
    Then the same of packs that points name which could not be walked to their end, and whether all could.
    """
    marking = Marking(repository, plan, packs)
    needed: dict[bytes, datetime | None] = {}
    hurt: dict[bytes, datetime | None] = {}
    is_whole = True
    for point in sorted(points, key=lambda point: point.promise.isoformat() if point.promise else "", reverse=True):
        if point.manifest is None:
            is_whole = False
            continue
        try:
            marking.add(point.manifest)
        except HURT as error:
            damage.append(error)
            is_whole = False
            for row in point.manifest.packs:
                hurt.setdefault(row.pack, point.promise)
        for pack in list(islice(marking.uses, len(needed), None)):
            needed[pack] = point.promise
    return needed, hurt, is_whole


def _index_runs(
    repository: Repository, plan: Plan, points: tuple[LivePoint, ...], damage: list[HoldfastError]
) -> Iterator[tuple[str, frozenset[bytes], bool]]:
    """Those in force, by the plan's word or by their own epoch, with the packs that they name; points may name what a
    LIST leaves out. What is out of force is let go: it never returns, and a collection deletes it when its lock has
    ended. Of one that does not open nobody knows: it is kept.
    """
    by_points = {key for point in points if point.manifest is not None for key in point.manifest.index_runs}
    for key in sorted({*_standing(repository.store, names.INDEX), *plan.index_runs, *by_points}):
        may_be_gone = key not in plan.index_runs
        try:
            run = read_run(repository, key, plan)
        except HURT as error:
            if not may_be_gone:
                damage.append(error)
            yield key, frozenset(), may_be_gone
            continue
        if key in plan.index_runs or run.plan_epoch >= plan.since:
            yield key, frozenset(run.packs.ids()), may_be_gone


def _standing(store: ObjectStore, prefix: str) -> list[str]:
    """What is there, also where delete markers hide it (rule 9.5)."""
    return [key for key in all_keys(store, prefix) if names.is_object(key)]


def _later(floor: datetime, promise: datetime | None) -> datetime:
    return floor if promise is None else max(floor, promise)
