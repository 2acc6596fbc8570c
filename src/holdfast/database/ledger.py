"""The write-ahead ledger of what we create in a cloud."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.statements import insert, missing
from holdfast.database.tasks import FINAL
from holdfast.domain.cloud_ledger import LedgerRow

_LEDGER = tables.cloud_ledger
_FIELDS = [field.name for field in fields(LedgerRow)]


class LedgerTable:
    """`CloudLedger` in SQL. What `intend` answered survives whatever happens to the machine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, row: LedgerRow) -> LedgerRow:
        """Write down what will be created; the row that is there already for that token comes back instead."""
        with self._database.writing() as connection:
            new = insert(connection, _LEDGER).values(asdict(row))
            connection.execute(new.on_conflict_do_nothing(index_elements=["token"]))
            return _read(connection.execute(select(_LEDGER).where(_LEDGER.c.token == row.token)).one())

    def created(self, row_id: str, object_id: str, now: datetime) -> None:
        """It exists under that id."""
        self._change(row_id, object_id=object_id, created_at=now)

    def gone(self, kind: str, object_id: str, now: datetime) -> None:
        """It exists no more (every row of that object)."""
        own = (_LEDGER.c.kind == kind, _LEDGER.c.object_id == object_id, _LEDGER.c.gone_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(update(_LEDGER).where(*own).values(gone_at=now))

    def dropped(self, row_id: str, now: datetime) -> None:
        """It was never created."""
        self._change(row_id, gone_at=now)

    def open_rows(self, *, session_id: str | None = None) -> list[LedgerRow]:
        """Rows of what exists or may exist."""
        query = select(_LEDGER).where(_LEDGER.c.gone_at.is_(None))
        if session_id is not None:
            query = query.where(_LEDGER.c.session_id == session_id)
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(query.order_by(_LEDGER.c.intended_at, _LEDGER.c.id))]

    def forget(self, gone_before: datetime, limit: int) -> int:
        """Forget rows that were closed before that moment; a session that runs may ask for its own again."""
        running = select(tables.sessions.c.id).where(tables.sessions.c.state.not_in(FINAL))
        closed = (_LEDGER.c.gone_at < gone_before, _LEDGER.c.session_id.not_in(running))
        some = select(_LEDGER.c.id).where(*closed).limit(limit)
        with self._database.writing() as connection:
            return connection.execute(delete(_LEDGER).where(_LEDGER.c.id.in_(some))).rowcount

    def _change(self, row_id: str, **values: Any) -> None:
        with self._database.writing() as connection:
            if connection.execute(update(_LEDGER).where(_LEDGER.c.id == row_id).values(values)).rowcount == 0:
                raise missing("ledger row", row_id)


def _read(row: Row[Any]) -> LedgerRow:
    return LedgerRow(**{name: getattr(row, name) for name in _FIELDS})
