"""Patience with passing faults: exponential backoff with full jitter, within bounded attempts and time.

Full jitter is the variant that AWS's Architecture Blog ("Exponential Backoff And Jitter", 2015) measured as the least
total work under contention.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.domain.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long, and how far apart.

    Attempt n (from 0) is followed by uniform() * first_delay * 2^n seconds. An attempt that would begin after
    `total_seconds` is not made.
    """

    attempts: int = 8
    first_delay_seconds: float = 0.1
    longest_delay_seconds: float = 20.0
    total_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waiting needs of the world: `sleep` takes seconds, `uniform` gives [0, 1), `monotonic` gives seconds."""

    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic


DEFAULT_POLICY = RetryPolicy()
REAL_WAITING = Waiting()


class Patience:
    """The waiting between the attempts of one request."""

    def __init__(self, policy: RetryPolicy = DEFAULT_POLICY, waiting: Waiting = REAL_WAITING) -> None:
        self._policy = policy
        self._waiting = waiting
        self._failures = 0
        self._started_seconds = waiting.monotonic()

    def wait_or_raise(self, error: UnavailableError) -> None:
        """Sleep before the next attempt, or raise `error` when attempts or time are used up."""
        policy, waiting = self._policy, self._waiting
        self._failures += 1
        ceiling = min(policy.longest_delay_seconds, policy.first_delay_seconds * 2 ** (self._failures - 1))
        delay_seconds = waiting.uniform() * ceiling
        elapsed_seconds = waiting.monotonic() - self._started_seconds
        if self._failures >= policy.attempts or elapsed_seconds + delay_seconds > policy.total_seconds:
            raise error
        waiting.sleep(delay_seconds)
