"""Which blocks a snapshot has: a sorted file of (number, digest) records, read in place.

A record has 36 bytes: the block's number (32 bits, big-endian: 64 TiB are 2**27 blocks) and its SHA-256. Files above
`IN_MEMORY_BYTES` are mapped, so a snapshot of any size costs no memory.
"""

import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from holdfast.lab.blobs import DIGEST_BYTES

NUMBER_BYTES = 4
RECORD_BYTES = NUMBER_BYTES + DIGEST_BYTES
IN_MEMORY_BYTES = 4 * 1024 * 1024

Entry = tuple[int, bytes]


def encode(number: int, digest: bytes) -> bytes:
    """One record of the file."""
    return number.to_bytes(NUMBER_BYTES, "big") + digest


def decode(record: bytes) -> Entry:
    """The block's number and digest."""
    return int.from_bytes(record[:NUMBER_BYTES], "big"), record[NUMBER_BYTES:]


class BlockMap:
    """The blocks of one snapshot, in ascending order of their numbers."""

    def __init__(self, path: Path) -> None:
        size_bytes = path.stat().st_size
        self._count = size_bytes // RECORD_BYTES
        self._data: bytes | mmap.mmap
        if size_bytes <= IN_MEMORY_BYTES:
            self._data = path.read_bytes()
        else:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return self._count

    def _number(self, position: int) -> int:
        start = position * RECORD_BYTES
        return int.from_bytes(self._data[start : start + NUMBER_BYTES], "big")

    def _position(self, number: int) -> int:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self._number(middle) < number:
                low = middle + 1
            else:
                high = middle
        return low

    def entries(self, starting: int = 0) -> Iterator[Entry]:
        """(number, digest) of every block from number `starting` on, ascending."""
        first = self._position(starting) if starting else 0
        for start in range(first * RECORD_BYTES, self._count * RECORD_BYTES, RECORD_BYTES):
            yield decode(self._data[start : start + RECORD_BYTES])

    def digests(self) -> Iterator[bytes]:
        """The digest of every block."""
        for start in range(NUMBER_BYTES, self._count * RECORD_BYTES, RECORD_BYTES):
            yield self._data[start : start + DIGEST_BYTES]


def write_map(path: Path, entries: Iterable[Entry]) -> None:
    """Write `entries`, which ascend, as a map; the file appears complete or not at all."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        for number, digest in entries:
            file.write(encode(number, digest))
    os.replace(unfinished, path)


def overlaid(base: Iterable[Entry], changes: Mapping[int, bytes]) -> Iterator[Entry]:
    """`base` with `changes` over it, ascending."""
    pending = iter(sorted(changes.items()))
    change = next(pending, None)
    for number, digest in base:
        while change is not None and change[0] < number:
            yield change
            change = next(pending, None)
        if change is not None and change[0] == number:
            yield change
            change = next(pending, None)
        else:
            yield number, digest
    if change is not None:
        yield change
        yield from pending


def compared(first: Iterable[Entry], second: Iterable[Entry]) -> Iterator[tuple[int, bytes | None, bytes | None]]:
    """Every block that is in either snapshot, ascending, with its digest in each (None where it is not there)."""
    left, right = iter(first), iter(second)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if a is not None and (b is None or a[0] < b[0]):
            yield a[0], a[1], None
            a = next(left, None)
        elif b is not None and (a is None or b[0] < a[0]):
            yield b[0], None, b[1]
            b = next(right, None)
        elif a is not None and b is not None:
            yield a[0], a[1], b[1]
            a, b = next(left, None), next(right, None)
