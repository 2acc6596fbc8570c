"""Tokens, by the SHA-256 of each."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, or_, select, update

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.statements import add_row, missing
from holdfast.domain.errors import ConflictError
from holdfast.server.ports.records import StoredToken, TokenKind

_TOKENS = tables.tokens
_FIELDS = [field.name for field in fields(StoredToken)]


class TokensTable:
    """`Tokens` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: StoredToken) -> None:
        """Raises ConflictError when the id is taken."""
        with self._database.writing() as connection:
            if not add_row(connection, _TOKENS, {**asdict(token), "kind": token.kind.value}):
                raise ConflictError(
                    f"token {token.id} exists already", why="an id is given once", cure="make another token"
                )

    def get(self, token_id: str) -> StoredToken:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            row = connection.execute(select(_TOKENS).where(_TOKENS.c.id == token_id)).first()
        if row is None:
            raise missing("token", token_id)
        return _read(row)

    def revoke(self, token_id: str, now: datetime) -> None:
        """Never to be accepted again; revoked twice, the first time stands. Raises NotFoundError."""
        change = update(_TOKENS).where(_TOKENS.c.id == token_id, _TOKENS.c.revoked_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(change.values(revoked_at=now))
        self.get(token_id)

    def revoke_services(self, appliance: str, now: datetime) -> None:
        """Those of the services of that appliance."""
        own = (_TOKENS.c.kind == TokenKind.SERVICE.value, _TOKENS.c.appliance == appliance)
        with self._database.writing() as connection:
            connection.execute(update(_TOKENS).where(*own, _TOKENS.c.revoked_at.is_(None)).values(revoked_at=now))

    def revoke_admins_but(self, token_id: str, now: datetime) -> int:
        """Every one of an administrator but that one; how many were not revoked before."""
        others = (_TOKENS.c.kind == TokenKind.ADMIN.value, _TOKENS.c.id != token_id, _TOKENS.c.revoked_at.is_(None))
        with self._database.writing() as connection:
            return connection.execute(update(_TOKENS).where(*others).values(revoked_at=now)).rowcount

    def forget(self, ended_before: datetime, limit: int) -> int:
        """Forget at most so many that were revoked, or expired, before that moment; how many."""
        ended = or_(_TOKENS.c.revoked_at < ended_before, _TOKENS.c.expires_at < ended_before)
        some = select(_TOKENS.c.id).where(ended).limit(limit)
        with self._database.writing() as connection:
            return connection.execute(delete(_TOKENS).where(_TOKENS.c.id.in_(some))).rowcount


def _read(row: Row[Any]) -> StoredToken:
    values = {name: getattr(row, name) for name in _FIELDS}
    return StoredToken(**{**values, "kind": TokenKind(row.kind)})
