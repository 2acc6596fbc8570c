"""`holdfast lab run`: the lab of `holdfast.lab` as a command of its own."""

from collections.abc import Callable
from pathlib import Path

from holdfast.lab.server import serve
from holdfast.wiring.ending import ended_by_signals


def run(listen: str, faults: str, state: Path | None, announce: Callable[[str], None]) -> None:
    """Run a lab on `listen` (HOST:PORT, port 0 takes a free one) until a signal ends it.

    `announce` is handed the endpoint once requests are answered. Raises MissingExtraError without the extra `lab`,
    UsageError for words that cannot be meant, ConflictError where the address is in use.
    """
    with ended_by_signals() as ended:
        serve(listen, faults, state, announce, ended)
