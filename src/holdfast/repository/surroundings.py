"""What the repository takes from the world and never fetches itself: time, randomness, threads to work on, a name.

One seed behind `random_bytes` and one clock behind `now` replay everything that a repository does.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.time import format_time
from holdfast.repository.scratch import MemoryScratch, Scratch

# What two clocks may differ by before a person is told: a store's Date is to the second, and on its way for some.
CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`now` gives an aware time; `random_bytes(n)` n bytes fit for keys; `compute` runs work that keeps a core busy,
    `transfer` work that waits for the store. The two may be one executor only if it never blocks (a test's inline
    one). `pause` waits so many seconds; `party` is what people may call this program: a machine and a process;
    `scratch` makes room for what is too large for memory.
    """

    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    compute: Executor
    transfer: Executor
    pause: Callable[[float], None]
    party: str
    compute_width: int = 2
    transfer_width: int = 4
    scratch: Callable[[], Scratch] = MemoryScratch

    def timestamp(self) -> str:
        """Now, as the format writes times."""
        return format_time(self.now())

    def is_yet_to_come(self, moment: datetime) -> bool:
        """Whether what happened at `moment` was dated by a clock that was wrong, or this one is."""
        return moment > self.now() + CLOCK_TOLERANCE
