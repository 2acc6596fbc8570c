"""A lab as a process of its own, for the demo and the tests: started, ready, and gone with whoever started it."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from holdfast.domain.errors import UnavailableError
from holdfast.lab.faults import parse_faults
from holdfast.lab.listening import DEFAULT_LISTEN, parse_listen
from holdfast.lab.server import check_extra

STOP_SECONDS = 60


class LabProcess:
    """A running lab. Its standard input is a pipe from here: when this process ends, in any way, so does the lab."""

    def __init__(self, process: "subprocess.Popen[str]", endpoint: str) -> None:
        self._process = process
        self.endpoint = endpoint

    @property
    def pid(self) -> int:
        """The lab's process id."""
        return self._process.pid

    def stop(self) -> None:
        """End the lab and wait for it; safe to call twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> "LabProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_lab(
    state: Path | None = None, faults: str = "", listen: str = DEFAULT_LISTEN, *, attached: bool = True
) -> LabProcess:
    """Start a lab and wait until it answers.

    MissingExtraError without the extra `lab`, UsageError for words that cannot be meant, UnavailableError where it does
    not start for another reason, which it writes to standard error.

    Not `attached`, it outlives whoever started it, in a process group of its own, until a signal ends it.
    """
    command = [sys.executable, "-m", "holdfast.lab", *lab_words(state, faults, listen, attached=attached)]
    source = subprocess.PIPE if attached else subprocess.DEVNULL
    return answering(
        subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, text=True, start_new_session=not attached)
    )


def lab_words(state: Path | None, faults: str, listen: str, *, attached: bool) -> list[str]:
    """What the process of such a lab is told. Raises MissingExtraError, UsageError."""
    check_extra()
    parse_listen(listen)
    parse_faults(faults)
    words = ["--listen", listen, "--faults", faults]
    if attached:
        words += ["--end-with-input"]
    if state is not None:
        words += ["--state", str(state)]
    return words


def answering(process: "subprocess.Popen[str]") -> LabProcess:
    """The lab in a process that was started a moment ago, once it answers. Raises UnavailableError."""
    lab = LabProcess(process, process.stdout.readline().strip() if process.stdout else "")
    if not lab.endpoint:
        status = process.wait()
        lab.stop()
        raise UnavailableError(
            "the lab did not start", why=f"its process ended with status {status}", cure="read what it wrote"
        )
    return lab


def end_with_input(ended: threading.Event) -> None:
    """Set the event when standard input is closed: whoever started this process wants it to end, or is gone."""

    descriptor = sys.stdin.fileno()

    def wait() -> None:
        # Not by sys.stdin: its lock, held here for ever, is fatal to an interpreter that ends for another reason.
        while os.read(descriptor, 4096):
            pass
        ended.set()

    threading.Thread(target=wait, name="input", daemon=True).start()
