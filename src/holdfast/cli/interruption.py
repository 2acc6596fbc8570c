"""Ctrl-C, a termination signal, a closed terminal: a command lets go of what it holds, and ends within its time."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from types import FrameType
from typing import NoReturn

from holdfast.cli.printable import printable
from holdfast.domain.errors import InterruptedByUserError

# What an interrupted command may take to let go of what it holds; then it is ended as it stands, which is as safe.
UNWINDING_SECONDS = ContextVar("UNWINDING_SECONDS", default=5.0)
# What it says last. A server goes on with what it was asked to begin: then the same command is not to be run again.
LAST_WORDS = ContextVar("LAST_WORDS", default="nothing is half done that counts; the same command may be run again")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def take_signals() -> None:
    """One of the signals stops the command; a second one, or a timer, ends it at once."""
    for number in _SIGNALS:
        # Whoever started us with the signal ignored (nohup) wants it ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


@contextmanager
def unwinding_within(seconds: float) -> Iterator[None]:
    """What stands in it may take that long to end: it has started what nobody else would remove."""
    before = UNWINDING_SECONDS.set(seconds)
    try:
        yield
    finally:
        UNWINDING_SECONDS.reset(before)


def end_interrupted() -> NoReturn:
    """One line, past all buffers and locks that a signal may have come upon, and the end."""
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, b"\x1b[?25h")  # a bar had hidden the cursor
        os.write(2, f"interrupted: {printable(LAST_WORDS.get())}\n".encode())
    os._exit(InterruptedByUserError.exit_status)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for taken in _SIGNALS:
        signal.signal(taken, lambda number, frame: end_interrupted())
    timer = threading.Timer(UNWINDING_SECONDS.get(), copy_context().run, (end_interrupted,))
    timer.daemon = True
    timer.start()
    raise KeyboardInterrupt
