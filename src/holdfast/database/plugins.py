"""Plug-ins that a person asked for."""

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.named_documents import NamedDocuments
from holdfast.server.ports.records import StoredPlugin


class PluginsTable:
    """`Plugins` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = NamedDocuments(tables.plugins, StoredPlugin, "plug-in")

    def put(self, plugin: StoredPlugin) -> None:
        """Add or replace."""
        with self._database.writing() as connection:
            self._documents.put(connection, plugin.name, plugin)

    def get(self, name: str) -> StoredPlugin:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return self._documents.get(connection, name)

    def all(self) -> list[StoredPlugin]:
        """By name."""
        with self._database.reading() as connection:
            return self._documents.all(connection)

    def remove(self, name: str) -> None:
        """Raises NotFoundError."""
        with self._database.writing() as connection:
            self._documents.remove(connection, name)
