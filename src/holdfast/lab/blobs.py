"""Blocks on disk under their own SHA-256: equal blocks are kept once, whichever snapshot they belong to."""

import hashlib
import os
from collections.abc import Iterator, Set
from pathlib import Path

from holdfast.repository.block_source import BLOCK_SIZE_BYTES

ZERO_BLOCK = bytes(BLOCK_SIZE_BYTES)
DIGEST_BYTES = 32


class Blobs:
    """A folder of blocks; the name of each is the SHA-256 of its content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for first in "0123456789abcdef":
            (folder / first).mkdir(parents=True, exist_ok=True)

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._folder}/{name[0]}/{name}"

    def write(self, digest: bytes, data: bytes) -> None:
        """Keep `data`, whose SHA-256 is `digest`; a block that is there already is left alone."""
        path = self._path(digest)
        if os.path.exists(path):
            return
        # The name is taken only when the bytes are complete, so a lab that is killed leaves no torn block.
        unfinished = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
        with open(unfinished, "wb") as file:
            file.write(data)
        os.replace(unfinished, path)

    def read(self, digest: bytes) -> bytes:
        """The block; FileNotFoundError where nothing refers to it any more."""
        with open(self._path(digest), "rb", buffering=0) as file:
            return file.read(BLOCK_SIZE_BYTES)

    def remove(self, digests: Set[bytes]) -> None:
        """Forget these blocks; those that are gone already do not matter."""
        for digest in digests:
            Path(self._path(digest)).unlink(missing_ok=True)

    def stored(self) -> Iterator[bytes]:
        """The digests of all blocks kept. Files that a killed lab left half-written are removed on the way."""
        for path in self._folder.glob("*/*"):
            if len(path.name) == 2 * DIGEST_BYTES:
                yield bytes.fromhex(path.name)
            else:
                path.unlink(missing_ok=True)


def digest_of(data: bytes) -> bytes:
    """SHA-256, which is also what the EBS direct APIs use as a block's checksum."""
    return hashlib.sha256(data).digest()
