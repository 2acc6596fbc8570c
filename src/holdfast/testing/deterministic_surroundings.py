"""Time, randomness and threads that give the same run for the same seed: all that a repository takes from the world."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

from holdfast.repository.surroundings import Surroundings

FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

Given = ParamSpec("Given")
Result = TypeVar("Result")


class SteppableClock:
    """A clock that stands still but for one microsecond a reading, so that no two moments are equal, until stepped."""

    def __init__(self, start: datetime = FIRST_MOMENT) -> None:
        self._now = start
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Now."""
        with self._lock:
            self._now += timedelta(microseconds=1)
            return self._now

    def step(self, seconds: float) -> None:
        """Let so much time pass."""
        with self._lock:
            self._now += timedelta(seconds=seconds)


class SeededBytes:
    """Random bytes of one seed; any thread may ask."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, count: int) -> bytes:
        """The next `count` bytes."""
        with self._lock:
            return self._dice.randbytes(count)


class InlineExecutor(Executor):
    """Does everything at once, in the thread that asks: requests come in the same order in every run."""

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """A future that is done already."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - carried to who asks for the result, as by a pool of threads
            future.set_exception(error)
        return future


def deterministic_surroundings(seed: int = 0, clock: Callable[[], datetime] | None = None) -> Surroundings:
    """Surroundings of one seed. A `clock` lets several parties share the time; else each seed has its day."""
    inline = InlineExecutor()
    return Surroundings(
        now=clock or SteppableClock(FIRST_MOMENT + timedelta(days=seed % (1 << 16))),
        random_bytes=SeededBytes(seed),
        compute=inline,
        transfer=inline,
        pause=lambda seconds: None,
        party=f"party {seed}",
        compute_width=1,
        transfer_width=1,
    )
