"""Room for what is too large for memory: bytes are put at its end and read again, and gone with the process."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Protocol

from holdfast.repository.object_store import Buffer

# Where large files belong that outlive nothing; /tmp may be memory (Filesystem Hierarchy Standard 3.0, 5.15).
_LARGE_FILES = Path("/var/tmp")  # noqa: S108 - the file has no name there
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Scratch(Protocol):
    """One thread appends, any thread reads."""

    def append(self, data: Buffer) -> int:
        """Put bytes at the end; the offset at which they begin."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that were put with one call, or a part of them."""


class MemoryScratch:
    """In memory after all."""

    def __init__(self) -> None:
        self._data = bytearray()

    def append(self, data: Buffer) -> int:
        """Always succeeds while there is memory."""
        first = len(self._data)
        self._data += data
        return first

    def read(self, offset: int, length: int) -> bytes:
        """As they were put."""
        return bytes(self._data[offset : offset + length])


class ScratchFile:
    """A file without a name, in TMPDIR or else in /var/tmp: nobody else opens it, and no crash leaves it behind. What
    does not fit that disk stays in memory.
    """

    def __init__(self) -> None:
        folder = None if os.environ.get("TMPDIR") or not _LARGE_FILES.is_dir() else _LARGE_FILES
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - open as long as the object lives
        self._end = 0
        self._rest: MemoryScratch | None = None

    def append(self, data: Buffer) -> int:
        """Raises OSError where the disk fails, not where it is full."""
        view = memoryview(data).cast("B")
        if self._rest is None and self._wrote(view):
            self._end += len(view)
            return self._end - len(view)
        self._rest = self._rest or MemoryScratch()
        return self._end + self._rest.append(view)

    def read(self, offset: int, length: int) -> bytes:
        """As they were put. Raises OSError where the disk fails."""
        if self._rest is not None and offset >= self._end:
            return self._rest.read(offset - self._end, length)
        return os.pread(self._file.fileno(), length, offset)

    def _wrote(self, view: memoryview) -> bool:
        done = 0
        try:
            while done < len(view):
                done += os.pwrite(self._file.fileno(), view[done:], self._end + done)
        except OSError as error:
            if error.errno in _FULL:
                return False
            raise
        return True
