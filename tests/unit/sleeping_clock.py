"""A clock that only sleeping moves."""


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
