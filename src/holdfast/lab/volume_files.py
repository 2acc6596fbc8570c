"""Volumes as sparse files: what an attached instance would write to is a file anybody on this machine can open."""

import errno
import os
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from holdfast.lab.blobs import ZERO_BLOCK
from holdfast.repository.block_source import BLOCK_SIZE_BYTES

GIB = 1024**3
# ext4 with 4 KiB blocks addresses 2**32 - 1 of them in one file: one less than a volume of 16 TiB has.
EXT4_LARGEST_FILE_BYTES = 16 * 1024 * GIB - 4096


class VolumeFiles:
    """A folder of raw images, one for each volume."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, volume_id: str) -> Path:
        """Where the raw content of the volume is."""
        return self._folder / f"{volume_id}.raw"

    def create(self, volume_id: str, size_gib: int, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Make a volume that holds `blocks` (number, data) and zeros everywhere else."""
        with open(self.path(volume_id), "xb", buffering=0) as file:
            _extend(file.fileno(), size_gib * GIB)
            for number, data in blocks:
                os.pwrite(file.fileno(), data, number * BLOCK_SIZE_BYTES)

    def grow(self, volume_id: str, size_gib: int) -> None:
        """Make the volume larger; what is new reads as zeros."""
        with open(self.path(volume_id), "r+b", buffering=0) as file:
            _extend(file.fileno(), size_gib * GIB)

    def delete(self, volume_id: str) -> None:
        """Remove the volume and its data."""
        self.path(volume_id).unlink(missing_ok=True)

    def stray(self, known: Container[str]) -> list[Path]:
        """Files of volumes that are not among the ids `known`."""
        return [path for path in self._folder.iterdir() if path.suffix != ".raw" or path.stem not in known]

    def blocks(self, volume_id: str) -> Iterator[tuple[int, bytes]]:
        """(number, data) of every block that is not all zeros, ascending; holes are never read."""
        with open(self.path(volume_id), "rb", buffering=0) as file:
            descriptor = file.fileno()
            for number in _touched_blocks(descriptor):
                data = os.pread(descriptor, BLOCK_SIZE_BYTES, number * BLOCK_SIZE_BYTES)
                if len(data) < BLOCK_SIZE_BYTES:
                    data += bytes(BLOCK_SIZE_BYTES - len(data))
                if data != ZERO_BLOCK:
                    yield number, data


def _extend(descriptor: int, size_bytes: int) -> None:
    try:
        os.ftruncate(descriptor, size_bytes)
    except OSError as error:
        if error.errno != errno.EFBIG or size_bytes > EXT4_LARGEST_FILE_BYTES + 4096:
            raise
        os.ftruncate(descriptor, EXT4_LARGEST_FILE_BYTES)


def _touched_blocks(descriptor: int) -> Iterator[int]:
    """The numbers of all blocks that the file system has data in, ascending, each once."""
    offset, next_number = 0, 0
    while True:
        try:
            start = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        offset = os.lseek(descriptor, start, os.SEEK_HOLE)
        first = max(next_number, start // BLOCK_SIZE_BYTES)
        next_number = -(-offset // BLOCK_SIZE_BYTES)
        yield from range(first, next_number)
