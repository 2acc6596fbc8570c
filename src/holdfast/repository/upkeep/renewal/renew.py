"""Locks are renewed once a day (rule 9.2): one walk over the live points, and a request for what is short alone."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    ObjectNotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from holdfast.domain.numerals import counted
from holdfast.domain.time import format_time
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import NO_PLAN, Plan
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.lock_terms import A_LONG_SESSION, GENERATION, lock_end
from holdfast.repository.trust.older_versions import as_damage, older_versions, several_versions
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.renewal.live_points import HURT, latest_promise, read_live_points
from holdfast.repository.upkeep.renewal.needs import Need, needs_of_all, needs_of_points

_TRIES = 5


@dataclass(frozen=True, slots=True)
class NotRenewed:
    """An object that is damaged or missing, so that it, or what it leads to, could not be locked longer."""

    object: str
    why: str


@dataclass(frozen=True, slots=True)
class RenewalReport:
    """`looked_at` objects were asked for their locks, `extended` of them were locked longer, or would be."""

    points: int
    looked_at: int
    extended: int
    latest_promise: datetime | None
    holds_until: datetime
    dry_run: bool
    not_renewed: tuple[NotRenewed, ...] = ()


def renew_locks(repository: Repository, progress: Progress, *, dry_run: bool = False) -> RenewalReport:
    """Killed anywhere, another run does the rest. What is damaged or missing keeps nothing else from being renewed, and
    is named at the end; so is what nobody may lock, and then the ledger is not told of a renewal: it may be that a
    right is missing, and whoever looks at when locks end is to be alarmed. Raises UsageError where nothing is locked,
    the IntegrityError of a damaged ledger, which cannot be told of a renewal.
    """
    if not repository.config.immutable:
        raise UsageError(
            f"{repository.store.location} has no locks to renew",
            why="it is not immutable",
            cure="make a repository with `holdfast repository init --immutable`",
        )
    manifests: dict[str, Manifest] = {}
    for _try in range(_TRIES):
        now = repository.now()
        damage: list[HoldfastError] = []
        plan = _plan(repository, damage)
        report = _renew(repository, plan, manifests, progress, damage, now, dry_run=dry_run)
        # What is missed may have been moved by a collection, which its plan tells.
        if not damage or _plan(repository, []).epoch == plan.epoch:
            if not dry_run and not any(map(_refusal_in, damage)):
                _record(repository, now)
            return report
    raise UnavailableError(
        f"locks of {repository.store.location} were not renewed",
        why=f"{_TRIES} collections were quicker",
        cure="run it again",
    )


def _record(repository: Repository, now: datetime) -> None:
    """Tell the ledger: what there is is locked. What is lost is no reason to say that nobody renews."""
    session = repository.surroundings.random_bytes(16)
    repository.ledger.append({"type": ledger_form.RENEW, "session": session, "time": format_time(now)})


def _plan(repository: Repository, damage: list[HoldfastError]) -> Plan:
    """The newest plan; where that does not open or is lost, none: nothing is condemned then, every run is in force."""
    try:
        return newest_plan(repository.sealed, repository.ledger.state.plan_epoch)
    except HURT as error:
        damage.append(error)
        return NO_PLAN


def _renew(
    repository: Repository,
    plan: Plan,
    manifests: dict[str, Manifest],
    progress: Progress,
    damage: list[HoldfastError],
    now: datetime,
    *,
    dry_run: bool,
) -> RenewalReport:
    """What all points need first, then what each one needs, past all that is added to `damage`."""
    packs = StandingPacks(repository.store)
    points = read_live_points(repository, manifests, damage)
    progress.note(f"looking for locks that end too early for {counted(len(points), 'restore point')}")
    extend = partial(_extend_or_note, repository, several_versions(repository.store), damage, dry_run=dry_run)
    answers = Counter(_each(repository, needs_of_all(repository, points, now), extend))
    answers.update(_each(repository, needs_of_points(repository, plan, packs, points, now, damage), extend))
    looked_at, extended = answers[True] + answers[False], answers[True]
    # Then nobody has renewed anything, or may.
    refusal = next(filter(None, map(_refusal_in, damage)), None)
    if refusal is not None and not extended:
        raise refusal
    if damage and not looked_at:
        raise damage[0]
    return RenewalReport(
        points=len(points),
        looked_at=looked_at,
        extended=extended,
        latest_promise=latest_promise(points),
        holds_until=now + GENERATION,
        dry_run=dry_run,
        not_renewed=tuple(_named(damage)),
    )


def _named(damage: Iterable[HoldfastError]) -> Iterator[NotRenewed]:
    """Each object once, with the first reason."""
    whys: dict[str, str] = {}
    for error in damage:
        for key in _objects(error) or (error.what,):
            whys.setdefault(key, error.why)
    return (NotRenewed(key, why) for key, why in whys.items())


def _objects(error: HoldfastError) -> tuple[str, ...]:
    if isinstance(error, IntegrityError):
        return error.objects
    return (error.key,) if isinstance(error, ObjectNotFoundError) else ()


def require_locks(repository: Repository, keys: Iterable[str], promise: datetime | None) -> None:
    """Rule 9.6: objects that somebody else has written are locked as if we had; what is short is extended."""
    needed = lock_end(promise, repository.now())
    needs = [Need(key, needed - A_LONG_SESSION) for key in keys]

    def extend(need: Need) -> bool:
        return _extend(repository, tuple(older_versions(repository.store, need.key)), need, strict=True)

    for _changed in _each(repository, needs, extend):
        pass


def _each(
    repository: Repository, needs: Iterable[Need], extend: Callable[[Need], bool | None]
) -> Iterator[bool | None]:
    return (changed for _need, changed in few_at_once(repository.surroundings, extend, needs))


def _extend_or_note(
    repository: Repository,
    several: Mapping[str, tuple[str, ...]],
    damage: list[HoldfastError],
    need: Need,
    *,
    dry_run: bool,
) -> bool | None:
    """The same in a renewal, which goes on past what is missing, is put so that nobody may ask for it, or is locked so
    that nobody may change it: None then.
    """
    try:
        return _extend(repository, several.get(need.key, ()), need, dry_run=dry_run)
    except (IntegrityError, ObjectNotFoundError) as error:
        if not need.may_be_gone or isinstance(error, IntegrityError):
            damage.append(error)
        return None


def _not_to_be_locked(key: str, refusal: PermissionDeniedError) -> HoldfastError:
    """S3 says the same of a lock in another mode, which not everybody may change, and of a missing right."""
    error = IntegrityError(
        f"{key} cannot be locked longer",
        why=f"{refusal.why}: perhaps somebody has locked it in mode GOVERNANCE",
        cure="look at its retention; the right s3:BypassGovernanceRetention takes such a lock away",
        objects=(key,),
    )
    error.__cause__ = refusal
    return error


def _refusal_in(error: HoldfastError) -> PermissionDeniedError | None:
    """What such an error was made of."""
    return error.__cause__ if isinstance(error.__cause__, PermissionDeniedError) else None


def _extend(
    repository: Repository, versions: tuple[str, ...], need: Need, *, dry_run: bool = False, strict: bool = False
) -> bool:
    """Whether a lock was too short. What is locked now is locked a generation longer than it needs, so that it is not
    asked for again within one. Of several `versions` one opens, the others were put over it: each is locked of which
    we may ask. Raises ObjectNotFoundError where there is none, IntegrityError where there is none such, and with
    `strict` PermissionDeniedError for the first that may not be locked.
    """
    changed, missing = list[bool](), list[HoldfastError]()
    for version in versions or (None,):
        try:
            found = repository.store.head(need.key, version)
        except ObjectNotFoundError as error:
            missing.append(error)  # one that nothing locked may go at any time; of the others one is as it was written
            continue
        except PermissionDeniedError as error:  # nor is ours what somebody has put under a KMS key of his own
            missing.append(as_damage(repository.store, need.key, error, version))
            continue
        short = found.locked_until is None or found.locked_until < need.until
        try:
            if short and not dry_run:
                repository.store.extend(need.key, found.version, need.until + GENERATION)
            changed.append(short)
        except ObjectNotFoundError as error:
            missing.append(error)
        except PermissionDeniedError as error:
            if strict:
                raise
            missing.append(_not_to_be_locked(need.key, error))
    if not changed:
        raise missing[0]
    return any(changed)
