"""Backups whose end in their repository was not seen yet."""

from sqlalchemy import delete, select

from holdfast.appliance.ports.records import OpenBackup
from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.statements import put_row
from holdfast.protocol.encoding import from_json, to_json

_OPEN = tables.open_backups


class OpenBackupsTable:
    """`OpenBackups` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, backup: OpenBackup) -> None:
        """Write it down; again is no error."""
        with self._database.writing() as connection:
            put_row(connection, _OPEN, {"work": backup.work, "document": to_json(backup).decode()})

    def all(self) -> list[OpenBackup]:
        """By `work`."""
        with self._database.reading() as connection:
            texts = connection.execute(select(_OPEN.c.document).order_by(_OPEN.c.work)).scalars()
            return [from_json(OpenBackup, text, "open backup") for text in texts]

    def remove(self, work: str) -> None:
        """Strike it out; gone already is no error."""
        with self._database.writing() as connection:
            connection.execute(delete(_OPEN).where(_OPEN.c.work == work))
