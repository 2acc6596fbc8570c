"""Time, randomness and secrets, handed in: one seed replays everything."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast.domain.secret_box import TravellingBox

__all__ = ["Surroundings", "TravellingBox"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`sleep` takes seconds; `random_bytes` a count; `aside(call, *arguments)` makes a call that blocks without holding
    up who waits beside it.
    """

    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    sleep: Callable[[float], Awaitable[None]]
    aside: Callable[..., Awaitable[Any]] = asyncio.to_thread
