"""A pipe as the place of a restore: bytes in order, hashed as they pass."""

import hashlib
from collections.abc import Mapping
from typing import BinaryIO

from holdfast.domain.errors import HoldfastError
from holdfast.repository.object_store import Buffer

_ZEROS = bytes(1024 * 1024)


class PipeTarget:
    """Implements BlockTarget over a stream that is written once, from its beginning to its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()

    @property
    def sequential(self) -> bool:
        """Only ascending."""
        return True

    def begin(self, size_bytes: int) -> None:
        """Nothing to prepare."""

    def write(self, offset: int, data: Buffer) -> None:
        """The next bytes."""
        self._sha256.update(data)
        try:
            self._stream.write(data)
        except BrokenPipeError as error:
            raise HoldfastError(
                "the pipe was closed",
                why="whoever read it has ended",
                cure="look at its own message, then run it again",
            ) from error

    def write_zeros(self, offset: int, length: int) -> None:
        """The next bytes are zeros."""
        for at in range(0, length, len(_ZEROS)):
            self.write(offset + at, _ZEROS[: min(len(_ZEROS), length - at)])

    def finish(self) -> Mapping[str, str]:
        """Flush; says the SHA-256 of all that passed."""
        self._stream.flush()
        return {"sha256": self._sha256.hexdigest()}

    def abort(self) -> None:
        """What was written cannot be taken back."""
