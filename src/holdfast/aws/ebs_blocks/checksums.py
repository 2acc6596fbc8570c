"""The checksum of a whole snapshot while its blocks are written in any order, in constant memory."""

import hashlib
import os
import tempfile
import threading

_DIGEST_BYTES = 32
_ABSENT = bytes(_DIGEST_BYTES)
_PIECE_BYTES = 1024 * 1024


class LinearChecksum:
    """LINEAR aggregation: SHA-256 over the SHA-256 of every written block, as bytes, ascending by block number.

    (EBS API reference, CompleteSnapshot.) The block checksums lie in a sparse temporary file: 64 MiB for each TiB
    written, and none of it in memory. May be used from many threads.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="holdfast-checksums-")  # noqa: SIM115 - `close` closes it
        self._lock = threading.Lock()
        self._block_count = 0

    @property
    def block_count(self) -> int:
        """How many blocks have been recorded."""
        with self._lock:
            return self._block_count

    def record(self, number: int, sha256: bytes) -> None:
        """Block `number` was written, once, with this checksum."""
        with self._lock:
            os.pwrite(self._file.fileno(), sha256, number * _DIGEST_BYTES)
            self._block_count += 1

    def digest(self) -> bytes:
        """The aggregate over all blocks recorded so far."""
        aggregate = hashlib.sha256()
        with self._lock:
            offset = 0
            while piece := os.pread(self._file.fileno(), _PIECE_BYTES, offset):
                offset += len(piece)
                for begin in range(0, len(piece), _DIGEST_BYTES):
                    digest = piece[begin : begin + _DIGEST_BYTES]
                    if digest != _ABSENT:
                        aggregate.update(digest)
        return aggregate.digest()

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()
