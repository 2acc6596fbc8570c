"""How a process that runs until somebody ends it is ended: Ctrl-C, a termination signal, a closed terminal."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """An event that the first such signal sets. A second one ends the process as it did before."""
    ended = threading.Event()
    with ExitStack() as stack:

        def on_signal(number: int, frame: FrameType | None) -> None:
            ended.set()
            stack.close()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever started us with the signal ignored (nohup) wants it ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                stack.callback(signal.signal, number, signal.signal(number, on_signal))
        yield ended
