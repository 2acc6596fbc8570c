"""What this party remembers of the repositories it opened: the key's pin and the ledger's head (rule 10, section 3)."""

from dataclasses import dataclass
from typing import Protocol

from holdfast.domain.errors import KeyPinError
from holdfast.repository.opening import Repository


@dataclass(frozen=True, slots=True)
class Remembered:
    """A location's pin, ledger sequence and head as last seen."""

    pin: bytes
    sequence: int
    head: bytes


class LocationMemory(Protocol):
    """Keeps one `Remembered` per location, durably."""

    def recall(self, location: str) -> Remembered | None:
        """What was last remembered, None for a location never seen."""

    def remember(self, location: str, seen: Remembered) -> None:
        """Replace what is remembered."""


def recognise(repository: Repository, memory: LocationMemory, *, accept: bool = False) -> None:
    """Refuse a repository whose key or ledger is not the one remembered for its location; then remember it as it is
    now.

    `accept`: a person said that what is there now is right. Raises KeyPinError.
    """
    location = repository.store.location
    known = memory.recall(location)
    if known is not None and not accept:
        if known.pin != repository.master.pin():
            raise KeyPinError(
                f"{location} has another master key than before",
                why="the repository seen here earlier was replaced, or the location now leads elsewhere",
                cure="if that is right, `holdfast repository show --accept-ledger` accepts it",
            )
        repository.ledger.require_head(known.sequence, known.head)
    remember(repository, memory)


def remember(repository: Repository, memory: LocationMemory) -> None:
    """Keep the pin and the ledger's head as they are now; of a damaged ledger no head, for its cure would look like
    another ledger."""
    location, pin, state = repository.store.location, repository.master.pin(), repository.ledger.state
    known = memory.recall(location)
    if not repository.ledger.damage:
        memory.remember(location, Remembered(pin, state.sequence, state.head))
    elif known is None or known.pin != pin:
        memory.remember(location, Remembered(pin, 0, b""))
