"""Rights that were granted a moment ago are not known everywhere at once: a refusal may be early, not final."""

from collections.abc import Callable
from typing import TypeVar

from holdfast.domain.errors import PermissionDeniedError, UnavailableError, WrongKeyError
from holdfast.patience import TOLD_AFTER_USUAL_SECONDS, Patience, RetryPolicy, Waiting

# IAM speaks of seconds, KMS of up to five minutes for a grant (AWS KMS Developer Guide, "Eventual consistency").
NEW_RIGHTS_POLICY = RetryPolicy(
    attempts=60,
    first_delay_seconds=1.0,
    longest_delay_seconds=10.0,
    total_seconds=300.0,
    told_after_seconds=TOLD_AFTER_USUAL_SECONDS,
)

T = TypeVar("T")


def when_allowed(call: Callable[[], T], waiting: Waiting, policy: RetryPolicy = NEW_RIGHTS_POLICY) -> T:
    """What `call` returns, asked again while it is refused; raises the last refusal when patience has run out.

    A wrong key stays a wrong key, and is not asked for again.
    """
    patience = Patience(policy, waiting)
    while True:
        try:
            return call()
        except WrongKeyError:
            raise
        except PermissionDeniedError as refusal:
            try:
                patience.wait_or_raise(UnavailableError(refusal.what, why=refusal.why, cure=refusal.cure))
            except UnavailableError:
                raise refusal from None
