"""A volume in which any bytes may be asked for, in whatever order, with few readings."""

import random
from collections.abc import Iterator
from functools import partial

from holdfast.domain.errors import SourceGoneError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.health.repair.quarry import Quarry, Stretch, of_source
from holdfast.testing.memory_volumes import MemorySource
from tests.faults.world import volume_of

SIZE_BYTES = 1000


class Quarried:
    """Bytes cut into stretches, with holes between some; counts how often they were begun."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.content = bytearray(SIZE_BYTES)
        self.pieces: list[tuple[int, int]] = []
        self.begun = 0
        at = 0
        while at < SIZE_BYTES:
            length = min(dice.randrange(1, 60), SIZE_BYTES - at)
            if dice.random() < 0.7:
                self.content[at : at + length] = dice.randbytes(length)
                self.pieces.append((at, length))
            at += length

    def stretches(self) -> Iterator[Stretch]:
        self.begun += 1
        for at, length in self.pieces:
            yield Stretch(at, length, partial(self._piece, at, length))

    def _piece(self, at: int, length: int) -> bytes:
        return bytes(self.content[at : at + length])


def test_any_bytes_in_any_order():
    for seed in range(20):
        dice = random.Random(seed)
        volume = Quarried(seed)
        quarry = Quarry(SIZE_BYTES, volume.stretches)
        for _ in range(100):
            offset = dice.randrange(SIZE_BYTES)
            length = dice.randrange(SIZE_BYTES - offset + 1)
            assert quarry.read(offset, length) == bytes(volume.content[offset : offset + length])
        assert volume.begun == 1


def test_what_is_further_behind_is_begun_again():
    volume = Quarried(3)
    quarry = Quarry(SIZE_BYTES, volume.stretches, kept=4)
    for offset in (900, 0, 10, 950, 200):
        assert quarry.read(offset, 50) == bytes(volume.content[offset : offset + 50])
    assert volume.begun == 3


def test_more_than_there_is_cannot_be_had():
    quarry = Quarry(SIZE_BYTES, Quarried(1).stretches)
    assert quarry.read(SIZE_BYTES - 1, 2) is None


def test_what_cannot_be_read_there_cannot_be_had():
    def gone() -> bytes:
        raise SourceGoneError("it is gone", why="deleted", cure="none")

    assert Quarry(10, lambda: iter([Stretch(0, 10, gone)])).read(0, 5) is None


def test_of_a_source_only_the_blocks_asked_for_are_read():
    volume = volume_of(1, 0, 2)
    source = MemorySource(volume, "s")
    quarry = of_source(source)
    assert quarry.read(2 * BLOCK_SIZE_BYTES, 100) == volume.content[2 * BLOCK_SIZE_BYTES :][:100]
    assert quarry.read(BLOCK_SIZE_BYTES, 100) == bytes(100)
