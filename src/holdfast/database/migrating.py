"""Brings the tables of a database up to date."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

Kind = Literal["appliance", "server"]

_ENVIRONMENT = "holdfast.database.migrations.env"
# Oldest first; Alembic finds them in the folder that they lie in.
_STEPS: dict[Kind, tuple[str, ...]] = {
    "appliance": (
        "holdfast.database.migrations.appliance.appliance_0001",
        "holdfast.database.migrations.appliance.appliance_0002",
        "holdfast.database.migrations.appliance.appliance_0003",
        "holdfast.database.migrations.appliance.appliance_0004",
        "holdfast.database.migrations.appliance.appliance_0005",
    ),
    "server": ("holdfast.database.migrations.server.server_0001",),
}


def migrate(connection: Connection, kind: Kind) -> None:
    """Run what has not been run yet, inside the transaction of the connection."""
    config = Config()
    config.set_main_option("script_location", str(_folder(_ENVIRONMENT)))
    config.set_main_option("version_locations", str(_folder(_STEPS[kind][-1])))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    logging.getLogger("alembic").setLevel(logging.WARNING)
    command.upgrade(config, "head")


def _folder(module: str) -> Path:
    found = find_spec(module)
    if found is None or found.origin is None:
        raise AssertionError(f"{module} is missing from the installation")
    return Path(found.origin).parent
