"""Ports to what the appliance remembers. `database/` implements them, on SQLite and PostgreSQL.

Every change of what a server mirrors (accounts, repositories, policies, sessions, tasks, points) takes the next number
of one counter, the `usn`; `Changes` reads them in that order: a reader that remembers its last number misses nothing.
Repositories, sessions and settings are kept by the server too: their ports stand in `domain/records.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.domain.cloud_ledger import KeptLedger
from holdfast.domain.infrastructure import Account
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.records import Repositories, Sessions, Settings
from holdfast.domain.restore_point import Flag, RestorePoint
from holdfast.domain.workload import Workload
from holdfast.protocol.appliance_answers import ChangeRecord, StoredPolicy

__all__ = [
    "Accounts",
    "Changes",
    "OpenBackup",
    "OpenBackups",
    "Points",
    "Policies",
    "Records",
    "Repositories",
    "Sessions",
    "Settings",
]


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

    def remember_due(self, name: str, target: str, moment: datetime, now: datetime) -> bool:
        """Say that it was started for that moment; False when somebody else said so before (then do not start it). What
        a clock remembered that ran ahead, seen from `now`, counts for none.
        """


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

    def of_workload(self, workload: Workload) -> list[RestorePoint]:
        """Oldest first."""

    def page(self, *, before: str | None, limit: int, workload_id: str | None = None) -> list[RestorePoint]:
        """Newest first, after the point `before`."""

    def of_policy(self, policy: str) -> list[RestorePoint]:
        """Oldest first."""

    def policies_with_expired(self, now: datetime) -> list[str]:
        """The names of policies of whose points one at least was to be kept until `now` or earlier."""

    def count_naming(self, *, account: str | None = None, repository: str | None = None) -> int:
        """How many are of that account or are kept in it, or lie in that repository."""

    def remove(self, point_id: str) -> None:
        """Gone already is no error."""

    def forget_in(self, repository: str, limit: int) -> int:
        """Remove at most so many of those that lie in that repository; how many."""


@dataclass(frozen=True, slots=True)
class OpenCopy:
    """What an open backup copies: the restore point of that id, pinned in its repository under the id `reader`; and the
    backup that the copy will be of.
    """

    repository: str
    point: str
    reader: str
    backup: str


@dataclass(frozen=True, slots=True)
class SetAside:
    """A copy of which every worker was lost, `at` that time: its session in the repository stays open, for another run
    of the same copy may go on with what so many `attempts` have stored. `keep_until` is what the session promises.
    """

    at: datetime
    attempts: int
    keep_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenBackup:
    """An image backup or archive whose end in its repository was not seen yet: there may be a point, or become one.

    `work` is its session there, and would be the point's id; task and session are the appliance's own. `snapshots`,
    volume id -> snapshot id, are what it reads, and the base of the next backup where there is a point. `flags` and
    `as_of` are what the point would bear. `copies`: of an archive, what it is a copy of; it reads no snapshots.
    `set_aside`: nobody works on it now, and somebody may go on with it.
    """

    work: str
    repository: str
    session_id: str
    task_id: str
    workload: Workload
    policy: str
    snapshots: Mapping[str, str]
    flags: tuple[Flag, ...] = ()
    as_of: datetime | None = None
    copies: OpenCopy | None = None
    set_aside: SetAside | None = None

    @property
    def repositories(self) -> tuple[str, ...]:
        """Those that it reads or writes."""
        return (self.repository,) if self.copies is None else (self.repository, self.copies.repository)


class OpenBackups(Protocol):
    """Written down before the session is opened, struck out when its point is recorded or can never be."""

    def put(self, backup: OpenBackup) -> None:
        """Write it down; again is no error."""

    def all(self) -> list[OpenBackup]:
        """By `work`."""

    def remove(self, work: str) -> None:
        """Strike it out; gone already is no error."""


class Changes(Protocol):
    """What changed, in order."""

    def newest(self) -> int:
        """The last number that was given."""

    def after(self, usn: int, limit: int) -> list[ChangeRecord]:
        """By number; of one object only its latest change comes."""

    def forget_removals(self, upto: int) -> None:
        """Tell no more that something was removed, where the number of that is at most `upto`."""


@dataclass(frozen=True, slots=True)
class Records:
    """All of it together."""

    accounts: Accounts
    repositories: Repositories
    policies: Policies
    sessions: Sessions
    points: Points
    open_backups: OpenBackups
    ledger: KeptLedger
    changes: Changes
    settings: Settings
