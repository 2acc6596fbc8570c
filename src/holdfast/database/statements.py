"""Statements that the records share: add or replace, the counter of changes, pages, unique prefixes."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, false, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from holdfast.database import tables
from holdfast.domain.errors import NotFoundError, UsageError

_LISTED = frozenset({"account", "appliance", "point", "policy", "repository", "session"})
_NO_ROW = false()
_ID_PREFIX = re.compile(r"[0-9a-f]{1,32}")


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, which both databases spell alike."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def put_row(connection: Connection, table: Table, row: dict[str, Any], *, keep: frozenset[str] = frozenset()) -> None:
    """Add the row, or replace the one with its primary key; columns in `keep` stay as they are there."""
    key = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in keep and name not in key}
    connection.execute(insert(connection, table).values(row).on_conflict_do_update(index_elements=key, set_=changed))


def add_row(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Add the row; False when one with its primary key is there."""
    statement = insert(connection, table).values(row).on_conflict_do_nothing()
    return connection.execute(statement.returning(*table.primary_key)).first() is not None


def count_change(connection: Connection, kind: str, object_id: str) -> int:
    """Give the change of an object the next number. It is seen when the transaction is, and in no other order."""
    return count_changes(connection, kind, [object_id])


def count_changes(connection: Connection, kind: str, ids: Sequence[str]) -> int:
    """The same for several of one kind, of which there is one at least; the last number."""
    counters, new = tables.counters, insert(connection, tables.changes)
    usn: int = connection.execute(
        update(counters)
        .where(counters.c.name == "usn")
        .values(value=counters.c.value + len(ids))
        .returning(counters.c.value)
    ).scalar_one()
    rows = [{"kind": kind, "id": one, "usn": number} for number, one in enumerate(ids, usn - len(ids) + 1)]
    changed = {"usn": new.excluded.usn}
    connection.execute(new.on_conflict_do_update(index_elements=["kind", "id"], set_=changed), rows)
    return usn


def missing(what: str, name: str) -> NotFoundError:
    """The error that names what is not there."""
    cure = f"see which there are: holdfast {what} list" if what in _LISTED else "look at what names it"
    return NotFoundError(f"{what} {name} does not exist", why="nothing has this name or id", cure=cure)


def newest_first(
    query: Select[Any],
    table: Table,
    last: tuple[datetime, str] | None,
    limit: int,
    behind: ColumnElement[bool] = _NO_ROW,
) -> Select[Any]:
    """A page of `query`: by age, after the row that was created then and has that id. `behind`: which rows of the same
    id come after that one.
    """
    if last is not None:
        moment, row_id = last
        follows = or_(table.c.id < row_id, and_(table.c.id == row_id, behind))
        # The first condition is implied by the second; it is the one that an index answers.
        query = query.where(table.c.created_at <= moment, or_(table.c.created_at < moment, follows))
    return query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)


def cursor_of(connection: Connection, query: Select[Any], what: str, before: str | None) -> tuple[datetime, str] | None:
    """Where the page after `before` begins; `query` selects the time of that row."""
    if before is None:
        return None
    moment = connection.execute(query).scalars().first()
    if moment is None:
        raise NotFoundError(
            f"{what} {before} does not exist",
            why="the page after it cannot be found; it may have been removed meanwhile",
            cure="begin again with the first page",
        )
    return moment, before


def by_prefix(connection: Connection, query: Select[Any], id_column: Any, what: str, text: str) -> Any:
    """The one row of `query` whose id is `text`, or begins with it."""
    return the_only_one(matching(connection, query, id_column, text), what, text)


def matching(connection: Connection, query: Select[Any], id_column: Any, text: str) -> list[Any]:
    """The row whose id is `text`, else the first two whose ids begin with it."""
    exact = connection.execute(query.where(id_column == text)).all()
    if exact or not _ID_PREFIX.fullmatch(text):
        return list(exact)
    # `g` comes after every digit of an id, so that the index finds the prefix.
    return list(connection.execute(query.where(id_column >= text, id_column < text + "g").limit(2)).all())


def the_only_one(found: list[Any], what: str, text: str) -> Any:
    """Raises NotFoundError where there is none, UsageError where there are several."""
    if not found:
        raise missing(what, text)
    if len(found) > 1:
        raise UsageError(f"{text} is no single {what}", why="several ids begin with it", cure="write more of the id")
    return found[0]
