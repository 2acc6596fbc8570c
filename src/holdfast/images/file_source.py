"""A file or block device as a volume to back up; holes of sparse files are not read."""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from holdfast.domain.errors import SourceGoneError, UsageError
from holdfast.images.file_errors import translated
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference
from holdfast.repository.object_store import Buffer

# The coarsest time that a file system keeps: FAT's, of 2 s.
UNSETTLED_SECONDS = 2.0
# A file of this size is worth waiting for: what is read of one without an identity is read again after a kill.
WORTH_WAITING_BYTES = 256 << 20


class FileSource:
    """Implements BlockSource over a regular file or a block device, which should not change while it is read. A large
    file that was changed a moment ago is waited for, two seconds at most, so that it is known again.
    """

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.time, pause: Callable[[float], None] = time.sleep
    ) -> None:
        with translated(path):
            # Not waiting: a named pipe would hold us until somebody writes to it, and is no volume anyway.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._path = path
        status = os.fstat(self._descriptor)
        mode = status.st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
            self.close()
            raise UsageError(
                f"{path} is no volume",
                why="it is neither a file nor a block device",
                cure="for a pipe, use - as the source",
            )
        self._sparse = stat.S_ISREG(mode)
        self._size_bytes = os.lseek(self._descriptor, 0, os.SEEK_END)
        unsettled_seconds = _unsettled_seconds(status, clock)
        if self._size_bytes >= WORTH_WAITING_BYTES and 0 <= unsettled_seconds <= UNSETTLED_SECONDS:
            pause(unsettled_seconds + 0.01)
            status = os.fstat(self._descriptor)
        settled = self._sparse and _unsettled_seconds(status, clock) < 0
        self._identity = _identity(status) if settled else None

    @property
    def size_bytes(self) -> int:
        """The file's size when it was opened."""
        return self._size_bytes

    @property
    def facts(self) -> Mapping[str, str]:
        """Kind and name."""
        return {
            "kind": "file" if self._sparse else "device",
            "name": os.fsencode(self._path.name).decode(errors="replace"),
        }

    @property
    def identity(self) -> Mapping[str, str] | None:
        """The file and when it was last changed, by both its times: whoever keeps the one (`cp -p`, `rsync -t`) cannot
        set the other. None for a device, which changes without a trace, and for a file that
        was changed so lately that another change may bear the same time.
        """
        return self._identity

    def allocated(self) -> Iterator[BlockReference]:
        """Blocks that hold data by SEEK_DATA and SEEK_HOLE; every block of a device or where the file system cannot
        tell.
        """
        position, upcoming = 0, 0
        while position < self._size_bytes:
            start, end = self._next_data(position)
            first = max(start // BLOCK_SIZE_BYTES, upcoming)
            upcoming = max(-(-end // BLOCK_SIZE_BYTES), upcoming)
            for number in range(first, upcoming):
                yield BlockReference(number)
            position = max(end, position + 1)
        self._require_whole()

    def _next_data(self, position: int) -> tuple[int, int]:
        """The next stretch [start, end) of data at or after `position`; both the file's end where there is none."""
        if not self._sparse:
            return position, self._size_bytes
        with translated(self._path):
            try:
                start = os.lseek(self._descriptor, position, os.SEEK_DATA)
                end = os.lseek(self._descriptor, start, os.SEEK_HOLE)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return self._size_bytes, self._size_bytes
                if error.errno == errno.EINVAL:
                    return position, self._size_bytes
                raise
        return min(start, self._size_bytes), min(end, self._size_bytes)

    def _require_whole(self) -> None:
        """Where a file was cut off nothing is found, as in a hole; that must not pass for zeros."""
        with translated(self._path):
            now_bytes = os.lseek(self._descriptor, 0, os.SEEK_END)
        if now_bytes < self._size_bytes:
            raise self._became_shorter(now_bytes)

    def _became_shorter(self, end: int) -> SourceGoneError:
        return SourceGoneError(
            f"{self._path} became shorter while it was read",
            why=f"it had {self._size_bytes} bytes and now ends at {end}",
            cure="back up a snapshot, or a file that nobody writes to",
        )

    def changed_since(self, base: Mapping[str, str]) -> None:
        """A file does not know what changed."""
        return

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, Buffer]]:
        """One block after the other; the operating system reads ahead."""
        for block in blocks:
            if block.zero:
                yield block, b""
                continue
            offset = block.number * BLOCK_SIZE_BYTES
            length = min(BLOCK_SIZE_BYTES, self._size_bytes - offset)
            yield block, self._read_whole(offset, length)

    def _read_whole(self, offset: int, length: int) -> Buffer:
        with translated(self._path):
            data = os.pread(self._descriptor, length, offset)
            while len(data) < length:
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    raise self._became_shorter(offset + len(data))
                data += more
        return data

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _unsettled_seconds(status: os.stat_result, clock: Callable[[], float]) -> float:
    """For so long a change may still bear the same time as the last one."""
    return max(status.st_mtime, status.st_ctime) + UNSETTLED_SECONDS - clock()


def _identity(status: os.stat_result) -> Mapping[str, str]:
    return {
        "kind": "file",
        "device": str(status.st_dev),
        "inode": str(status.st_ino),
        "size": str(status.st_size),
        "mtime_ns": str(status.st_mtime_ns),
        "ctime_ns": str(status.st_ctime_ns),
    }
