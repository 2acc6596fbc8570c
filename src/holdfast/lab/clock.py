"""The lab's own time: the machine's, plus what somebody let pass on purpose."""

import threading
import time


class LabClock:
    """Seconds since the epoch; `advance` lets time pass without waiting, for tokens that expire and states that end."""

    def __init__(self) -> None:
        self._offset_seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since the epoch, in the lab."""
        return time.time() + self._offset_seconds

    def advance(self, seconds: float) -> float:
        """Let `seconds` (not negative) pass at once and return the new time."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        with self._lock:
            self._offset_seconds += seconds
        return self.now()
