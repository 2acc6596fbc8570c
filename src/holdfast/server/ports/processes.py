"""The port to processes that the server keeps running."""

from collections.abc import Sequence
from typing import Protocol


class Running(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int:
        """Its id."""

    def ended(self) -> int | None:
        """Its exit status; None while it runs."""

    def stop(self) -> None:
        """Ask it to end, insist after some seconds, and see it gone; again is no error."""


class Processes(Protocol):
    """Starts them."""

    def start(self, name: str, arguments: Sequence[str]) -> Running:
        """Run this Python with `arguments`. Its standard input ends when this process does, in whatever way; what it
        writes goes to a log of that name.
        """


class ServiceDoor(Protocol):
    """What a service is told of the server, and where its token lies."""

    def arguments(self, appliance: str, service: str, token: str) -> tuple[str, ...]:
        """Keep the token in a file that only this user reads; the words that name it, the server and its identity."""

    def forget(self, appliance: str) -> None:
        """Remove the tokens' files."""
