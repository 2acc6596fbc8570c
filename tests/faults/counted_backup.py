"""A backup as a process of its own, of a large volume that is made up, with a count of what was read of it.

python -m tests.faults.counted_backup REPOSITORY RECOVERY_CODE LOG BLOCKS

It dies by kill -9 when it is to read another block than that many.
"""

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference
from holdfast.repository.keys.slots import Secret
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.repository import open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.wiring.machine import machine_surroundings

WORKLOAD = "large"
BLOCKS = 8192


def block(number: int) -> bytes:
    """Each its own, and quick to compress."""
    return (number.to_bytes(8, "big") + b"a large volume" * 4) * (BLOCK_SIZE_BYTES // 64)


class CountedSource:
    """Implements BlockSource; the number of every block that is read is appended to the file `log`, 4 bytes each."""

    def __init__(self, log: Path, last: int) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._left = last

    @property
    def size_bytes(self) -> int:
        return BLOCKS * BLOCK_SIZE_BYTES

    @property
    def facts(self) -> Mapping[str, str]:
        return {"kind": "made up"}

    @property
    def identity(self) -> Mapping[str, str]:
        return self.facts

    def allocated(self) -> Iterator[BlockReference]:
        return map(BlockReference, range(BLOCKS))

    def changed_since(self, base: Mapping[str, str]) -> None:
        return

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, Buffer]]:
        for reference in blocks:
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            os.write(self._log, reference.number.to_bytes(4, "big"))
            yield reference, block(reference.number)

    def close(self) -> None:
        os.close(self._log)


def main(location: str, code: str, log: str, last: str) -> None:
    # One core: what is under way at any moment is as much on every machine.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with machine_surroundings() as surroundings, closing(CountedSource(Path(log), int(last))) as source:
        repository = open_repository(DirectoryStore(location), Secret(text=code.encode()), surroundings)
        backup_volume(repository, source, BackupOrder(WORKLOAD), Silence())


if __name__ == "__main__":
    main(*sys.argv[1:])
