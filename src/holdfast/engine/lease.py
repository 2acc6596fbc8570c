"""One executor for one home: who holds the lock file may run its workflows, the other is refused."""

import fcntl
import os
from pathlib import Path

from holdfast.domain.errors import ConflictError


class Lease:
    """A lock on a file, held until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        """Raises ConflictError when another process holds it."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise ConflictError(
                f"another process works in {path.parent}",
                why="it holds the lock there, and two would do the same work twice",
                cure="end the other one, or give this one a home of its own",
            ) from error

    def release(self) -> None:
        """Let another process in."""
        os.close(self._file)
