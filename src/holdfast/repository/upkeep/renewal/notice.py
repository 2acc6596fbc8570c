"""Whether somebody renews the locks: seen by whoever opens the repository, without a request (rule 9.3)."""

from datetime import datetime, timedelta

from holdfast.domain.time import format_time, parse_time
from holdfast.repository.opening.repository import Repository
from holdfast.repository.trust.lock_terms import GENERATION, NOTICE

# A renewal a day; whoever comes a little earlier than a day later renews, too.
RHYTHM = timedelta(hours=20)
# S3 refuses requests whose clock is further off than this (RequestTimeTooSkewed), so no honest renewal is.
CLOCK_TOLERANCE = timedelta(minutes=15)


def last_renewal(repository: Repository) -> datetime | None:
    """When the last renewal looked at the locks, as the ledger says. A time that has not come yet tells nothing."""
    renewed = repository.ledger.state.renewed
    if renewed is None:
        return None
    last = parse_time(renewed["time"])
    return last if last <= repository.now() + CLOCK_TOLERANCE else None


def holds_until(repository: Repository) -> datetime:
    """Until when everything that a point needs is certainly locked: a generation from the last renewal, or from the
    repository's beginning.
    """
    return (last_renewal(repository) or parse_time(repository.config.created)) + GENERATION


def is_due(repository: Repository) -> bool:
    """Whether nobody has renewed the locks of an immutable repository today."""
    last = last_renewal(repository)
    return repository.config.immutable and (last is None or last + RHYTHM <= repository.now())


def is_overdue(repository: Repository) -> bool:
    """Whether it is less than 72 h until then."""
    state = repository.ledger.state
    if not repository.config.immutable or not (state.live or state.open):
        return False
    return holds_until(repository) - NOTICE <= repository.now()


def ending(repository: Repository) -> str | None:
    """What a person is told of that, for whom the caller knows a cure; None while it is longer."""
    if not is_overdue(repository):
        return None
    return f"locks in {repository.store.location} begin to end on {format_time(holds_until(repository))}"
