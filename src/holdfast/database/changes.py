"""What changed, in order."""

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, Table, delete, select

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.policies import stored_policy
from holdfast.protocol.appliance_answers import ChangeRecord
from holdfast.protocol.encoding import to_document

_CHANGES = tables.changes
# kind -> its table and the column that its changes are named by
_SOURCES: dict[str, tuple[Table, str]] = {
    "account": (tables.accounts, "name"),
    "repository": (tables.repositories, "name"),
    "policy": (tables.policies, "name"),
    "session": (tables.sessions, "id"),
    "task": (tables.tasks, "id"),
    "point": (tables.points, "id"),
}


class ChangesTable:
    """`Changes` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> int:
        """The last number that was given."""
        query = select(tables.counters.c.value).where(tables.counters.c.name == "usn")
        with self._database.reading() as connection:
            value: int = connection.execute(query).scalar_one()
        return value

    def after(self, usn: int, limit: int) -> list[ChangeRecord]:
        """By number; of one object only its latest change comes."""
        query = select(_CHANGES).where(_CHANGES.c.usn > usn).order_by(_CHANGES.c.usn).limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            wanted: dict[str, list[str]] = defaultdict(list)
            for row in rows:
                wanted[row.kind].append(row.id)
            found = {kind: _documents(connection, kind, ids) for kind, ids in wanted.items()}
        return [ChangeRecord(row.usn, row.kind, row.id, found[row.kind].get(row.id)) for row in rows]

    def forget_removals(self, upto: int) -> None:
        """Tell no more that something was removed, where the number of that is at most `upto`."""
        for kind, (table, key) in _SOURCES.items():
            gone = (_CHANGES.c.kind == kind, _CHANGES.c.usn <= upto, _CHANGES.c.id.not_in(select(table.c[key])))
            with self._database.writing() as connection:
                connection.execute(delete(_CHANGES).where(*gone))


def _documents(connection: Connection, kind: str, ids: list[str]) -> dict[str, Any]:
    table, key = _SOURCES[kind]
    rows = connection.execute(select(table).where(table.c[key].in_(ids)))
    if kind == "policy":
        return {row.name: to_document(stored_policy(row)) for row in rows}
    return {getattr(row, key): json.loads(row.document) for row in rows}
