"""Which sessions of this machine have lost their process: a locked file a session, under HOLDFAST_HOME.

The kernel lets go of a lock when its process ends, whatever ended it (flock(2)). So a file that stands unlocked is of a
session whose process is gone.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.wiring.private_files import FILE_MODE, FOLDER_MODE

# By then a collection has ended the session, and nobody asks.
_KEPT_SECONDS = 7 * 24 * 3600.0


class ProcessVigil:
    """Implements Vigil. Where no file can be kept nothing is known, and nobody is disturbed."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = home / "running"
        self._clock = clock

    @contextmanager
    def kept(self, session: bytes) -> Iterator[None]:
        """The file stays, unlocked, where the work was broken off."""
        path = self._folder / session.hex()
        try:
            descriptor = self._locked(path)
        except OSError:
            yield
            return
        try:
            yield
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def is_over(self, session: bytes) -> bool:
        """Its file stands and nobody holds it; it has served then."""
        path = self._folder / session.hex()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        path.unlink(missing_ok=True)
        return True

    def _locked(self, path: Path) -> int:
        """The file, locked before it bears the session's name: nobody sees it unlocked."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        for old in self._folder.iterdir():
            if old.stat().st_mtime + _KEPT_SECONDS < self._clock():
                old.unlink(missing_ok=True)
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        new.rename(path)
        return descriptor
