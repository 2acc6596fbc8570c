"""Ports to what the appliance remembers. `database/` implements them, on SQLite and PostgreSQL.

Every change of what a server mirrors (accounts, repositories, policies, sessions, tasks, points) takes the next number
of one counter, the `usn`; `Changes` reads them in that order: a reader that remembers its last number misses nothing.
Secrets come in sealed and go out sealed: nothing here can open one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from holdfast.domain.cloud_ledger import CloudLedger
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import LogLine, Session, State, Task
from holdfast.protocol.appliance_answers import ChangeRecord, StoredPolicy


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


class Repositories(Protocol):
    """Repositories by name, each with its sealed password (None where a KMS slot opens it)."""

    def put(self, repository: RepositoryDefinition, sealed_password: bytes | None) -> None:
        """Add or replace; None keeps a password that is there."""

    def get(self, name: str) -> RepositoryDefinition:
        """Raises NotFoundError."""

    def sealed_password(self, name: str) -> bytes | None:
        """Raises NotFoundError."""

    def all(self) -> list[RepositoryDefinition]:
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


class Sessions(Protocol):
    """Sessions, their tasks and logs."""

    def open(self, session: Session, tasks: Iterable[Task], details: Mapping[str, Any]) -> None:
        """Add a session with its tasks; adding one again that is there changes nothing. `details`: what the run needs
        to know, JSON, no secret.
        """

    def details(self, session_id: str) -> Mapping[str, Any]:
        """What it was opened with. Raises NotFoundError."""

    def get(self, session_id: str) -> Session:
        """Raises NotFoundError."""

    def put(self, session: Session) -> None:
        """Replace; a final state is never left again."""

    def page(
        self, *, before: str | None, limit: int, kind: str | None = None, subject: str | None = None
    ) -> list[Session]:
        """Newest first, after the session `before`."""

    def unfinished(self) -> list[Session]:
        """Those in no final state, oldest first."""

    def add_tasks(self, session_id: str, tasks: Iterable[Task]) -> None:
        """Add tasks; those that are there stay as they are."""

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError."""

    def put_task(self, task: Task) -> None:
        """Replace; a final state is never left again."""

    def tasks(self, session_id: str) -> list[Task]:
        """In the order in which they were added."""

    def running_tasks(self) -> list[Task]:
        """Every task in no final state."""

    def cancel_requested(self, session_id: str) -> bool:
        """Whether somebody asked to cancel it."""

    def request_cancel(self, session_id: str) -> State:
        """Ask; the state that the session is in afterwards. Raises NotFoundError."""

    def log(self, line: LogLine) -> None:
        """Add a line; its sequence is given here."""

    def lines(self, session_id: str, after: int, limit: int) -> list[LogLine]:
        """By sequence, after the one given."""


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


class Settings(Protocol):
    """Named settings, JSON without secrets; sealed ones beside them."""

    def get(self, name: str) -> Any:
        """None where it was never set."""

    def put(self, name: str, value: Any) -> None:
        """Set."""

    def sealed(self, name: str) -> bytes | None:
        """A sealed value."""

    def put_sealed(self, name: str, value: bytes | None) -> None:
        """Set, or remove with None."""


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
