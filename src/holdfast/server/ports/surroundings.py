"""Time and randomness, handed in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.identifiers import new_id


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`random_bytes` takes a count; `wait` seconds, and gives back True when the server ends: then nothing is begun."""

    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    wait: Callable[[float], bool]

    def new_id(self) -> str:
        """A new id of a session."""
        return new_id(self.random_bytes(16))
