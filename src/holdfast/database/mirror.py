"""What appliances have, as they told it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, false, select

from holdfast.database import tables
from holdfast.database.appliances import put_synced_usn, synced_usn_of
from holdfast.database.connection import Database
from holdfast.database.sessions import read_session
from holdfast.database.statements import cursor_of, matching, missing, newest_first, put_row, the_only_one
from holdfast.database.tasks import tasks_of
from holdfast.domain.errors import ConflictError, UsageError
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import Task
from holdfast.domain.time import parse_time
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord, SessionDetail
from holdfast.protocol.encoding import from_json
from holdfast.server.ports.records import ListedPoint, ListedSession, MirroredDocument

_MIRRORED = tables.mirrored
_SESSIONS = tables.sessions


class MirrorTable:
    """`Mirror` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def apply(self, appliance: str, page: ChangePage, now: datetime) -> int:
        """Take over a page and how far it goes, both or neither; the number reached. A page again changes nothing, nor
        does one that follows what is not here: it was asked for before all was dropped.
        """
        with self._database.writing() as connection:
            reached = synced_usn_of(connection, appliance)
            if page.newest < reached:
                raise ConflictError(
                    f"appliance {appliance} is not what it was",
                    why=f"it has counted {page.newest} changes; {reached} of them were read before",
                    cure=f"run `holdfast appliance rescan {appliance}`",
                )
            if page.after > reached:
                return reached
            news = [change for change in page.changes if change.usn > reached]
            for change in news:
                _take_over(connection, appliance, change)
            reached = max([reached, *(change.usn for change in news)])
            put_synced_usn(connection, appliance, reached, now)
            return reached

    def synced_usn(self, appliance: str) -> int:
        """The number reached; 0 before the first page."""
        with self._database.reading() as connection:
            return synced_usn_of(connection, appliance)

    def drop(self, appliance: str) -> None:
        """Forget all of it and begin at 0."""
        with self._database.writing() as connection:
            synced_usn_of(connection, appliance)
            connection.execute(delete(_MIRRORED).where(_MIRRORED.c.appliance == appliance))
            put_synced_usn(connection, appliance, 0, None)

    def documents(self, kind: str, appliance: str | None = None) -> list[MirroredDocument]:
        """All of a kind of one or every appliance, by appliance and id."""
        query = _of(kind, appliance).order_by(_MIRRORED.c.appliance, _MIRRORED.c.id)
        with self._database.reading() as connection:
            return [_document(row) for row in connection.execute(query)]

    def get(self, appliance: str, kind: str, object_id: str) -> MirroredDocument:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            row = connection.execute(_of(kind, appliance).where(_MIRRORED.c.id == object_id)).first()
        if row is None:
            raise missing(kind, object_id)
        return _document(row)

    def sessions(
        self,
        *,
        before: str | None,
        limit: int,
        appliance: str | None = None,
        kind: str | None = None,
        subject: str | None = None,
    ) -> list[ListedSession]:
        """Newest first, after the session `before`; the server's own among them."""
        theirs, own = _of("session", appliance), select(_SESSIONS)
        if kind is not None:
            theirs, own = theirs.where(_MIRRORED.c.subkind == kind), own.where(_SESSIONS.c.kind == kind)
        if subject is not None:
            theirs, own = theirs.where(_MIRRORED.c.subject == subject), own.where(_SESSIONS.c.subject == subject)
        with self._database.reading() as connection:
            last = _session_cursor(connection, before)
            rows = list(connection.execute(newest_first(theirs, _MIRRORED, last, limit)))
            if not appliance:
                rows += connection.execute(newest_first(own, _SESSIONS, last, limit))
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        return [ListedSession(getattr(row, "appliance", ""), read_session(row.document)) for row in rows[:limit]]

    def session(self, session_id: str) -> tuple[str, SessionDetail]:
        """A session by id or unique prefix, and whose it is; the server's own too."""
        with self._database.reading() as connection:
            own = matching(connection, select(_SESSIONS), _SESSIONS.c.id, session_id)
            theirs = matching(connection, _of("session", None), _MIRRORED.c.id, session_id)
            row = the_only_one(own + theirs, "session", session_id)
            if own:
                return "", SessionDetail(read_session(row.document), tuple(tasks_of(connection, row.id)))
            tasks = _of("task", row.appliance).where(_MIRRORED.c.subject == row.id)
            found = [from_json(Task, task.document, "task") for task in connection.execute(tasks)]
        found.sort(key=lambda task: (task.workload.region, task.workload.id))
        return row.appliance, SessionDetail(read_session(row.document), tuple(found))

    def points(
        self, *, before: str | None, limit: int, appliance: str | None = None, workload_id: str | None = None
    ) -> list[ListedPoint]:
        """Newest first, the same point of several appliances by their names; after the place, or point, `before`."""
        query = _of("point", appliance)
        if workload_id is not None:
            query = query.where(_MIRRORED.c.subject == workload_id)
        point_id, _, owner = before.partition("@") if before else (None, "", "")
        behind = _MIRRORED.c.appliance > owner if owner else false()
        with self._database.reading() as connection:
            its_moment = _moment_of("point", point_id)
            if owner:
                its_moment = its_moment.where(_MIRRORED.c.appliance == owner)
            last = cursor_of(connection, its_moment, "point", point_id)
            page = newest_first(query, _MIRRORED, last, limit, behind).order_by(_MIRRORED.c.appliance)
            return [_point(row) for row in connection.execute(page)]

    def point(self, point_id: str, appliance: str | None = None) -> ListedPoint:
        """By id or unique prefix. Raises NotFoundError, UsageError for a prefix of several, or one of several
        appliances.
        """
        with self._database.reading() as connection:
            found = matching(connection, _of("point", appliance), _MIRRORED.c.id, point_id)
        if len(found) > 1 and len({row.id for row in found}) == 1:
            raise UsageError(
                f"it is not said whose point {found[0].id} is meant",
                why="several appliances have it: " + ", ".join(sorted(row.appliance for row in found)),
                cure="name one with --appliance; deleted by one it is gone for all",
            )
        return _point(the_only_one(found, "point", point_id))


def _of(kind: str, appliance: str | None) -> Select[Any]:
    query = select(_MIRRORED).where(_MIRRORED.c.kind == kind)
    return query if appliance is None else query.where(_MIRRORED.c.appliance == appliance)


def _moment_of(kind: str, object_id: str | None) -> Select[Any]:
    return select(_MIRRORED.c.created_at).where(_MIRRORED.c.kind == kind, _MIRRORED.c.id == object_id)


def _session_cursor(connection: Connection, before: str | None) -> tuple[datetime, str] | None:
    own = connection.execute(select(_SESSIONS.c.created_at).where(_SESSIONS.c.id == before)).scalar()
    if before is not None and own is not None:
        return own, before
    return cursor_of(connection, _moment_of("session", before), "session", before)


def _take_over(connection: Connection, appliance: str, change: ChangeRecord) -> None:
    key = {"appliance": appliance, "kind": change.kind, "id": change.id}
    if change.document is None:
        connection.execute(delete(_MIRRORED).filter_by(**key))
        return
    searched = _searched(change.kind, change.document)
    put_row(connection, _MIRRORED, {**key, "usn": change.usn, "document": json.dumps(change.document), **searched})


def _searched(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The columns beside a document."""
    try:
        if kind == "session":
            subject = document["subject"]
        elif kind == "point":
            subject = document["workload"]["id"]
        elif kind == "task":
            return {"created_at": None, "subkind": None, "subject": document["session_id"]}
        else:
            return {"created_at": None, "subkind": None, "subject": None}
        return {"created_at": parse_time(document["created_at"]), "subkind": document["kind"], "subject": subject}
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"an appliance told of a {kind} that cannot be read", why=f"{error} is missing", cure="compare versions"
        ) from None


def _document(row: Row[Any]) -> MirroredDocument:
    return MirroredDocument(row.appliance, row.kind, row.id, row.usn, json.loads(row.document))


def _point(row: Row[Any]) -> ListedPoint:
    return ListedPoint(row.appliance, from_json(RestorePoint, row.document, "point"))
