"""Registered accounts."""

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.named_documents import NamedDocuments
from holdfast.domain.infrastructure import Account


class AccountsTable:
    """`Accounts` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = NamedDocuments(tables.accounts, Account, "account", "account")

    def put(self, account: Account) -> None:
        """Add or replace."""
        with self._database.writing() as connection:
            self._documents.put(connection, account.name, account)

    def get(self, name: str) -> Account:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            return self._documents.get(connection, name)

    def all(self) -> list[Account]:
        """By name."""
        with self._database.reading() as connection:
            return self._documents.all(connection)

    def remove(self, name: str) -> None:
        """Raises NotFoundError."""
        with self._database.writing() as connection:
            self._documents.remove(connection, name)
