"""A snapshot that blocks are still put into: what came so far, in memory and in a journal that outlives the process."""

import os
from collections.abc import Iterator
from pathlib import Path

from holdfast.lab.block_map import RECORD_BYTES, BlockMap, Entry, decode, encode


class OpenSnapshot:
    """Blocks by number over the map of the parent. `written_at` is the lab's time of the start or of the last block.

    Without a journal nothing survives the process: right for a snapshot that is captured within one request.
    """

    def __init__(self, journal: Path | None, base: Path | None, started_at: float) -> None:
        self.blocks: dict[int, bytes] = {}
        self.written_at = started_at
        self._base = BlockMap(base) if base else None
        self._journal: int | None = None
        if journal is not None:
            if journal.exists():
                self._replay(journal.read_bytes())
            self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            # A killed lab may have left half a record at the end.
            os.truncate(journal, os.fstat(self._journal).st_size // RECORD_BYTES * RECORD_BYTES)

    def _replay(self, records: bytes) -> None:
        for start in range(0, len(records) - RECORD_BYTES + 1, RECORD_BYTES):
            number, digest = decode(records[start : start + RECORD_BYTES])
            self.blocks[number] = digest

    def add(self, number: int, digest: bytes, now: float) -> None:
        """Note that the block was put; the blob itself is there already."""
        if self._journal is not None:
            os.write(self._journal, encode(number, digest))
        self.blocks[number] = digest
        self.written_at = now

    def base_entries(self) -> Iterator[Entry]:
        """The blocks of the parent, ascending."""
        return self._base.entries() if self._base else iter(())

    def digests(self) -> Iterator[bytes]:
        """The digest of every block put so far and of every one of the parent."""
        yield from self.blocks.values()
        if self._base:
            yield from self._base.digests()

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None
