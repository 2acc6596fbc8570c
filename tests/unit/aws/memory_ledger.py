"""A ledger that is gone with the test."""

from dataclasses import replace
from datetime import datetime

from holdfast.domain.cloud_ledger import LedgerRow


class MemoryLedger:
    """Fits `CloudLedger`; `rows` in the order in which they were intended."""

    def __init__(self) -> None:
        self.rows: dict[str, LedgerRow] = {}

    def intend(self, row: LedgerRow) -> LedgerRow:
        return self.rows.setdefault(row.id, row)

    def created(self, row_id: str, object_id: str, now: datetime) -> None:
        self.rows[row_id] = replace(self.rows[row_id], object_id=object_id, created_at=now)

    def gone(self, kind: str, object_id: str, now: datetime) -> None:
        for row in self.rows.values():
            if (row.kind, row.object_id, row.gone_at) == (kind, object_id, None):
                self.rows[row.id] = replace(row, gone_at=now)

    def dropped(self, row_id: str, now: datetime) -> None:
        self.rows[row_id] = replace(self.rows[row_id], gone_at=now)

    def open_rows(self, *, session_id: str | None = None) -> list[LedgerRow]:
        return [row for row in self.rows.values() if row.gone_at is None and session_id in (None, row.session_id)]

    def open_objects(self) -> set[tuple[str, str]]:
        """(kind, id) of what exists by the ledger."""
        return {(row.kind, row.object_id) for row in self.open_rows()}
