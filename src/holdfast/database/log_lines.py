"""The logs of sessions."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection, delete, select, update

from holdfast.database import tables
from holdfast.database.statements import missing
from holdfast.domain.session import LogLine
from holdfast.protocol.encoding import from_json, to_json

_LINES = tables.log_lines
_SESSIONS = tables.sessions


def add_line(connection: Connection, line: LogLine) -> None:
    """Add it under the next number of its session. Raises NotFoundError."""
    counted = update(_SESSIONS).where(_SESSIONS.c.id == line.session_id)
    next_number = counted.values(line_count=_SESSIONS.c.line_count + 1).returning(_SESSIONS.c.line_count)
    sequence = connection.execute(next_number).scalar()
    if sequence is None:
        raise missing("session", line.session_id)
    document = to_json(replace(line, sequence=sequence)).decode()
    connection.execute(_LINES.insert().values(session_id=line.session_id, sequence=sequence, document=document))


def lines_of(connection: Connection, session_id: str, after: int, limit: int) -> list[LogLine]:
    """By number, after the one given."""
    query = select(_LINES.c.document).where(_LINES.c.session_id == session_id, _LINES.c.sequence > after)
    rows = connection.execute(query.order_by(_LINES.c.sequence).limit(limit)).scalars()
    return [from_json(LogLine, text, "line of a log") for text in rows]


def remove_lines(connection: Connection, sessions: Collection[str]) -> None:
    """All of these sessions."""
    connection.execute(delete(_LINES).where(_LINES.c.session_id.in_(sessions)))
