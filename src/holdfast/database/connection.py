"""A database that is open: reading and writing transactions, whatever it runs on.

On SQLite every writing transaction takes the write lock when it begins (`BEGIN IMMEDIATE`): one that has read first and
then wants to write cannot be refused. Threads of this process queue for it fairly before they ask the file.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from holdfast.database.errors import translated
from holdfast.database.migrating import Kind, migrate
from holdfast.domain.errors import UsageError

BUSY_TIMEOUT_SECONDS = 60
_WRITES = "holdfast_writes"


class Database:
    """One open database of appliance or server. Threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._place = engine.url.render_as_string(hide_password=True)
        self._writer = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    @classmethod
    def open(cls, place: str | Path, kind: Kind) -> "Database":
        """Open the file, or the database of a URL (`sqlite:///FILE`, `postgresql://…`); its tables are made or brought
        up to date. Raises UnsupportedFormatError when a newer Holdfast has used it.
        """
        url = url_of(place)
        with translated(url.render_as_string(hide_password=True)):
            database = cls(_sqlite(url) if url.get_backend_name() == "sqlite" else _other(url))
        try:
            with database.writing() as connection:
                migrate(connection, kind)
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads; on SQLite it sees one moment throughout."""
        with translated(self._place), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it, or nothing when the block raises."""
        with (
            translated(self._place),
            self._writer,
            self._engine.connect() as connection,
            connection.execution_options(**{_WRITES: True}).begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


def url_of(place: str | Path) -> URL:
    """The URL of a file, or what a person wrote, with the driver that is used. Raises UsageError."""
    if isinstance(place, Path):
        return URL.create("sqlite", database=str(place))
    try:
        url = make_url(place)
    except ArgumentError as error:
        raise UsageError(
            "the address of the database cannot be read", why=str(error), cure="write postgresql://USER@HOST/DATABASE"
        ) from None
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgres", "postgresql"} else url


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise UsageError(
            "a database in memory cannot be used", why="all would be lost with the process", cure="name a file"
        )
    _prepare_file(Path(url.database))
    engine = create_engine(url, pool_size=16, max_overflow=-1, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _other(url: URL) -> Engine:
    """A connection that its server has closed meanwhile is opened again before it is used."""
    return create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True)


def _prepare_file(path: Path) -> None:
    """The file exists and is its owner's alone; SQLite gives the files beside it the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise _file_error(path, error) from error


def _file_error(path: Path, error: OSError) -> UsageError:
    """A file that cannot be made where it should be."""
    return UsageError(
        f"{path} cannot be opened", why=error.strerror or str(error), cure="name a file in a folder of your own"
    )


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
