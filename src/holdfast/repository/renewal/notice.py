"""Whether somebody renews the locks: seen by whoever opens the repository, without a request (rule 9.3)."""

from datetime import datetime

from holdfast.domain.time import parse_time
from holdfast.repository.locks.terms import GENERATION, NOTICE
from holdfast.repository.opening import Repository


def last_renewal(repository: Repository) -> datetime | None:
    """When the last renewal looked at the locks, as the ledger says."""
    renewed = repository.ledger.state.renewed
    return None if renewed is None else parse_time(renewed["time"])


def holds_until(repository: Repository) -> datetime:
    """Until when everything that a point needs is certainly locked: a generation from the last renewal, or from the
    repository's beginning.
    """
    return (last_renewal(repository) or parse_time(repository.config.created)) + GENERATION


def is_overdue(repository: Repository) -> bool:
    """Whether it is less than 72 h until then."""
    state = repository.ledger.state
    if not repository.config.immutable or not (state.live or state.open):
        return False
    return holds_until(repository) - NOTICE <= repository.surroundings.now()
