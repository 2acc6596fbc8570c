"""Databases to run contracts over."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text

from holdfast.database.connection import Database
from holdfast.testing.postgresql_process import postgresql_programs, postgresql_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    with postgresql_server(programs) as address:
        yield address


@pytest.fixture
def new_postgresql(postgresql) -> str:
    """The address of an empty database."""
    name = f"records_{next(_numbers)}"
    engine = create_engine(postgresql.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return str(postgresql.replace("/postgres?", f"/{name}?"))


@pytest.fixture(params=["sqlite", "postgresql"])
def open_database(request, tmp_path) -> Iterator[Callable[[str], Database]]:
    """Opens one and the same empty database, for appliance or server."""
    if request.param == "sqlite":
        place = tmp_path / "home" / "records.db"
    else:
        place = request.getfixturevalue("new_postgresql")
    opened = []

    def open_one(kind):
        opened.append(Database.open(place, kind))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()
