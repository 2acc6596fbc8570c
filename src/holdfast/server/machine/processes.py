"""Processes of this machine that end with this one, however it ends: they hold the other end of a pipe."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from holdfast.domain.errors import UnavailableError

STOP_SECONDS = 5.0
MAX_LOG_BYTES = 4 * 1024 * 1024


class AttachedProcess:
    """Implements Running."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def ended(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Close its input, then TERM, then KILL."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        for insist in (None, self._process.terminate, self._process.kill):
            if insist is not None:
                insist()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return


class AttachedProcesses:
    """Implements Processes. What they write goes to `folder`/NAME.log, which begins anew when it has grown long. They
    find code in `paths`, asked when one starts, before they look where this Python has its own.
    """

    def __init__(self, folder: Path, paths: Callable[[], Iterable[Path]] = tuple) -> None:
        self._folder = folder
        self._paths = paths

    def start(self, name: str, arguments: Sequence[str]) -> AttachedProcess:
        """Run this Python with `arguments`. Raises UnavailableError."""
        path = self._folder / f"{name}.log"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
                flags |= os.O_TRUNC
            log = os.open(path, flags, 0o600)
            try:
                process = subprocess.Popen(
                    [sys.executable, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except OSError as error:
            raise UnavailableError(
                f"process {name} cannot be started", why=str(error), cure="see that this machine has room for it"
            ) from error
        return AttachedProcess(process)

    def _environment(self) -> dict[str, str]:
        words = [*map(str, self._paths()), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(words)} if words else dict(os.environ)
