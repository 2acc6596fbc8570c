"""Ports to records that appliance and server both keep: repositories, sessions, settings. `database/` implements them.

Secrets come in sealed and go out sealed: nothing here can open one.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from holdfast.domain.infrastructure import RepositoryDefinition
from holdfast.domain.session import LogLine, Session, State, Task


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

    def forget(self, opened_before: datetime, spared: Collection[str], limit: int) -> int:
        """Forget sessions that were opened before that moment and have ended, with their tasks and logs: the oldest
        first, at most so many; how many. Not those of `spared`, nor one with a task that goes on.
        """

    def log(self, line: LogLine) -> None:
        """Add a line; its sequence is given here."""

    def lines(self, session_id: str, after: int, limit: int) -> list[LogLine]:
        """By sequence, after the one given."""


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
