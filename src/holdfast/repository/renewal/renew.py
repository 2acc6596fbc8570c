"""Locks are renewed once a day (rule 9.2): one walk over the live points, and a request for what is short alone."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError, UnavailableError, UsageError
from holdfast.domain.numerals import counted
from holdfast.domain.time import format_time
from holdfast.repository.collection.roots import read_roots
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan
from holdfast.repository.locks.terms import A_LONG_SESSION, GENERATION, lock_end
from holdfast.repository.opening import Repository
from holdfast.repository.plans import newest_plan
from holdfast.repository.progress import Progress
from holdfast.repository.renewal.needs import Need, latest_promise, needs_of_all, needs_of_points

_TRIES = 5


@dataclass(frozen=True, slots=True)
class RenewalReport:
    """`looked_at` objects were asked for their locks, `extended` of them were locked longer, or would be."""

    points: int
    looked_at: int
    extended: int
    latest_promise: datetime | None
    holds_until: datetime
    dry_run: bool


def renew_locks(repository: Repository, progress: Progress, *, dry_run: bool = False) -> RenewalReport:
    """Killed anywhere, another run does the rest. Raises UsageError where nothing is locked, IntegrityError where
    something that a point needs is missing, or the ledger is damaged.
    """
    if not repository.config.immutable:
        raise UsageError(
            f"{repository.store.location} has no locks to renew",
            why="it is not immutable",
            cure="make a repository with `holdfast repository init --immutable`",
        )
    manifests: dict[bytes, Manifest] = {}
    for _try in range(_TRIES):
        plan = newest_plan(repository.sealed)
        try:
            return _renew(repository, plan, manifests, progress, dry_run=dry_run)
        except (IntegrityError, ObjectNotFoundError):
            # What is missed may have been moved by a collection, which its plan tells.
            if newest_plan(repository.sealed).epoch == plan.epoch:
                raise
    raise UnavailableError(
        f"locks of {repository.store.location} were not renewed",
        why=f"{_TRIES} collections were quicker",
        cure="run it again",
    )


def _renew(
    repository: Repository, plan: Plan, manifests: dict[bytes, Manifest], progress: Progress, *, dry_run: bool
) -> RenewalReport:
    now = repository.surroundings.now()
    roots = read_roots(repository, manifests)
    progress.note(f"looking for locks that end too early for {counted(len(roots.points), 'restore point')}")
    extend = partial(_extend, repository, dry_run=dry_run)
    changed = list(_each(repository, needs_of_points(repository, plan, roots, now), extend))
    changed += _each(repository, needs_of_all(repository, roots, now), extend)
    if not dry_run:
        record = {
            "type": ledger_form.RENEW,
            "session": repository.surroundings.random_bytes(16),
            "time": format_time(now),
        }
        repository.ledger.append(record)
    return RenewalReport(
        points=len(roots.points),
        looked_at=len(changed),
        extended=sum(changed),
        latest_promise=latest_promise(roots.points),
        holds_until=now + GENERATION,
        dry_run=dry_run,
    )


def require_locks(repository: Repository, keys: Iterable[str], promise: datetime | None) -> None:
    """Rule 9.6: objects that somebody else has written are locked as if we had; what is short is extended."""
    needed = lock_end(promise, repository.surroundings.now())
    needs = [Need(key, needed - A_LONG_SESSION) for key in keys]
    for _changed in _each(repository, needs, partial(_extend, repository, dry_run=False)):
        pass


def _each(repository: Repository, needs: Iterable[Need], extend: Callable[[Need], bool]) -> Iterator[bool]:
    return repository.surroundings.transfer.map(extend, needs)


def _extend(repository: Repository, need: Need, *, dry_run: bool) -> bool:
    """Whether the lock was too short. What is locked now is locked a generation longer than it needs, so that it is not
    asked for again within one.
    """
    found = repository.store.head(need.key)
    if found.locked_until is not None and found.locked_until >= need.until:
        return False
    if not dry_run:
        repository.store.extend(need.key, found.version, need.until + GENERATION)
    return True
