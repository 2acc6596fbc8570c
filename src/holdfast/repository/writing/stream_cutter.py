"""Content-defined chunks of a stream (section 15), the rolling hash computed in five doubling steps over whole arrays.

After step k an array holds, for each position, the hash of the last 2^k bytes: S(n) + (S(n - 2^k) << 2^k). Five steps
give the
32-byte window of the spec at some hundred MiB/s a core, where a loop over bytes gives six.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]

WINDOW_BYTES = 32
_READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CutProfile:
    """Least, normal (2^bits) and most bytes of a chunk."""

    least_bytes: int
    bits: int
    most_bytes: int


DUMP = CutProfile(256 * 1024, 20, 4 * 1024 * 1024)
FILE = CutProfile(16 * 1024, 16, 256 * 1024)


def rolling_hashes(data: npt.NDArray[np.uint8], gear: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """h(n) of section 15 for every byte of `data`; bytes before its beginning count as nothing."""
    hashes = gear[data]
    for step in range(5):
        distance = 1 << step
        shifted = hashes[:-distance] << np.uint32(distance)
        hashes[distance:] += shifted
    return hashes


class StreamCutter:
    """Cuts one stream; `gear` are the 1,024 bytes of the tenant's table."""

    def __init__(self, gear: bytes, profile: CutProfile = DUMP) -> None:
        self._gear = np.frombuffer(gear, ">u4").astype(np.uint32)
        self._profile = profile
        self._strict = np.uint32(((1 << (profile.bits + 2)) - 1) << (32 - profile.bits - 2))
        self._loose = np.uint32(((1 << (profile.bits - 2)) - 1) << (32 - profile.bits + 2))

    def cut(self, stream: BinaryIO) -> Iterator[bytes]:
        """The stream's chunks, in order; reads a few MiB ahead of what it yields."""
        start = 0  # the byte of the stream that `pending` begins with
        pending = bytearray()
        tail = b""  # the last bytes read, which the window of the next piece reaches back into, cut or not
        strict = loose = np.empty(0, np.int64)  # at which bytes of the stream each mask matches, ascending
        ended = False
        while True:
            while not ended and len(pending) < self._profile.most_bytes:
                piece = stream.read(_READ_BYTES)
                ended = not piece
                strict_ahead, loose_ahead = self._candidates(tail, piece, start + len(pending))
                strict = np.concatenate([strict[np.searchsorted(strict, start) :], strict_ahead])
                loose = np.concatenate([loose[np.searchsorted(loose, start) :], loose_ahead])
                tail = (tail + piece)[-(WINDOW_BYTES - 1) :]
                pending += piece
            if not pending:
                return
            length = self._length(strict, loose, start, len(pending))
            yield bytes(pending[:length])
            del pending[:length]
            start += length

    def _candidates(self, tail: bytes, piece: bytes, base: int) -> tuple[Positions, Positions]:
        """Where in `piece` the strict and the loose mask match; what matches the strict one matches the loose one."""
        hashes = rolling_hashes(np.frombuffer(tail + piece, np.uint8), self._gear)[len(tail) :]
        loose = np.flatnonzero((hashes & self._loose) == 0)
        return loose[(hashes[loose] & self._strict) == 0] + base, loose + base

    def _length(self, strict: Positions, loose: Positions, start: int, available: int) -> int:
        """The length of the chunk that begins at `start`, by section 15."""
        lengths = [self._profile.most_bytes, available]
        for positions, least in ((strict, self._profile.least_bytes), (loose, 1 << self._profile.bits)):
            first = int(np.searchsorted(positions, start + least - 1))
            lengths += [int(at) - start + 1 for at in positions[first : first + 1]]
        return min(lengths)
