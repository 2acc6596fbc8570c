"""Room for what is too large for memory: bytes are put at its end and read again, and gone with the process."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from holdfast.repository.object_store import Buffer

# Where large files belong that outlive nothing; /tmp may be memory (Filesystem Hierarchy Standard 3.0, 5.15).
_LARGE_FILES = Path("/var/tmp")  # noqa: S108 - the file has no name there
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Scratch(Protocol):
    """One thread appends, any thread reads."""

    def append(self, data: Buffer) -> int:
        """Put bytes at the end; the offset at which they begin."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that were put, by however many calls."""


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
    """A file without a name, in TMPDIR, else in /var/tmp: nobody else opens it, and no crash leaves it behind. What
    does not fit that disk stays in memory, and all of it where no folder for temporary files can be written.
    """

    def __init__(self) -> None:
        self._file = _nameless_file()
        self._end = 0
        self._rest = MemoryScratch()
        self._is_full = False

    def append(self, data: Buffer) -> int:
        """Raises OSError where the disk fails, not where it is full."""
        view = memoryview(data).cast("B")
        if self._file is None or self._is_full or not _wrote(self._file, self._end, view):
            self._is_full = True
            return self._end + self._rest.append(view)
        self._end += len(view)
        return self._end - len(view)

    def read(self, offset: int, length: int) -> bytes:
        """As they were put. Raises OSError where the disk fails."""
        if self._file is None or offset >= self._end:
            return self._rest.read(offset - self._end, length)
        in_file = min(length, self._end - offset)
        return _read(self._file, offset, in_file) + self._rest.read(0, length - in_file)


def _wrote(file: IO[bytes], offset: int, view: memoryview) -> bool:
    """All of it; False where there is no room."""
    done = 0
    try:
        while done < len(view):
            done += os.pwrite(file.fileno(), view[done:], offset + done)
    except OSError as error:
        if error.errno in _FULL:
            return False
        raise
    return True


def _read(file: IO[bytes], offset: int, length: int) -> bytes:
    found = b""
    while len(found) < length:  # seldom twice, so that nothing large is copied
        piece = os.pread(file.fileno(), length - len(found), offset + len(found))
        if not piece:
            raise OSError(errno.EIO, "a temporary file is shorter than what was put there")
        found += piece
    return found


def _nameless_file() -> IO[bytes] | None:
    """In the first folder that takes it."""
    for folder in (None, _LARGE_FILES) if os.environ.get("TMPDIR") else (_LARGE_FILES, None):
        with suppress(OSError):
            return tempfile.TemporaryFile(dir=folder, buffering=0)
    return None
