"""The administrator's token of a management server: a file in its home holds it, and its records know it.

Whoever starts the server owns that home. So a file that is not there, or holds what the records do not know (one of the
two is new), is made good at the start; and a token that got into wrong hands is renewed there, while the server runs or
not.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from holdfast.database.connection import Database
from holdfast.database.server_records import server_records
from holdfast.domain.errors import NotFoundError, PermissionDeniedError
from holdfast.server.ports.records import TokenKind
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.tokens import TokenBook
from holdfast.wiring.location_memory import home_folder
from holdfast.wiring.private_files import read_private, write_private
from holdfast.wiring.server_home import SERVER_ID, ServerHome


@dataclass(frozen=True, slots=True)
class AdminToken:
    """The file; whether the server takes what it holds; how many tokens open nothing any more from now on."""

    token_file: Path
    valid: bool
    revoked: int = 0


def keep(home: ServerHome, tokens: TokenBook) -> None:
    """The file holds a token that the server takes: the one that is there, or a new one."""
    if not _is_valid(home, tokens):
        write_private(home.admin_token, tokens.issue(TokenKind.ADMIN).encode())


def look(database_url: str | None) -> AdminToken:
    """How it stands. Raises NotFoundError where no server has kept its records."""
    home = ServerHome(home_folder())
    with _tokens(home, database_url) as tokens:
        return AdminToken(home.admin_token, _is_valid(home, tokens))


def renew(database_url: str | None) -> AdminToken:
    """A new one in the file; every other that an administrator has opens nothing any more. Raises NotFoundError,
    PermissionDeniedError for another user's home.
    """
    home = ServerHome(home_folder())
    with _tokens(home, database_url) as tokens:
        token = tokens.issue(TokenKind.ADMIN)
        write_private(home.admin_token, token.encode())
        return AdminToken(home.admin_token, valid=True, revoked=tokens.revoke_other_admins(token))


@contextmanager
def _tokens(home: ServerHome, database_url: str | None) -> Iterator[TokenBook]:
    if not home.folder.is_dir() or (database_url is None and not home.database.exists()):
        raise _no_server(home)
    owner = home.folder.stat().st_uid
    if owner != os.geteuid():
        raise PermissionDeniedError(
            f"{home.folder} is another user's",
            why="the server could not read what is written here",
            cure=f"run this as the user who runs the server (its number is {owner})",
        )
    with closing(Database.open(database_url or home.database, "server")) as database:
        records = server_records(database)
        if records.settings.get(SERVER_ID) is None:
            raise _no_server(home)
        now = partial(datetime.now, UTC)
        yield TokenBook(records.tokens, Surroundings(now, os.urandom, threading.Event().wait))


def _no_server(home: ServerHome) -> NotFoundError:
    return NotFoundError(
        f"no management server keeps its records where {home.folder} says",
        why="none was started there, or it was with another --database",
        cure="set HOLDFAST_HOME as for `holdfast server run`, and name the same --database",
    )


def _is_valid(home: ServerHome, tokens: TokenBook) -> bool:
    kept = read_private(home.admin_token)
    return kept is not None and tokens.is_admin(kept.decode("ascii", "replace").strip())
