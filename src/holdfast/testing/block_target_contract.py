"""The suite that every place to restore to must pass, built in or not.

Subclass `BlockTargetContract` in a test file, name the subclass `Test…`, and give it two fixtures: `target`, a new one,
and `read_back`, which gives the bytes that are in it after `finish`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockTarget
from holdfast.testing.memory_volumes import sample

ReadBack = Callable[[], bytes]


def restore(target: BlockTarget, content: bytes, order: list[int]) -> None:
    """Write the blocks of `content` that are not zeros in this order (a sequential target: ascending), then finish."""
    target.begin(len(content))
    for number in sorted(order) if target.sequential else order:
        at = number * BLOCK_SIZE_BYTES
        data = content[at : at + BLOCK_SIZE_BYTES]
        if any(data):
            target.write(at, data)
        else:
            target.write_zeros(at, len(data))
    target.finish()


class BlockTargetContract:
    """What `holdfast.repository.block_source.BlockTarget` promises, as tests."""

    @pytest.fixture
    def target(self) -> BlockTarget:
        """A new target; the subclass gives it."""
        raise NotImplementedError

    @pytest.fixture
    def read_back(self) -> ReadBack:
        """What the target holds; the subclass gives it."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "size_bytes",
        [0, 1, BLOCK_SIZE_BYTES - 1, BLOCK_SIZE_BYTES, BLOCK_SIZE_BYTES + 1, 5 * BLOCK_SIZE_BYTES + 4096],
    )
    def test_what_is_written_is_there(self, target: BlockTarget, read_back: ReadBack, size_bytes: int) -> None:
        content = sample(size_bytes)
        restore(target, content, list(range(-(-size_bytes // BLOCK_SIZE_BYTES))))
        assert read_back() == content

    def test_order_does_not_matter_where_it_need_not(self, target: BlockTarget, read_back: ReadBack) -> None:
        content = sample(6 * BLOCK_SIZE_BYTES + 5)
        restore(target, content, [6, 2, 0, 5, 3, 1, 4])
        assert read_back() == content

    def test_zeros_are_zeros(self, target: BlockTarget, read_back: ReadBack) -> None:
        size_bytes = 4 * BLOCK_SIZE_BYTES + 1
        target.begin(size_bytes)
        target.write_zeros(0, size_bytes)
        target.finish()
        assert read_back() == bytes(size_bytes)

    def test_any_buffer_will_do(self, target: BlockTarget, read_back: ReadBack) -> None:
        content = sample(3 * BLOCK_SIZE_BYTES)
        target.begin(len(content))
        for number, kind in enumerate((bytes, bytearray, memoryview)):
            at = number * BLOCK_SIZE_BYTES
            target.write(at, kind(content[at : at + BLOCK_SIZE_BYTES]))
        target.finish()
        assert read_back() == content

    def test_buffers_are_the_callers_again_when_the_call_returns(
        self, target: BlockTarget, read_back: ReadBack
    ) -> None:
        """The reader opens chunk after chunk into one buffer a thread."""
        content = sample(3 * BLOCK_SIZE_BYTES)
        buffer = bytearray(BLOCK_SIZE_BYTES)
        target.begin(len(content))
        for at in range(0, len(content), BLOCK_SIZE_BYTES):
            buffer[:] = content[at : at + BLOCK_SIZE_BYTES]
            target.write(at, memoryview(buffer))
        target.finish()
        assert read_back() == content

    def test_many_threads_write_where_order_does_not_matter(self, target: BlockTarget, read_back: ReadBack) -> None:
        content = sample(24 * BLOCK_SIZE_BYTES)
        target.begin(len(content))
        with ThreadPoolExecutor(1 if target.sequential else 8) as pool:
            starts = range(0, len(content), BLOCK_SIZE_BYTES)
            list(pool.map(lambda at: target.write(at, content[at : at + BLOCK_SIZE_BYTES]), starts))
        target.finish()
        assert read_back() == content

    def test_the_end_is_told_in_texts(self, target: BlockTarget) -> None:
        target.begin(0)
        assert {type(word) for pair in target.finish().items() for word in pair} <= {str}

    def test_giving_up_raises_nothing(self, target: BlockTarget) -> None:
        target.begin(2 * BLOCK_SIZE_BYTES)
        target.write(0, sample(BLOCK_SIZE_BYTES))
        target.abort()

    def test_giving_up_before_the_beginning_raises_nothing(self, target: BlockTarget) -> None:
        target.abort()
