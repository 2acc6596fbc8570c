"""A file or block device as the place of a restore.

A file is written beside its name and takes it only when it is whole and durable, so what bears the name is never half
a volume.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from holdfast.domain.errors import ConflictError, UsageError
from holdfast.images.file_errors import translated
from holdfast.repository.object_store import Buffer

_ZEROS = bytes(1024 * 1024)


class FileTarget:
    """Implements BlockTarget over a new file, or with `force` over an existing one or a block device."""

    def __init__(self, path: Path, *, force: bool) -> None:
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

    @property
    def sequential(self) -> bool:
        """Any order will do."""
        return False

    def begin(self, size_bytes: int) -> None:
        """Open the target; a device must be large enough."""
        with translated(self._path):
            flags = os.O_WRONLY | os.O_CLOEXEC | (0 if self._device else os.O_CREAT | os.O_TRUNC)
            self._descriptor = os.open(self._partial, flags, stat.S_IRUSR | stat.S_IWUSR)
            if not self._device:
                os.ftruncate(self._descriptor, size_bytes)
                return
            room = os.lseek(self._descriptor, 0, os.SEEK_END)
        if room < size_bytes:
            raise ConflictError(
                f"{self._path} is too small",
                why=f"it has {room} bytes, the volume {size_bytes}",
                cure="use a larger device",
            )

    def write(self, offset: int, data: Buffer) -> None:
        """Write all of `data` at `offset`."""
        view = memoryview(data)
        with translated(self._path):
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written

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
            os.close(self._descriptor)
            self._descriptor = -1
            if not self._device:
                if self._force:
                    os.replace(self._partial, self._path)
                else:
                    os.link(self._partial, self._path)
                    os.unlink(self._partial)
                _sync_folder(self._path.parent)
        return {}

    def abort(self) -> None:
        """Close, and remove the unfinished file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if not self._device:
            self._partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
