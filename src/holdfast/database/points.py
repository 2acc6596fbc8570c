"""Restore points."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.statements import (
    add_row,
    by_prefix,
    count_change,
    count_changes,
    cursor_of,
    missing,
    newest_first,
)
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.workload import Workload
from holdfast.protocol.encoding import from_json, to_json

_POINTS = tables.points


class PointsTable:
    """`Points` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, point: RestorePoint, sealed_configuration: bytes) -> None:
        """Add; adding one again that is there changes nothing."""
        with self._database.writing() as connection:
            if add_row(connection, _POINTS, {**_row(point), "sealed_configuration": sealed_configuration}):
                count_change(connection, "point", point.id)

    def put(self, point: RestorePoint) -> None:
        """Replace. Raises NotFoundError."""
        with self._database.writing() as connection:
            change = update(_POINTS).where(_POINTS.c.id == point.id).values(_row(point))
            if connection.execute(change).rowcount == 0:
                raise missing("point", point.id)
            count_change(connection, "point", point.id)

    def get(self, point_id: str) -> RestorePoint:
        """By id or unique prefix. Raises NotFoundError, UsageError for a prefix of several."""
        with self._database.reading() as connection:
            row = by_prefix(connection, select(_POINTS.c.document), _POINTS.c.id, "point", point_id)
        return _point(row.document)

    def sealed_configuration(self, point_id: str) -> bytes:
        """How the workload was made up, sealed. Raises NotFoundError."""
        with self._database.reading() as connection:
            row = by_prefix(connection, select(_POINTS.c.sealed_configuration), _POINTS.c.id, "point", point_id)
        sealed: bytes = row.sealed_configuration
        return sealed

    def of_workload(self, workload: Workload) -> list[RestorePoint]:
        """Oldest first."""
        columns = (_POINTS.c.account == workload.account, _POINTS.c.region == workload.region)
        own = (_POINTS.c.workload_id == workload.id, *columns)
        return self._oldest_first(select(_POINTS.c.document).where(*own))

    def of_policy(self, policy: str) -> list[RestorePoint]:
        """Oldest first."""
        return self._oldest_first(select(_POINTS.c.document).where(_POINTS.c.policy == policy))

    def policies_with_expired(self, now: datetime) -> list[str]:
        """The names of policies of whose points one at least was to be kept until `now` or earlier."""
        query = select(_POINTS.c.policy).where(_POINTS.c.keep_until <= now, _POINTS.c.policy != "").distinct()
        with self._database.reading() as connection:
            return sorted(connection.execute(query).scalars())

    def page(self, *, before: str | None, limit: int, workload_id: str | None = None) -> list[RestorePoint]:
        """Newest first, after the point `before`."""
        query = select(_POINTS.c.document)
        if workload_id is not None:
            query = query.where(_POINTS.c.workload_id == workload_id)
        with self._database.reading() as connection:
            moment = select(_POINTS.c.created_at).where(_POINTS.c.id == before)
            last = cursor_of(connection, moment, "point", before)
            return [_point(text) for text in connection.execute(newest_first(query, _POINTS, last, limit)).scalars()]

    def remove(self, point_id: str) -> None:
        """Gone already is no error."""
        with self._database.writing() as connection:
            if connection.execute(delete(_POINTS).where(_POINTS.c.id == point_id)).rowcount == 1:
                count_change(connection, "point", point_id)

    def count_naming(self, *, account: str | None = None, repository: str | None = None) -> int:
        """How many are of that account or are kept in it, or lie in that repository."""
        query = select(func.count()).select_from(_POINTS)
        if account is not None:
            query = query.where((_POINTS.c.account == account) | (_POINTS.c.kept_in == account))
        if repository is not None:
            query = query.where(_POINTS.c.repository == repository)
        with self._database.reading() as connection:
            count: int = connection.execute(query).scalar_one()
        return count

    def forget_in(self, repository: str, limit: int) -> int:
        """Remove at most so many of those that lie in that repository; how many."""
        some = select(_POINTS.c.id).where(_POINTS.c.repository == repository).limit(limit)
        with self._database.writing() as connection:
            ids = list(connection.execute(some).scalars())
            if ids:
                connection.execute(delete(_POINTS).where(_POINTS.c.id.in_(ids)))
                count_changes(connection, "point", ids)
        return len(ids)

    def _oldest_first(self, query: Select[Any]) -> list[RestorePoint]:
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(_POINTS.c.created_at, _POINTS.c.id)).scalars()
            return [_point(text) for text in rows]


def _row(point: RestorePoint) -> dict[str, Any]:
    return {
        "id": point.id,
        "account": point.workload.account,
        "region": point.workload.region,
        "workload_id": point.workload.id,
        "policy": point.policy,
        "created_at": point.created_at,
        "document": to_json(point).decode(),
        "repository": point.repository,
        "kept_in": None if point.place is None else point.place.account,
        "keep_until": point.keep_until,
    }


def _point(text: str) -> RestorePoint:
    return from_json(RestorePoint, text, "point")
