"""Real processes that start in milliseconds: forked from one that has imported what they need and does nothing.

Each is a process of its own with its own files, sockets and environment, and dies by kill -9 as any other; only the
imports are done once: half a second for the command line, two seconds for a lab. `python -m tests.warm_processes` is
the one they are forked from: it answers each request on a socket with a number.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import IO

COMMANDS, LABS = "commands", "labs"
_MESSAGE_BYTES = 1024 * 1024
_POLL_SECONDS = 0.01
_NOWHERE = "/nowhere/at/all"
_WARMING = (
    ("image", "backup", _NOWHERE, "--workload", "x", "--repository", _NOWHERE, "--no-progress"),
    ("repository", "collect-garbage", _NOWHERE),
    ("repository", "copy", _NOWHERE, _NOWHERE),
)


class WarmProcess:
    """What tests use of a `subprocess.Popen`. `errors` is a file with its standard error; it goes when it was read."""

    def __init__(self, ask: Callable[..., int], pid: int, errors: Path | None = None) -> None:
        self.pid = pid
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
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

    def wait(self, seconds: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        deadline_seconds = None if seconds is None else time.monotonic() + seconds
        while (status := self.poll()) is None:
            if deadline_seconds is not None and time.monotonic() > deadline_seconds:
                raise subprocess.TimeoutExpired(str(self.pid), seconds or 0)
            time.sleep(_POLL_SECONDS)
        return status

    def kill(self) -> None:
        """kill -9. Nobody else gets its number before it has been waited for."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def communicate(self) -> tuple[None, bytes]:
        """Wait for its end; what it has said on standard error."""
        if self._status is None:
            self._status = self._ask("wait", self.pid)
        if self._errors is None:
            return None, b""
        said = self._errors.read_bytes()
        self._errors.unlink()
        return None, said

    def _signal(self, number: int) -> None:
        if self._status is None:
            os.kill(self.pid, number)


class Stable:
    """Starts them, `COMMANDS` or `LABS`; the one that they are forked from ends with the process that made it."""

    def __init__(self, kind: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.warm_processes", kind, str(theirs.fileno())]
        with theirs:
            self._parent = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._turn = threading.Lock()

    def start(self, words: Sequence[str], files: tuple[int, int, int], errors: Path | None = None) -> WarmProcess:
        """A process with these words, in this process's folder and environment. `files` are its standard ones."""
        pid = self._ask("start", list(words), os.getcwd(), dict(os.environ), files=files)
        return WarmProcess(self._ask, pid, errors)

    def close(self) -> None:
        """End the one they are forked from."""
        self._socket.close()
        self._parent.wait()

    def _ask(self, *request: object, files: Sequence[int] = ()) -> int:
        with self._turn:
            socket.send_fds(self._socket, [json.dumps(request).encode()], list(files))
            return int(self._socket.recv(_MESSAGE_BYTES))


def _serve(kind: str, asking: socket.socket) -> None:
    become = {COMMANDS: _command, LABS: _lab}[kind]()
    while True:
        message, files, _, _ = socket.recv_fds(asking, _MESSAGE_BYTES, 3)
        if not message:
            return
        order, *rest = json.loads(message)
        if order == "start":
            answer = os.fork()
            if not answer:
                asking.close()
                _take_over(files, *rest)
                become()
            for number in files:
                os.close(number)
        else:
            pid, status = os.waitpid(rest[0], os.WNOHANG if order == "poll" else 0)
            answer = status if pid else -1
        asking.send(str(answer).encode())


def _take_over(files: Sequence[int], words: list[str], folder: str, environment: dict[str, str]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["holdfast", *words]


def _command() -> Callable[[], None]:
    """What a command imports is there after it was run once, for nothing."""
    from holdfast.cli.main import main, run

    with redirect_stderr(io.StringIO()):
        for words in _WARMING:
            run(words)
    return main


def _lab() -> Callable[[], None]:
    """What a lab imports: `LabServer` does so when it is made."""
    import werkzeug.serving  # noqa: F401
    from moto.moto_api._internal import mock_random

    from holdfast.lab.__main__ import main

    def become() -> None:
        mock_random.seed()  # no two labs give the same ids
        sys.exit(main())

    return become


if __name__ == "__main__":
    _serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
