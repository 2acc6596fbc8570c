"""What has to be locked until when, for the points that live now (rule 9.2). Nothing is written here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from holdfast.domain.time import parse_time
from holdfast.repository.collection.marking import Marking
from holdfast.repository.collection.roots import Roots
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan
from holdfast.repository.listing import objects_under
from holdfast.repository.locks.terms import GENERATION
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.older_versions import all_keys
from holdfast.repository.opening import Repository
from holdfast.repository.standing_packs import StandingPacks


@dataclass(frozen=True, slots=True)
class Need:
    """The least that the lock of an object must reach."""

    key: str
    until: datetime


def promise_of(manifest: Manifest) -> datetime | None:
    """What the point is promised."""
    return None if manifest.keep_until is None else parse_time(manifest.keep_until)


def needs_of_points(repository: Repository, plan: Plan, roots: Roots, now: datetime) -> Iterator[Need]:
    """Of packs, manifests and index runs: a generation from now for all that a session may build upon, and longer where
    a point is promised that. Raises IntegrityError where something that a point needs is missing.
    """
    packs = StandingPacks(repository.store)
    floor = now + GENERATION
    promised = _promised_packs(repository, plan, packs, roots.points)
    for pack in sorted(promised.keys() | (packs.listed.keys() - plan.condemned)):
        yield Need(names.pack(pack), _later(floor, promised.get(pack)))
    for manifest in roots.points:
        tenant = repository.tenant(manifest.tenant)
        key = names.point(
            repository.tenant_id(manifest.tenant), tenant.keys.workload_id(manifest.workload), manifest.session
        )
        yield Need(key, _later(floor, promise_of(manifest)))
    latest = latest_promise(roots.points)
    for key in sorted(_index_runs(repository, plan, roots.points)):
        yield Need(key, _later(floor, latest))


def needs_of_all(repository: Repository, roots: Roots, now: datetime) -> Iterator[Need]:
    """What every point needs: config, key slots and epochs, tenants, and the ledger from its newest checkpoint on."""
    until = _later(now + GENERATION, latest_promise(roots.points))
    store = repository.store
    yield Need(names.CONFIG, until)
    for prefix in (names.KEYS, names.EPOCHS, names.TENANTS):
        for key in _standing(store, prefix):
            yield Need(key, until)
    checkpoints = [info.key for info in objects_under(store, names.CHECKPOINTS)]
    first = 1
    if checkpoints:
        yield Need(checkpoints[-1], until)
        first = int(checkpoints[-1].removeprefix(names.CHECKPOINTS))
    for sequence in range(first, repository.ledger.state.sequence + 1):
        yield Need(names.ledger(sequence), until)


def latest_promise(points: Iterable[Manifest]) -> datetime | None:
    """Of all points; None where none has one."""
    return max((promise for point in points if (promise := promise_of(point)) is not None), default=None)


def _promised_packs(
    repository: Repository, plan: Plan, packs: StandingPacks, points: tuple[Manifest, ...]
) -> dict[bytes, datetime | None]:
    """By pack the latest promise of a point that needs it: points with the latest go first, so the first one counts."""
    marking = Marking(repository, plan, packs)
    promised: dict[bytes, datetime | None] = {}
    for manifest in sorted(points, key=lambda point: point.keep_until or "", reverse=True):
        marking.add(manifest)
        for pack in list(islice(marking.uses, len(promised), None)):
            promised[pack] = promise_of(manifest)
    return promised


def _index_runs(repository: Repository, plan: Plan, points: tuple[Manifest, ...]) -> set[str]:
    """Those in force, and those that points name and that are there: a run whose packs are gone may be, too."""
    listed = _standing(repository.store, names.INDEX)
    if not plan.epoch:
        return set(listed)
    return set(plan.index_runs) | {key for point in points for key in point.index_runs if key in listed}


def _standing(store: ObjectStore, prefix: str) -> list[str]:
    """What is there, also where delete markers hide it (rule 9.5)."""
    return [key for key in all_keys(store, prefix) if names.is_object(key)]


def _later(floor: datetime, promise: datetime | None) -> datetime:
    return floor if promise is None else max(floor, promise)
