"""How a long operation says how far it is; the listener decides what a person sees."""

from typing import Protocol


class Progress(Protocol):
    """Told from any thread, as often as it happens; a listener must be quick."""

    def total(self, size_bytes: int | None) -> None:
        """How much there is to do, None when nobody knows."""

    def advance(self, size_bytes: int) -> None:
        """So much more is done."""

    def skip(self, size_bytes: int) -> None:
        """So much was done before, by work that was gone on with: it is not done now, and says nothing of the rate."""

    def note(self, text: str) -> None:
        """Something a person should know, one line."""


class Silence:
    """Nobody listens."""

    def total(self, size_bytes: int | None) -> None:
        """Nothing."""

    def advance(self, size_bytes: int) -> None:
        """Nothing."""

    def skip(self, size_bytes: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
