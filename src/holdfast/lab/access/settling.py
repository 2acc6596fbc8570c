"""IAM is eventually consistent: what was changed a moment ago is not yet what requests are judged by."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _History:
    """What was, and since when; the first entry is the one in force, or was there before anything is known."""

    entries: list[tuple[float, object]] = field(default_factory=list)


class Settling:
    """Remembers when a thing of IAM changed; each change is effective `delay_seconds` later. Safe for threads."""

    def __init__(self, now: Callable[[], float], delay_seconds: float) -> None:
        self._now = now
        self.delay_seconds = delay_seconds
        self._histories: dict[Hashable, _History] = {}
        self._lock = threading.Lock()

    def note(self, thing: Hashable, state: object) -> None:
        """Take in that the thing is in this state now; None: it is not there."""
        with self._lock:
            self._note(thing, state, self._now())

    def effective(self, thing: Hashable, state: object) -> object:
        """The state by which requests are judged now, where the thing is in `state`; None: it is not there yet."""
        now = self._now()
        with self._lock:
            entries = self._note(thing, state, now)
            while len(entries) > 1 and entries[1][0] + self.delay_seconds <= now:
                entries.pop(0)
            since, found = entries[0]
            return found if since + self.delay_seconds <= now else None

    def _note(self, thing: Hashable, state: object, now: float) -> list[tuple[float, object]]:
        entries = self._histories.setdefault(thing, _History()).entries
        if not entries or entries[-1][1] != state:
            entries.append((now, state))
        return entries
