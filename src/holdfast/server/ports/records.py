"""Ports to what the server remembers. `database/` implements them, on SQLite and PostgreSQL.

What appliances have is kept here as a mirror: documents as the appliance gave them, by appliance, kind and id; it can
be dropped and fetched anew at any time. Secrets come in sealed and go out sealed, tokens as their SHA-256.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from holdfast.domain.cloud_ledger import KeptLedger
from holdfast.domain.infrastructure import Appliance
from holdfast.domain.records import Repositories, Sessions, Settings
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import Session
from holdfast.protocol.appliance_answers import ChangePage, SessionDetail

__all__ = ["Repositories", "Sessions", "Settings"]


class Appliances(Protocol):
    """Appliances by name."""

    def put(self, appliance: Appliance) -> None:
        """Add or replace; how far one that is there is mirrored (`synced_usn`, `synced_at`) stays: Mirror says it."""

    def get(self, name: str) -> Appliance:
        """Raises NotFoundError."""

    def all(self) -> list[Appliance]:
        """By name."""

    def remove(self, name: str) -> None:
        """With all that is mirrored of it. Raises NotFoundError."""


class PluginState(StrEnum):
    """How a plug-in stands to the server."""

    INSTALLING = "installing"
    INSTALLED = "installed"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class StoredPlugin:
    """A plug-in that a person asked for. `source` is where its distribution came from; `settings` what its `install`
    gave back: no secrets; `installed_by` the session in which it did.
    """

    name: str
    version: str
    source: str
    state: PluginState
    settings: Mapping[str, str] = field(default_factory=dict)
    installed_by: str = ""


class Plugins(Protocol):
    """Plug-ins by name."""

    def put(self, plugin: StoredPlugin) -> None:
        """Add or replace."""

    def get(self, name: str) -> StoredPlugin:
        """Raises NotFoundError."""

    def all(self) -> list[StoredPlugin]:
        """By name."""

    def remove(self, name: str) -> None:
        """Raises NotFoundError."""


class TokenKind(StrEnum):
    """What a token may do: everything, or what the service of one appliance needs."""

    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A bearer token, known by its SHA-256 in hex alone. `appliance`: the one that a service token is bound to."""

    id: str
    sha256: str = field(repr=False)
    kind: TokenKind
    created_at: datetime
    appliance: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Tokens(Protocol):
    """Tokens by id."""

    def add(self, token: StoredToken) -> None:
        """Raises ConflictError when the id is taken."""

    def get(self, token_id: str) -> StoredToken:
        """Raises NotFoundError."""

    def revoke(self, token_id: str, now: datetime) -> None:
        """Never to be accepted again. Raises NotFoundError."""

    def revoke_services(self, appliance: str, now: datetime) -> None:
        """The same for the services of that appliance."""

    def revoke_admins_but(self, token_id: str, now: datetime) -> int:
        """The same for every one of an administrator but that one; how many were not revoked before."""

    def forget(self, ended_before: datetime, limit: int) -> int:
        """Forget at most so many that were revoked, or expired, before that moment; how many."""


@dataclass(frozen=True, slots=True)
class MirroredDocument:
    """An object of an appliance as it gave it. `kind` as in ChangeRecord."""

    appliance: str
    kind: str
    id: str
    usn: int
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session of an appliance, or of the server itself where `appliance` is empty."""

    appliance: str
    session: Session


@dataclass(frozen=True, slots=True)
class ListedPoint:
    """A restore point of an appliance. Several may have the same one: `place` is its own in a list."""

    appliance: str
    point: RestorePoint

    @property
    def place(self) -> str:
        """What a list is gone on with behind it."""
        return f"{self.point.id}@{self.appliance}"


class Mirror(Protocol):
    """What appliances have, as it was when they last told. An appliance that the records do not know raises
    NotFoundError.
    """

    def apply(self, appliance: str, page: ChangePage, now: datetime) -> int:
        """Take over a page and how far it goes, both or neither; the number reached. A page again changes nothing, nor
        does one that follows what is not here: it was asked for before all was dropped.

        Raises ConflictError when the appliance counts less than it did: it is not what it was, and must be read anew.
        """

    def synced_usn(self, appliance: str) -> int:
        """The number reached; 0 before the first page."""

    def drop(self, appliance: str) -> None:
        """Forget all of it and begin at 0."""

    def documents(self, kind: str, appliance: str | None = None) -> list[MirroredDocument]:
        """Accounts, repositories, policies: all of one or every appliance, by appliance and id."""

    def get(self, appliance: str, kind: str, object_id: str) -> MirroredDocument:
        """Raises NotFoundError."""

    def sessions(
        self,
        *,
        before: str | None,
        limit: int,
        appliance: str | None = None,
        kind: str | None = None,
        subject: str | None = None,
    ) -> list[ListedSession]:
        """Newest first, after the session `before`; the server's own among them, alone with `appliance` "" ."""

    def session(self, session_id: str) -> tuple[str, SessionDetail]:
        """A session by id or unique prefix, and whose it is; the server's own too ("" as appliance).

        Raises NotFoundError, UsageError for a prefix of several.
        """

    def points(
        self, *, before: str | None, limit: int, appliance: str | None = None, workload_id: str | None = None
    ) -> list[ListedPoint]:
        """Newest first, after the point `before`."""

    def point(self, point_id: str, appliance: str | None = None) -> ListedPoint:
        """By id or unique prefix. Raises NotFoundError, UsageError for a prefix of several, or one of several
        appliances.
        """


@dataclass(frozen=True, slots=True)
class Records:
    """All of it together."""

    appliances: Appliances
    repositories: Repositories
    plugins: Plugins
    tokens: Tokens
    mirror: Mirror
    sessions: Sessions
    ledger: KeptLedger
    settings: Settings
