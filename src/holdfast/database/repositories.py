"""Repositories and their sealed passwords."""

from sqlalchemy import select

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.named_documents import NamedDocuments
from holdfast.database.statements import missing
from holdfast.domain.infrastructure import RepositoryDefinition


class RepositoriesTable:
    """`Repositories` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = NamedDocuments(tables.repositories, RepositoryDefinition, "repository", "repository")

    def put(self, repository: RepositoryDefinition, sealed_password: bytes | None) -> None:
        """Add or replace; None keeps a password that is there."""
        beside = {} if sealed_password is None else {"sealed_password": sealed_password}
        with self._database.writing() as connection:
            self._documents.put(connection, repository.name, repository, **beside)

    def get(self, name: str) -> RepositoryDefinition:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return self._documents.get(connection, name)

    def sealed_password(self, name: str) -> bytes | None:
        """Raises NotFoundError."""
        table = tables.repositories
        with self._database.reading() as connection:
            row = connection.execute(select(table.c.sealed_password).where(table.c.name == name)).first()
        if row is None:
            raise missing("repository", name)
        sealed: bytes | None = row.sealed_password
        return sealed

    def all(self) -> list[RepositoryDefinition]:
        """By name."""
        with self._database.reading() as connection:
            return self._documents.all(connection)

    def remove(self, name: str) -> None:
        """Raises NotFoundError."""
        with self._database.writing() as connection:
            self._documents.remove(connection, name)
