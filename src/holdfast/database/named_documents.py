"""Tables of documents that are found by name alone."""

from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table, delete, select

from holdfast.database.statements import count_change, missing, put_row
from holdfast.protocol.encoding import from_json, to_json

T = TypeVar("T")


class NamedDocuments(Generic[T]):
    """Objects of one class in a table of `name` and `document`; `change_kind` where a server mirrors them."""

    def __init__(self, table: Table, kind: type[T], what: str, change_kind: str | None = None) -> None:
        self._table = table
        self._kind = kind
        self._what = what
        self._change_kind = change_kind

    def put(self, connection: Connection, name: str, value: T, **beside: Any) -> None:
        """Add or replace, with columns beside the document; a column that is left out stays as it is."""
        put_row(connection, self._table, {"name": name, "document": to_json(value).decode(), **beside})
        self._count(connection, name)

    def get(self, connection: Connection, name: str) -> T:
        """Raises NotFoundError."""
        text = connection.execute(select(self._table.c.document).where(self._table.c.name == name)).scalar()
        if text is None:
            raise missing(self._what, name)
        return self._read(text)

    def all(self, connection: Connection) -> list[T]:
        """By name."""
        rows = connection.execute(select(self._table.c.document).order_by(self._table.c.name)).scalars()
        return [self._read(text) for text in rows]

    def remove(self, connection: Connection, name: str) -> None:
        """Raises NotFoundError."""
        if connection.execute(delete(self._table).where(self._table.c.name == name)).rowcount == 0:
            raise missing(self._what, name)
        self._count(connection, name)

    def _read(self, text: str) -> T:
        return from_json(self._kind, text, self._what)

    def _count(self, connection: Connection, name: str) -> None:
        if self._change_kind is not None:
            count_change(connection, self._change_kind, name)
