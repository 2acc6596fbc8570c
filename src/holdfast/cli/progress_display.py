"""How far a long command is: a bar on a terminal, a plain line every few seconds elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.cli.printable import printable
from holdfast.cli.quantities import human_duration, human_size

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from holdfast.repository.progress import Progress

SECONDS_BETWEEN_LINES = 5.0

Say = Callable[[str], None]


@contextmanager
def progress_display(doing: str, say: Say, *, quiet: bool) -> "Iterator[Progress]":
    """A listener for one long operation, gone at the end. `say` prints a line; `quiet` shows notes alone."""
    if quiet:
        yield NotesOnly(say)
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar() as bar:
            yield BarDisplay(bar, doing)
    else:
        yield LineDisplay(doing, say, time.monotonic)


class NotesOnly:
    """Says notes and nothing else."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def total(self, size_bytes: int | None) -> None:
        """Not shown."""

    def advance(self, size_bytes: int) -> None:
        """Not shown."""

    def skip(self, size_bytes: int) -> None:
        """Not shown."""

    def note(self, text: str) -> None:
        """One line."""
        self._say(f"note: {text}")


class LineDisplay:
    """For logs and pipes: at most one line every few seconds. `monotonic` gives seconds."""

    def __init__(self, doing: str, say: Say, monotonic: Callable[[], float]) -> None:
        self._doing = doing
        self._say = say
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._total_bytes: int | None = None
        self._done_bytes = self._skipped_bytes = 0
        self._began_seconds = self._last_seconds = monotonic()

    def total(self, size_bytes: int | None) -> None:
        """Amount and rate count from here."""
        with self._lock:
            self._total_bytes = size_bytes
            self._done_bytes = self._skipped_bytes = 0
            self._began_seconds = self._monotonic()

    def advance(self, size_bytes: int) -> None:
        """A line when the last one is old enough."""
        with self._lock:
            self._done_bytes += size_bytes
            now_seconds = self._monotonic()
            if now_seconds - self._last_seconds < SECONDS_BETWEEN_LINES:
                return
            self._last_seconds = now_seconds
            line = self._line(now_seconds - self._began_seconds)
        self._say(line)

    def skip(self, size_bytes: int) -> None:
        """Counts for the amount, and not for the rate; shown with the next line."""
        with self._lock:
            self._done_bytes += size_bytes
            self._skipped_bytes += size_bytes

    def note(self, text: str) -> None:
        """One line, at once."""
        self._say(f"note: {text}")

    def _line(self, elapsed_seconds: float) -> str:
        rate = (self._done_bytes - self._skipped_bytes) / elapsed_seconds if elapsed_seconds > 0 else 0.0
        parts = [human_size(self._done_bytes)]
        if self._total_bytes:
            percent = 100 * self._done_bytes // self._total_bytes
            parts = [f"{human_size(self._done_bytes)} of {human_size(self._total_bytes)} ({percent} %)"]
        parts.append(f"{human_size(rate)}/s")
        if self._total_bytes and rate:
            parts.append(f"{human_duration(max(self._total_bytes - self._done_bytes, 0) / rate)} left")
        return f"{self._doing}: {', '.join(parts)}"


class BarDisplay:
    """For a terminal: bar, share, rate and remaining time."""

    def __init__(self, bar: "RichProgress", doing: str) -> None:
        self._bar = bar
        self._task = bar.add_task(doing, total=None)

    def total(self, size_bytes: int | None) -> None:
        """The bar begins anew; a pulse where nobody knows its end."""
        self._bar.reset(self._task, total=size_bytes)

    def advance(self, size_bytes: int) -> None:
        """Moves the bar."""
        self._bar.advance(self._task, size_bytes)

    def skip(self, size_bytes: int) -> None:
        """So much less is to do: whatever moves the bar counts for its rate."""
        total = self._bar.tasks[self._task].total
        if total is not None:
            self._bar.update(self._task, total=max(total - size_bytes, 0))

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._bar.console.print(f"note: {printable(text)}", markup=False, highlight=False)


def _bar() -> "RichProgress":
    """Imported here: rich costs as much as everything else of a start together."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
