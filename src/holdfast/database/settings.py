"""Named settings."""

import json
from typing import Any

from sqlalchemy import delete, select

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.statements import put_row

_SETTINGS = tables.settings


class SettingsTable:
    """`Settings` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Any:
        """None where it was never set."""
        text = self._column("value", name)
        return None if text is None else json.loads(text)

    def put(self, name: str, value: Any) -> None:
        """Set."""
        with self._database.writing() as connection:
            put_row(connection, _SETTINGS, {"name": name, "value": json.dumps(value)})

    def sealed(self, name: str) -> bytes | None:
        """A sealed value."""
        value: bytes | None = self._column("sealed", name)
        return value

    def put_sealed(self, name: str, value: bytes | None) -> None:
        """Set, or remove with None."""
        with self._database.writing() as connection:
            put_row(connection, _SETTINGS, {"name": name, "sealed": value})
            if value is None:
                empty = (_SETTINGS.c.value.is_(None), _SETTINGS.c.sealed.is_(None))
                connection.execute(delete(_SETTINGS).where(_SETTINGS.c.name == name, *empty))

    def _column(self, column: str, name: str) -> Any:
        with self._database.reading() as connection:
            return connection.execute(select(_SETTINGS.c[column]).where(_SETTINGS.c.name == name)).scalar()
