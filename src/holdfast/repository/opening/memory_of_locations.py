"""What this party remembers of the repositories it opened: key, ledger and plan as they were (rule 10, section 3).

Who sets a store back to an earlier copy of itself leaves everything in it whole; only who saw it later can tell.
"""

from dataclasses import dataclass
from typing import Protocol

from holdfast.domain.errors import FormatError, KeyPinError, RollbackError
from holdfast.repository.format import names
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.opening.ledger import HOW_TO_ACCEPT
from holdfast.repository.opening.repository import Repository
from holdfast.repository.trust.presence import is_there


@dataclass(frozen=True, slots=True)
class Remembered:
    """A location as last seen: the pin of key epoch `kid`, the ledger's sequence and head, the newest plan's epoch."""

    pin: bytes
    sequence: int
    head: bytes
    kid: int = FIRST_EPOCH
    plan_epoch: int = 0

    def to_text(self) -> str:
        """One line, for another party to keep; it opens nothing."""
        return f"{self.kid}:{self.pin.hex()}:{self.sequence}:{self.head.hex()}:{self.plan_epoch}"

    @classmethod
    def from_text(cls, text: str) -> "Remembered":
        """What `to_text` wrote. Raises FormatError for anything else."""
        try:
            kid, pin, sequence, head, plan_epoch = text.split(":")
            return cls(bytes.fromhex(pin), int(sequence), bytes.fromhex(head), int(kid), int(plan_epoch))
        except ValueError as error:
            raise FormatError(
                "what a witness remembers of the repository cannot be read", why=f"{text[:80]!r} is not of that form"
            ) from error


class LocationMemory(Protocol):
    """Keeps one `Remembered` per location, durably."""

    def recall(self, location: str) -> Remembered | None:
        """What was last remembered, None for a location never seen."""

    def remember(self, location: str, seen: Remembered) -> None:
        """Replace what is remembered."""


def recognise(
    repository: Repository, memory: LocationMemory, *, accept: bool = False, witness: Remembered | None = None
) -> None:
    """Refuse a repository whose key, ledger or plan is not the one remembered for its location, or what came of it;
    then remember it as it is now. `witness`: what another party remembers, which counts as much.

    `accept`: a person said that what is there now is right. Raises KeyPinError; RollbackError for what was set back.
    """
    for known in () if accept else (memory.recall(repository.store.location), witness):
        if known is not None:
            _require_key(repository, known)
            repository.ledger.require_head(known.sequence, known.head)
            _require_plan(repository, known.plan_epoch)
    remember(repository, memory, forget=accept)


def _require_key(repository: Repository, known: Remembered) -> None:
    location, newest = repository.store.location, repository.master
    if known.kid > newest.kid:
        raise RollbackError(
            f"{location} is at key epoch {newest.kid}, and was at {known.kid} before",
            why=f"{names.epoch(known.kid)} is gone: the store was set back, or objects were taken away",
            cure=HOW_TO_ACCEPT,
        )
    if repository.epochs.of(known.kid).pin() != known.pin:
        raise KeyPinError(
            f"{location} has another master key than before",
            why="the repository seen here earlier was replaced, or the location now leads elsewhere",
            cure=HOW_TO_ACCEPT,
        )


def _require_plan(repository: Repository, known: int) -> None:
    """Plans are never deleted: without the newest, writers would build upon what it condemns. (One of which only the
    ledger tells stops them, too, and nobody who reads.)
    """
    if known and not is_there(repository.store, names.plan(known)):
        raise RollbackError(
            f"{names.plan(known)} of {repository.store.location} is gone",
            why="it was seen here before, and plans are never deleted",
            cure=f"bring it back from the bucket's older versions or a copy; {HOW_TO_ACCEPT}",
        )


def remember(repository: Repository, memory: LocationMemory, *, plan_epoch: int = 0, forget: bool = False) -> None:
    """Keep key, ledger and plan as they are now; of a damaged ledger no head, for its cure would look like another
    ledger. What somebody else here has remembered meanwhile, and is newer, stays. `plan_epoch`: of a plan that this
    party has seen; `forget`: what was known before counts no more. The plan of which the ledger tells is remembered
    where it stands: a person may have accepted that it is gone.
    """
    location, master, state = repository.store.location, repository.master, repository.ledger.state
    known = None if forget else memory.recall(location)
    sequence, head = state.sequence, state.head
    if repository.ledger.damage:
        sequence, head = 0, b""
    plan_epoch = max(plan_epoch, 0 if known is None else known.plan_epoch)
    if state.plan_epoch > plan_epoch and is_there(repository.store, names.plan(state.plan_epoch)):
        plan_epoch = state.plan_epoch
    pin, kid = master.pin(), master.kid
    if known is not None and known.sequence > sequence:
        sequence, head = known.sequence, known.head
    if known is not None and known.kid > kid:
        pin, kid = known.pin, known.kid
    memory.remember(location, Remembered(pin, sequence, head, kid, plan_epoch))
