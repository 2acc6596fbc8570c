"""Real processes of the command line that start in milliseconds: forked from one that has imported it and does nothing.

Each is a process of its own with its own files and sockets, and dies by kill -9 as any other; only the half second of
imports is done once. `python -m tests.faults.warm_processes` is the one they are forked from: it reads a request a line
on standard input and answers with a number.
"""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

_NOWHERE = "/nowhere/at/all"
_WARMING = (
    ("image", "backup", _NOWHERE, "--workload", "x", "--repository", _NOWHERE, "--no-progress"),
    ("repository", "collect-garbage", _NOWHERE),
    ("repository", "copy", _NOWHERE, _NOWHERE),
)


class WarmProcess:
    """What tests use of a `subprocess.Popen`. Its standard error is a file, which goes when it has been read."""

    def __init__(self, ask: Callable[..., int], pid: int, errors: Path) -> None:
        self.pid = pid
        self._status: int | None = None
        self._ask, self._errors = ask, errors

    @property
    def returncode(self) -> int:
        """The exit code of one that was waited for; of a killed one the signal, negative."""
        if self._status is None:
            raise ValueError("nobody has waited for it")
        return os.waitstatus_to_exitcode(self._status)

    def poll(self) -> int | None:
        """The exit code when it has ended."""
        if self._status is None:
            status = self._ask("poll", self.pid)
            if status < 0:
                return None
            self._status = status
        return self.returncode

    def kill(self) -> None:
        """kill -9. Nobody else gets its number before it has been waited for."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self) -> tuple[None, bytes]:
        """Wait for its end; what it has said on standard error."""
        if self._status is None:
            self._status = self._ask("wait", self.pid)
        said = self._errors.read_bytes()
        self._errors.unlink()
        return None, said


class Stable:
    """Starts them; ends with the process that made it."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where standard errors are written."""
        command = [sys.executable, "-m", "tests.faults.warm_processes"]
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._folder, self._count, self._turn = folder, 0, threading.Lock()

    def start(self, *words: str) -> WarmProcess:
        """A process that runs `holdfast` with these words."""
        self._count += 1
        errors = self._folder / f"errors-{self._count}"
        return WarmProcess(self._ask, self._ask("start", list(words), str(errors)), errors)

    def close(self) -> None:
        """End the one they are forked from."""
        self._parent.communicate()

    def _ask(self, *request: object) -> int:
        source, sink = self._parent.stdout, self._parent.stdin
        assert source is not None
        assert sink is not None
        with self._turn:
            sink.write(json.dumps(request).encode() + b"\n")
            sink.flush()
            return int(source.readline())


def _serve() -> None:
    from holdfast.cli.main import main, run

    with redirect_stderr(io.StringIO()):  # that there is nothing; what a command imports is there from then on
        for words in _WARMING:
            run(words)
    for line in sys.stdin:
        order, *rest = json.loads(line)
        if order == "start":
            answer = os.fork()
            if not answer:
                _become(*rest)
                main()
        else:
            pid, status = os.waitpid(rest[0], os.WNOHANG if order == "poll" else 0)
            answer = status if pid else -1
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _become(words: list[str], errors: str) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 2)
    sys.argv = ["holdfast", *words]


if __name__ == "__main__":
    _serve()
