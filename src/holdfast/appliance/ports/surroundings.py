"""Time, randomness and secrets, handed in: one seed replays everything."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.secret_box import SecretBox

__all__ = ["SecretBox", "Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`sleep` takes seconds; `random_bytes` a count."""

    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    sleep: Callable[[float], Awaitable[None]]
