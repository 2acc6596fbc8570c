"""Appliances, as the server knows them."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.statements import missing, put_row
from holdfast.domain.infrastructure import Appliance
from holdfast.protocol.encoding import from_json, to_json

_APPLIANCES = tables.appliances


class AppliancesTable:
    """`Appliances` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, appliance: Appliance) -> None:
        """Add or replace; how far one that is there is mirrored stays."""
        row = {"name": appliance.name, "document": to_json(appliance).decode(), "synced_usn": 0}
        with self._database.writing() as connection:
            put_row(connection, _APPLIANCES, row, keep=frozenset({"synced_usn"}))

    def get(self, name: str) -> Appliance:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            row = connection.execute(select(_APPLIANCES).where(_APPLIANCES.c.name == name)).first()
        if row is None:
            raise missing("appliance", name)
        return _read(row)

    def all(self) -> list[Appliance]:
        """By name."""
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(select(_APPLIANCES).order_by(_APPLIANCES.c.name))]

    def remove(self, name: str) -> None:
        """With all that is mirrored of it. Raises NotFoundError."""
        with self._database.writing() as connection:
            connection.execute(delete(tables.mirrored).where(tables.mirrored.c.appliance == name))
            if connection.execute(delete(_APPLIANCES).where(_APPLIANCES.c.name == name)).rowcount == 0:
                raise missing("appliance", name)


def synced_usn_of(connection: Connection, name: str) -> int:
    """How far it is mirrored; nobody else moves that on before this transaction ends. Raises NotFoundError."""
    query = select(_APPLIANCES.c.synced_usn).where(_APPLIANCES.c.name == name).with_for_update()
    usn: int | None = connection.execute(query).scalar()
    if usn is None:
        raise missing("appliance", name)
    return usn


def put_synced_usn(connection: Connection, name: str, usn: int, moment: datetime | None) -> None:
    """It is mirrored that far."""
    change = update(_APPLIANCES).where(_APPLIANCES.c.name == name)
    connection.execute(change.values(synced_usn=usn, synced_at=moment))


def _read(row: Row[Any]) -> Appliance:
    known = from_json(Appliance, row.document, "appliance")
    return replace(known, synced_usn=row.synced_usn, synced_at=row.synced_at)
