"""The write-ahead ledger of what we create in a cloud: nothing can be created that is not written down first.

Appliance and server each keep one in their database; adapters take it as an argument, so there is no way around it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An object of the cloud: written down before it is created (`object_id` empty), completed after, closed at last.

    `kind` is AWS's word (`instance`, `snapshot`, `volume`, `image`, `role`, `queue`, …), `account` the name of a
    registered account, `token` what makes creating it idempotent.
    """

    id: str
    kind: str
    account: str
    region: str
    session_id: str
    task_id: str
    attempt: int
    purpose: str
    token: str
    object_id: str
    intended_at: datetime
    created_at: datetime | None
    gone_at: datetime | None


class CloudLedger(Protocol):
    """The write-ahead ledger of AWS objects. Creating without an intent is not possible: adapters take one."""

    def intend(self, row: LedgerRow) -> LedgerRow:
        """Write down what will be created; the row that is there already for that token comes back instead."""

    def created(self, row_id: str, object_id: str, now: datetime) -> None:
        """It exists under that id."""

    def gone(self, kind: str, object_id: str, now: datetime) -> None:
        """It exists no more (every row of that object)."""

    def dropped(self, row_id: str, now: datetime) -> None:
        """It was never created."""

    def open_rows(self, *, session_id: str | None = None) -> list[LedgerRow]:
        """Rows of what exists or may exist."""


class KeptLedger(CloudLedger, Protocol):
    """The same, as who keeps it has it: adapters only write."""

    def forget(self, gone_before: datetime, limit: int) -> int:
        """Forget rows that were closed before that moment, at most so many; how many. Not those of a session that has
        not ended: it may ask for its own again.
        """
