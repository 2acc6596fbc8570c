"""A file or block device as the place of a restore.

A file is written beside its name and takes it only when it is whole and durable, so what bears the name is never half
a volume. One restore at a time writes there: a lock on the unfinished file says so, which ends with its process. A
device is opened for its writer alone, which the kernel refuses while it is mounted or another one has it so (open(2)).
"""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path

from holdfast.domain.errors import ConflictError, UsageError
from holdfast.images.file_errors import translated
from holdfast.repository.object_store import Buffer

_ZEROS = bytes(1024 * 1024)
# What is written is sent to the disk from time to time, while the next is opened: a flush of all of it at the end would
# take as long again as the rest, with the processors idle.
_FLUSHED_BYTES = 32 * 1024 * 1024
_ONLY_THE_OWNER = stat.S_IRUSR | stat.S_IWUSR
# FAT, exFAT and some network file systems have no hard links, and some have no locks.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


class FileTarget:
    """Implements BlockTarget over a new file, or with `force` over an existing one or a block device."""

    def __init__(self, path: Path, *, force: bool) -> None:
        path = Path(os.path.realpath(path))  # what a link leads to is meant, not the link
        if path.exists() and not (path.is_file() or path.is_block_device()):
            raise UsageError(
                f"{path} is no place for a volume",
                why="it is neither a file nor a block device",
                cure="name a file or a block device, or - for a pipe",
            )
        self._path = path
        self._force = force
        self._device = path.is_block_device()
        self._partial = path if self._device else path.with_name(f".{path.name}.holdfast-partial")
        if path.exists() and not force:
            raise ConflictError(
                f"{path} exists already",
                why="a restore replaces what is there only when told to",
                cure="choose another target, or add --force",
            )
        self._descriptor = -1
        self._counting, self._flushing = threading.Lock(), threading.Lock()
        self._unflushed_bytes = 0

    @property
    def sequential(self) -> bool:
        """Any order will do."""
        return False

    def begin(self, size_bytes: int) -> None:
        """Open the target; a device must be large enough. Raises ConflictError where another restore has it."""
        with translated(self._path):
            if not self._device:
                self._descriptor = _only_writer(self._partial, self._path)
                os.ftruncate(self._descriptor, 0)
                os.ftruncate(self._descriptor, size_bytes)
                return
            self._descriptor = os.open(self._partial, os.O_WRONLY | os.O_CLOEXEC | os.O_EXCL)
            room = os.lseek(self._descriptor, 0, os.SEEK_END)
        if room < size_bytes:
            raise ConflictError(
                f"{self._path} is too small",
                why=f"it has {room} bytes, the volume {size_bytes}",
                cure="use a larger device",
            )

    def write(self, offset: int, data: Buffer) -> None:
        """Write all of `data` at `offset`; now and then wait for the disk as well, one of the threads at a time."""
        view = memoryview(data)
        with translated(self._path):
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
            if self._is_much(len(data)) and self._flushing.acquire(blocking=False):
                # An error of the disk is told to one flush of a descriptor and to no later one (fsync(2)): to this.
                try:
                    os.fdatasync(self._descriptor)
                finally:
                    self._flushing.release()

    def write_zeros(self, offset: int, length: int) -> None:
        """Nothing for a new file, which reads as zeros; zeros for a device, which holds what it held."""
        if not self._device:
            return
        for at in range(offset, offset + length, len(_ZEROS)):
            self.write(at, _ZEROS[: min(len(_ZEROS), offset + length - at)])

    def finish(self) -> Mapping[str, str]:
        """Make it durable, then give it its name."""
        with translated(self._path):
            os.fsync(self._descriptor)
            if not self._device:
                self._take_name()
                _sync_folder(self._path.parent)
            self._close()
        return {}

    def abort(self) -> None:
        """Remove the unfinished file, if it is this restore's, and close."""
        if self._descriptor < 0:
            return
        if not self._device:
            self._partial.unlink(missing_ok=True)
        self._close()

    def _is_much(self, written_bytes: int) -> bool:
        with self._counting:
            self._unflushed_bytes += written_bytes
            if self._unflushed_bytes < _FLUSHED_BYTES:
                return False
            self._unflushed_bytes = 0
            return True

    def _take_name(self) -> None:
        """While the lock is held: what is unfinished has no other writer, nor what is finished."""
        if self._force:
            os.replace(self._partial, self._path)
            return
        try:
            os.link(self._partial, self._path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if self._path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
            self._partial.rename(self._path)
        else:
            os.unlink(self._partial)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def _only_writer(partial: Path, path: Path) -> int:
    """The unfinished file, open and locked; one that a dead restore has left is taken over."""
    while True:
        flags = os.O_WRONLY | os.O_CLOEXEC | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(partial, flags, _ONLY_THE_OWNER)
        try:
            _lock(descriptor, path)
            if os.fstat(descriptor).st_nlink > 1:
                partial.unlink()  # it has its name already: whoever finished it died before this was taken away
            elif _is_at(descriptor, partial):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # who had it has finished or removed it meanwhile


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(
            f"another restore to {path} is running",
            why="it has locked the unfinished file beside it",
            cure="wait until it has ended, or choose another target",
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
