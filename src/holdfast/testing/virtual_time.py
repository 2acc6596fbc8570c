"""An event loop whose clock jumps: when nothing can run, it is at once the moment of the next timer.

A day of waiting takes milliseconds, and one run is like the other. Nothing in it may wait for a thread or a socket.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
BEGINNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class _JumpingSelector(selectors.SelectSelector):
    """Waits for nothing, and tells the loop how long it would have waited."""

    jumped_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:  # the selector's own name
        if timeout is None:
            raise RuntimeError("everything waits for ever: no timer is set and nothing can run")
        self.jumped_seconds += max(timeout, 0.0)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its `time` begins at 0 and only timers move it."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._jumping.jumped_seconds

    def now(self) -> datetime:
        """The same as a moment of the calendar."""
        return BEGINNING + timedelta(seconds=self.time())


def run_virtually(work: Coroutine[Any, Any, T], loop: VirtualTimeLoop) -> T:
    """Run it to its end on that loop; the loop can be used again after."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        asyncio.set_event_loop(None)
