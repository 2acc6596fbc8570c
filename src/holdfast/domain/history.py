"""How long history is kept: of each kind of record, counted from its end (a session: from when it was opened).

What is forgotten is forgotten in portions: each is a transaction that others wait for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from holdfast.domain.errors import UsageError

SESSIONS_KEPT_DAYS = 90
LEDGER_ROWS_KEPT = timedelta(days=7)
TOKENS_KEPT = timedelta(days=30)
# That something was removed is told so long; a mirror that was not told for that long is made anew.
REMOVALS_TOLD = timedelta(days=30)
# A session has up to a thousand tasks or so, each of them a row and a change to tell.
SESSIONS_AT_ONCE = 10
ROWS_AT_ONCE = 500
_LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """For how many days ended sessions are kept, with their tasks and logs; None: for ever."""

    keep_days: int | None = SESSIONS_KEPT_DAYS

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if self.keep_days is not None and not 1 <= self.keep_days <= _LONGEST_DAYS:
            raise UsageError(
                f"sessions cannot be kept for {self.keep_days} days",
                why=f"it is 1 to {_LONGEST_DAYS} days, or for ever",
                cure="choose another number",
            )

    @property
    def age(self) -> timedelta | None:
        """How old a session may become."""
        return None if self.keep_days is None else timedelta(days=self.keep_days)


def in_portions(forget: Callable[[int], int], at_once: int) -> int:
    """Call `forget` with that limit until nothing is left to forget; how many went."""
    total = 0
    while forgotten := forget(at_once):
        total += forgotten
    return total
