"""All records of an appliance over one database."""

from holdfast.appliance.ports.records import Records
from holdfast.database.accounts import AccountsTable
from holdfast.database.changes import ChangesTable
from holdfast.database.connection import Database
from holdfast.database.ledger import LedgerTable
from holdfast.database.open_backups import OpenBackupsTable
from holdfast.database.points import PointsTable
from holdfast.database.policies import PoliciesTable
from holdfast.database.repositories import RepositoriesTable
from holdfast.database.sessions import SessionsTable
from holdfast.database.settings import SettingsTable


def appliance_records(database: Database) -> Records:
    """The records in a database that was opened as an appliance's."""
    return Records(
        accounts=AccountsTable(database),
        repositories=RepositoriesTable(database),
        policies=PoliciesTable(database),
        sessions=SessionsTable(database),
        points=PointsTable(database),
        open_backups=OpenBackupsTable(database),
        ledger=LedgerTable(database),
        changes=ChangesTable(database),
        settings=SettingsTable(database),
    )
