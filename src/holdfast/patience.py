"""Patience with passing faults: exponential backoff with full jitter, within bounded attempts and time.

Full jitter is the variant that AWS's Architecture Blog ("Exponential Backoff And Jitter", 2015) measured as the least
total work under contention.

Nobody waits without being told for what. Clients and stores serve many and know none of them: who begins some work says
who is told of what it waits for (`told_to`), and that goes with the context of the work into its threads.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from holdfast.domain.errors import ThrottledError, UnavailableError

# A person who waits for longer wants to know for what; what AWS itself says takes a while is told later.
TOLD_AFTER_SECONDS, TOLD_AFTER_USUAL_SECONDS = 2.0, 30.0
SECONDS_BETWEEN_LINES = 60.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long, and how far apart.

    Attempt n (from 0) is followed by uniform() * first_delay * 2^n seconds. An attempt that would begin after
    `total_seconds` is not made. A wait that lasts longer than `told_after_seconds` is told, once of each request. Where
    the other side asks for patience in words (ThrottledError) the `throttled` ones count, if there are any: S3 may
    take minutes to make room for a prefix that is asked for more than before.
    """

    attempts: int = 8
    first_delay_seconds: float = 0.1
    longest_delay_seconds: float = 20.0
    total_seconds: float = 300.0
    told_after_seconds: float = TOLD_AFTER_SECONDS
    throttled_attempts: int | None = None
    throttled_seconds: float | None = None

    def bounds(self, error: UnavailableError) -> tuple[int, float]:
        """Attempts and seconds for a request that failed so."""
        if not _is_asked_for(error):
            return self.attempts, self.total_seconds
        return self.throttled_attempts or self.attempts, self.throttled_seconds or self.total_seconds


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waiting needs of the world: `sleep` takes seconds, `uniform` gives [0, 1), `monotonic` gives seconds."""

    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic


DEFAULT_POLICY = RetryPolicy(throttled_attempts=100, throttled_seconds=900.0)
REAL_WAITING = Waiting()


class Patience:
    """The waiting between the attempts of one request."""

    def __init__(self, policy: RetryPolicy = DEFAULT_POLICY, waiting: Waiting = REAL_WAITING) -> None:
        self._policy = policy
        self._waiting = waiting
        self._is_told = False
        self._started_seconds = waiting.monotonic()
        # Of failures that ask for patience, and of others: how many, and since when.
        self._failures = {True: 0, False: 0}
        self._since_seconds: dict[bool, float] = {}

    def wait_or_raise(self, error: UnavailableError) -> None:
        """Sleep before the next attempt, or raise `error` when attempts or time are used up."""
        policy, waiting, kind = self._policy, self._waiting, _is_asked_for(error)
        self._failures[kind] += 1
        failures, now_seconds = self._failures[kind], waiting.monotonic()
        ceiling = min(policy.longest_delay_seconds, policy.first_delay_seconds * 2 ** (failures - 1))
        delay_seconds = waiting.uniform() * ceiling
        attempts, total_seconds = policy.bounds(error)
        first_seconds = now_seconds if self._since_seconds else self._started_seconds
        since_seconds = self._since_seconds.setdefault(kind, first_seconds)
        if failures >= attempts or now_seconds - since_seconds + delay_seconds > total_seconds:
            raise error
        elapsed_seconds = now_seconds - self._started_seconds
        if elapsed_seconds + delay_seconds > policy.told_after_seconds and not self._is_told:
            self._is_told = True
            _listener.get()(f"{error.what}, which is tried again: {error.why}")
        waiting.sleep(delay_seconds)


def _is_asked_for(error: UnavailableError) -> bool:
    return isinstance(error, ThrottledError) and error.in_words


def _nobody(text: str) -> None:
    """Nobody sits there."""


_listener: ContextVar[Callable[[str], None]] = ContextVar("who is told what is waited for", default=_nobody)


@contextmanager
def told_to(tell: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Within, `tell` is given a line about each request that has failed for a while and is tried again, at most one a
    minute. It is called by whichever thread waits.
    """
    token = _listener.set(SeldomTold(tell, monotonic))
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def in_turn(
    lock: "threading.Lock | threading.RLock", what: str, told_after_seconds: float = TOLD_AFTER_USUAL_SECONDS
) -> Iterator[None]:
    """Hold the lock. Who waits for it longer than so is told `what`: its holder may be the one whom nobody answers."""
    if not lock.acquire(timeout=told_after_seconds):
        _listener.get()(what)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class SeldomTold:
    """Passes one line a minute on, however many requests wait. Any thread may call it."""

    def __init__(self, tell: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next_seconds = -math.inf

    def __call__(self, text: str) -> None:
        """Tell it, or leave it."""
        with self._lock:
            now_seconds = self._monotonic()
            if now_seconds < self._next_seconds:
                return
            self._next_seconds = now_seconds + SECONDS_BETWEEN_LINES
        self._tell(text)
