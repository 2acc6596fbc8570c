"""Time, randomness and threads that give the same run for the same seed: all that a repository takes from the world."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar, cast

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


class _Done(Future[Result]):
    """What has happened already. Nobody can have to wait for it, so it has none of the locks that waiting needs: those
    took a tenth of the time of tests that make hundreds of thousands of requests.
    """

    def __init__(self) -> None:
        self.value: Result | None = None
        self.error: BaseException | None = None

    def result(self, timeout: float | None = None) -> Result:  # Future's name
        """The value, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast(Result, self.value)

    def exception(self, timeout: float | None = None) -> BaseException | None:  # Future's name
        """The error."""
        return self.error

    def done(self) -> bool:
        """Always."""
        return True

    def cancel(self) -> bool:
        """Never."""
        return False


class InlineExecutor(Executor):
    """Does everything at once, in the thread that asks: requests come in the same order in every run."""

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """A future that is done already."""
        done = _Done[Result]()
        try:
            done.value = fn(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - carried to who asks for the result, as by a pool of threads
            done.error = error
        return done


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
