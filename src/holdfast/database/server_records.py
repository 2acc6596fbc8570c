"""All records of a server over one database."""

from holdfast.database.appliances import AppliancesTable
from holdfast.database.connection import Database
from holdfast.database.ledger import LedgerTable
from holdfast.database.mirror import MirrorTable
from holdfast.database.plugins import PluginsTable
from holdfast.database.repositories import RepositoriesTable
from holdfast.database.sessions import SessionsTable
from holdfast.database.settings import SettingsTable
from holdfast.database.tokens import TokensTable
from holdfast.server.ports.records import Records


def server_records(database: Database) -> Records:
    """The records in a database that was opened as a server's."""
    return Records(
        appliances=AppliancesTable(database),
        repositories=RepositoriesTable(database),
        plugins=PluginsTable(database),
        tokens=TokensTable(database),
        mirror=MirrorTable(database),
        sessions=SessionsTable(database),
        ledger=LedgerTable(database),
        settings=SettingsTable(database),
    )
