"""kill -9 of a backup at half of a large volume: the next one reads the rest and at most a hundredth again."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.format.config import PACK_SIZE_BYTES
from holdfast.repository.object_store import Buffer
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import list_points, load_manifest
from tests.faults.counted_backup import BLOCKS, block
from tests.faults.ground import Ground, finished, new_ground

HUNDREDTH = BLOCKS // 100


@pytest.fixture
def ground() -> Iterator[Ground]:
    with new_ground(PACK_SIZE_BYTES) as made:
        yield made


class EqualTarget:
    """Implements BlockTarget: whatever is written must be the volume that was made up."""

    sequential = False

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def begin(self, size_bytes: int) -> None:
        assert size_bytes == BLOCKS * BLOCK_SIZE_BYTES

    def write(self, offset: int, data: Buffer) -> None:
        for at in range(0, len(data), BLOCK_SIZE_BYTES):
            number = (offset + at) // BLOCK_SIZE_BYTES
            assert data[at : at + BLOCK_SIZE_BYTES] == block(number)
            self.seen.add(number)

    def write_zeros(self, offset: int, length: int) -> None:
        raise AssertionError(f"zeros at {offset}")

    def finish(self) -> Mapping[str, str]:
        return {}

    def abort(self) -> None:
        raise AssertionError("the restore failed")


def back_up(ground: Ground, log: Path, last: int = BLOCKS) -> "subprocess.Popen[bytes]":
    """Killed when it has read so many blocks, and is to read another."""
    code = ground.small.secret.text or b""
    words = ["tests.faults.counted_backup", ground.small.store.location, code.decode(), str(log), str(last)]
    return subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.PIPE)


def blocks_in(log: Path) -> list[int]:
    body = log.read_bytes() if log.exists() else b""
    return [int.from_bytes(body[at : at + 4], "big") for at in range(0, len(body), 4)]


def test_at_most_a_hundredth_is_read_again(ground):
    first, second = ground.folder / "first", ground.folder / "second"
    process = back_up(ground, first, BLOCKS // 2)
    process.communicate()
    assert process.returncode < 0
    packs = {info.key for info in ground.small.store.list(names.PACKS)}
    finished(back_up(ground, second))
    read, rest = blocks_in(first), blocks_in(second)
    again = set(read) & set(rest)
    assert len(read) < BLOCKS
    assert set(read) | set(rest) == set(range(BLOCKS))
    assert len(rest) == len(set(rest))
    assert 0 < len(again) <= HUNDREDTH
    repository = ground.open()
    [point] = list_points(repository)
    manifest = load_manifest(repository, point)
    assert manifest.statistics["resumed_bytes"] == (BLOCKS - len(rest)) * BLOCK_SIZE_BYTES
    unused = packs - {names.pack(pack.pack) for pack in manifest.packs}
    assert len(unused) <= len(again), "what stood is not stored again"
    target = EqualTarget()
    restore_volume(repository, point, target, Silence())
    assert len(target.seen) == BLOCKS
