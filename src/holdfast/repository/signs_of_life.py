"""Long work says once an hour that it is alive, so that no collection takes it for dead (rules 4 and 7)."""

import threading
from collections.abc import Callable
from datetime import datetime

from holdfast.domain.errors import HoldfastError, ObjectExistsError
from holdfast.repository.format.alive import Alive
from holdfast.repository.progress import Progress

HOUR_SECONDS = 3600


def hour_of(moment: datetime) -> int:
    """Hours since 1970 in UTC."""
    return int(moment.timestamp()) // HOUR_SECONDS


class LivingProgress:
    """Progress as the listener is told it; where an hour has gone by since the last one, a sign of life goes with it.

    `give` leaves the sign in the session's scratch. One that cannot be left is noted; the next hour has another.
    """

    def __init__(
        self, listener: Progress, session: bytes, give: Callable[[Alive], None], now: Callable[[], datetime]
    ) -> None:
        self._listener = listener
        self._session = session
        self._give = give
        self._now = now
        self._hour = hour_of(now())
        self._lock = threading.Lock()

    def total(self, size_bytes: int | None) -> None:
        """Passed on."""
        self._listener.total(size_bytes)

    def advance(self, size_bytes: int) -> None:
        """Passed on, with a sign of life where one is due."""
        self._listener.advance(size_bytes)
        hour = hour_of(self._now())
        with self._lock:
            due = hour > self._hour
            self._hour = max(hour, self._hour)
        if due:
            self._say_so(hour)

    def note(self, text: str) -> None:
        """Passed on."""
        self._listener.note(text)

    def _say_so(self, hour: int) -> None:
        try:
            self._give(Alive(self._session, hour))
        except ObjectExistsError:
            pass  # another attempt of this session gave it
        except HoldfastError as error:
            self._listener.note(f"no sign of life could be left: {error}")
