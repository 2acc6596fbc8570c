"""A clock that only sleeping moves."""

from holdfast.patience import Waiting


class SleepingClock:
    """In seconds, from 0."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds

    def now(self) -> float:
        """What has passed."""
        return self.seconds

    def waiting(self) -> Waiting:
        """By this clock, without chance."""
        return Waiting(self.sleep, lambda: 1.0, self.now)
