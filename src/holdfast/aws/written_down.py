"""The way to create anything: first into the ledger, then into the cloud."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.appliance.ports.cloud import Ownership
from holdfast.domain.cloud_ledger import CloudLedger, LedgerRow


@dataclass(frozen=True, slots=True)
class Book:
    """The ledger of one account and region. `account` is the name of the registered account."""

    ledger: CloudLedger
    now: Callable[[], datetime]
    account: str
    region: str

    def intend(self, kind: str, owner: Ownership, name: str) -> LedgerRow:
        """Write down what will be made; `name` tells apart the things of one kind that an attempt makes.

        The row's token is the same whenever the same is asked again, and fits every service's client token.
        """
        row = self._intend(kind, owner, token_of(owner, kind, name))
        again = 0
        while row.gone_at is not None:
            # It was there and was removed: what is made now is another thing, and needs a row that is open.
            again += 1
            row = self._intend(kind, owner, token_of(owner, kind, f"{name}, again {again}"))
        return row

    def _intend(self, kind: str, owner: Ownership, token: str) -> LedgerRow:
        return self.ledger.intend(owner.intent(token, kind, self.account, self.region, token, self.now()))

    def create(self, kind: str, owner: Ownership, name: str, make: Callable[[str], str]) -> str:
        """The id of what `make` creates with the client token it is handed, or of what it created before.

        A refusal leaves the row to the reaper.
        """
        row = self.intend(kind, owner, name)
        if row.object_id:
            return row.object_id
        object_id = make(row.token)
        self.created(row, object_id)
        return object_id

    def open_rows(self, kind: str, owner: Ownership) -> list[LedgerRow]:
        """Everything of that kind that was written down for the owner and is not closed."""
        wanted = (kind, owner.task_id, owner.attempt, owner.purpose, self.region)
        return [
            row
            for row in self.ledger.open_rows(session_id=owner.session_id)
            if (row.kind, row.task_id, row.attempt, row.purpose, row.region) == wanted
        ]

    def created(self, row: LedgerRow, object_id: str) -> None:
        """What was written down exists under that id."""
        self.ledger.created(row.id, object_id, self.now())

    def refused(self, row: LedgerRow) -> None:
        """AWS has said that it will not be."""
        self.ledger.dropped(row.id, self.now())

    def gone(self, kind: str, object_id: str) -> None:
        """It exists no more."""
        self.ledger.gone(kind, object_id, self.now())


def token_of(owner: Ownership, kind: str, name: str) -> str:
    """32 hexadecimal digits, the same for the same owner, kind and name."""
    text = "\n".join((owner.appliance_id, owner.session_id, owner.task_id, str(owner.attempt), kind, name))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
