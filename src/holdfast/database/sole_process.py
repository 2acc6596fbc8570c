"""One process of a kind on a database: two would take each other's work for cut short, and undo it.

On PostgreSQL a lock says so, on a connection of its own that lasts as long as the process. PostgreSQL lets go of it
when that connection ends, whatever ended the process; when its machine is gone, within a minute. A connection that
breaks is made anew, and the lock taken again, unless another process was quicker. An SQLite file has a home around it,
which one process holds.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from holdfast.database.connection import url_of
from holdfast.database.errors import translated
from holdfast.database.migrating import Kind
from holdfast.domain.errors import ConflictError, HoldfastError, UnavailableError

_LOOK_SECONDS = 2.0
# Each side notices within half a minute that the other is there no more. Names of PostgreSQL.
_OURS = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_THEIRS = text(
    "SELECT set_config(name, wanted.value, false) FROM pg_settings JOIN (VALUES ('tcp_keepalives_idle', '15'), "
    "('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '30000')) "
    "AS wanted (name, value) USING (name)"
)
_FORMER = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name AND pid <> pg_backend_pid()"
)

_log = logging.getLogger(__name__)


@contextmanager
def sole_process(place: str | Path, kind: Kind, lost: Callable[[], None]) -> Iterator[None]:
    """Hold the database for this process. Raises ConflictError while another one does; also at the end of the block,
    where another one has taken it meanwhile: `lost` has been called then, and is to end the block.
    """
    url = url_of(place)
    if url.get_backend_name() != "postgresql":
        yield
        return
    hold, ending = _Hold(url, kind), threading.Event()
    hold.take()
    watch = threading.Thread(target=hold.watch, args=(ending, lost), name="database-lock", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ending.set()
        watch.join()
        hold.let_go()
    if hold.taken_by_another is not None:
        raise hold.taken_by_another


class _Hold:
    """The lock, and the connection that has it."""

    def __init__(self, url: URL, kind: Kind) -> None:
        self.taken_by_another: ConflictError | None = None
        self._kind = kind
        self._place = url.render_as_string(hide_password=True)
        self._name = f"holdfast {kind} {os.urandom(8).hex()}"
        with translated(self._place):
            ours = {**_OURS, "application_name": self._name}
            self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=ours)
        self._connection: Connection | None = None

    def take(self) -> None:
        """Raises ConflictError, UnavailableError."""
        with translated(self._place):
            connection = self._engine.connect()
            try:
                connection.execute(_THEIRS)
                former = connection.execute(_FORMER, {"name": self._name}).all()
                schema = connection.execute(text("SELECT current_schema()")).scalar()
                lock = {"number": _number(self._kind, schema)}
                taken = connection.execute(text("SELECT pg_try_advisory_lock(:number)"), lock).scalar_one()
            except BaseException:
                connection.close()
                raise
        if taken:
            self._connection = connection
            return
        connection.close()
        if former:
            raise UnavailableError(
                f"{self._place} cannot be held yet",
                why="PostgreSQL has not noticed before that the former connection is gone",
                cure="nothing has to be done; it is tried again",
            )
        raise ConflictError(
            f"another {self._kind} works with {self._place}",
            why="two of them would undo each other's work",
            cure="end the other one first, or name another database; one whose machine is gone is let go of within a "
            "minute",
        )

    def watch(self, ending: threading.Event, lost: Callable[[], None]) -> None:
        """See that it is held, until the end or until another process has it."""
        said = ""
        while not ending.wait(_LOOK_SECONDS):
            try:
                self._look()
                said = ""
            except ConflictError as error:
                self.taken_by_another = error
                lost()
                return
            except HoldfastError as error:
                if str(error) != said:
                    said = str(error)
                    _log.warning("the database is not held for this process now: %s", said)

    def let_go(self) -> None:
        """Give the lock back, and end the connection: by its end alone PostgreSQL would do it a moment later, and who
        comes at once would be refused.
        """
        if self._connection is not None:
            with suppress(SQLAlchemyError):  # a connection that is broken holds nothing
                self._connection.execute(text("SELECT pg_advisory_unlock_all()"))
            self._connection.close()
            self._connection = None

    def _look(self) -> None:
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
                return
            except SQLAlchemyError as error:
                _log.warning("the connection that holds the database broke: %s", error)
                self.let_go()
        self.take()


def _number(kind: Kind, schema: str | None) -> int:
    """One for each kind and schema, where a database has several: 64 bits with a sign."""
    return int.from_bytes(hashlib.sha256(f"holdfast {kind} {schema or ''}".encode()).digest()[:8], "big", signed=True)
