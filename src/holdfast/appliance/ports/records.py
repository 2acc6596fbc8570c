"""Ports to what the appliance remembers. `database/` implements them, on SQLite and PostgreSQL.

Every change of what a server mirrors (accounts, repositories, policies, sessions, tasks, points) takes the next number
of one counter, the `usn`; `Changes` reads them in that order: a reader that remembers its last number misses nothing.
Repositories, sessions and settings are kept by the server too: their ports stand in `domain/records.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.domain.cloud_ledger import CloudLedger
from holdfast.domain.infrastructure import Account
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.records import Repositories, Sessions, Settings
from holdfast.domain.restore_point import RestorePoint
from holdfast.protocol.appliance_answers import ChangeRecord, StoredPolicy

__all__ = ["Accounts", "Changes", "Points", "Policies", "Records", "Repositories", "Sessions", "Settings"]


class Accounts(Protocol):
    """Registered accounts, by name."""

    def put(self, account: Account) -> None:
        """Add or replace."""

    def get(self, name: str) -> Account:
        """Raises NotFoundError."""

    def all(self) -> list[Account]:
        """By name."""

    def remove(self, name: str) -> None:
        """Raises NotFoundError."""


class Policies(Protocol):
    """Policies by name."""

    def put(self, policy: Ec2Policy, now: datetime) -> None:
        """Add (enabled) or replace (as it was)."""

    def get(self, name: str) -> StoredPolicy:
        """Raises NotFoundError."""

    def all(self) -> list[StoredPolicy]:
        """By priority, then age."""

    def enable(self, name: str, enabled: bool, now: datetime) -> None:
        """Raises NotFoundError."""

    def remove(self, name: str) -> None:
        """Raises NotFoundError."""

    def fell_due(self, name: str, target: str) -> datetime | None:
        """The moment for which the target (`snapshot`, `backup`) was last started by its schedule."""

    def remember_due(self, name: str, target: str, moment: datetime) -> bool:
        """Say that it was started for that moment; False when somebody else said so before (then do not start it)."""


class Points(Protocol):
    """Restore points."""

    def add(self, point: RestorePoint, sealed_configuration: bytes) -> None:
        """Add; adding one again that is there changes nothing."""

    def put(self, point: RestorePoint) -> None:
        """Replace. Raises NotFoundError."""

    def get(self, point_id: str) -> RestorePoint:
        """By id or unique prefix. Raises NotFoundError, UsageError for a prefix of several."""

    def sealed_configuration(self, point_id: str) -> bytes:
        """How the workload was made up, sealed. Raises NotFoundError."""

    def of_workload(self, account: str, region: str, workload_id: str) -> list[RestorePoint]:
        """Oldest first."""

    def page(self, *, before: str | None, limit: int, workload_id: str | None = None) -> list[RestorePoint]:
        """Newest first, after the point `before`."""

    def of_policy(self, policy: str) -> list[RestorePoint]:
        """Oldest first."""

    def remove(self, point_id: str) -> None:
        """Gone already is no error."""


class Changes(Protocol):
    """What changed, in order."""

    def newest(self) -> int:
        """The last number that was given."""

    def after(self, usn: int, limit: int) -> list[ChangeRecord]:
        """By number; of one object only its latest change comes."""


@dataclass(frozen=True, slots=True)
class Records:
    """All of it together."""

    accounts: Accounts
    repositories: Repositories
    policies: Policies
    sessions: Sessions
    points: Points
    ledger: CloudLedger
    changes: Changes
    settings: Settings
