"""Time, randomness and secrets, handed in: one seed replays everything."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class SecretBox(Protocol):
    """Seals what must be kept but not read: under a KMS key, or a key file that only its owner reads."""

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Sealed; opens only for the same purpose."""

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises IntegrityError, WrongKeyError."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`sleep` takes seconds; `random_bytes` a count."""

    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    sleep: Callable[[float], Awaitable[None]]
