"""`python -m holdfast.lab`: the lab without the command line around it; the endpoint is the one line it prints."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from holdfast.domain.errors import HoldfastError
from holdfast.lab.listening import DEFAULT_LISTEN
from holdfast.lab.process import end_with_input
from holdfast.lab.server import serve


def main() -> int:
    """Run a lab until a signal, or until standard input closes with --end-with-input."""
    parser = argparse.ArgumentParser(prog="python -m holdfast.lab")
    parser.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT")
    parser.add_argument("--faults", default="", metavar="SPEC")
    parser.add_argument("--state", type=Path, metavar="DIR")
    parser.add_argument("--end-with-input", action="store_true")
    words = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: ended.set())
    if words.end_with_input:
        end_with_input(ended)

    def announce(endpoint: str) -> None:
        sys.stdout.write(f"{endpoint}\n")
        sys.stdout.flush()

    try:
        serve(words.listen, words.faults, words.state, announce, ended)
    except HoldfastError as error:
        sys.stderr.write(f"{error.what}\n{error.why}\n{error.cure}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
