"""The suite that every source of blocks must pass, built in or not.

Subclass `BlockSourceContract` in a test file, name the subclass `Test…`, and give it a fixture `open_source`: from the
bytes of a volume to a source that reads them.
"""

from collections.abc import Callable, Iterator

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference, BlockSource
from holdfast.testing.memory_volumes import sample

OpenSource = Callable[[bytes], BlockSource]

# How many references a source may take ahead of the block it gives: 64 MiB in blocks of 512 KiB.
READ_AHEAD_BLOCKS = 128


def read_all(source: BlockSource) -> bytes:
    """The volume put together from what the source calls allocated."""
    content = bytearray(source.size_bytes)
    for block, data in source.read(source.allocated()):
        at = block.number * BLOCK_SIZE_BYTES
        content[at : at + len(data)] = data
    return bytes(content)


class BlockSourceContract:
    """What `holdfast.repository.block_source.BlockSource` promises, as tests."""

    @pytest.fixture
    def open_source(self) -> OpenSource:
        """From bytes to a source; the subclass gives it."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "size_bytes",
        [0, 1, 511, BLOCK_SIZE_BYTES - 1, BLOCK_SIZE_BYTES, BLOCK_SIZE_BYTES + 1, 5 * BLOCK_SIZE_BYTES + 4096],
    )
    def test_what_is_allocated_is_all_there_is(self, open_source: OpenSource, size_bytes: int) -> None:
        content = sample(size_bytes)
        source = open_source(content)
        assert source.size_bytes == size_bytes
        assert read_all(source) == content
        source.close()

    def test_allocated_ascends_within_the_volume(self, open_source: OpenSource) -> None:
        source = open_source(sample(7 * BLOCK_SIZE_BYTES + 10))
        numbers = [block.number for block in source.allocated()]
        assert numbers == sorted(set(numbers))
        assert {0, 2, 3, 5, 6} <= set(numbers) <= set(range(8))
        assert numbers == [block.number for block in source.allocated()]
        source.close()

    def test_a_volume_of_zeros_may_be_all_unallocated_but_reads_as_zeros(self, open_source: OpenSource) -> None:
        source = open_source(bytes(3 * BLOCK_SIZE_BYTES))
        assert read_all(source) == bytes(3 * BLOCK_SIZE_BYTES)
        assert all(not any(data) for _block, data in source.read(map(BlockReference, range(3))))
        source.close()

    def test_blocks_come_in_the_order_asked(self, open_source: OpenSource) -> None:
        content = sample(6 * BLOCK_SIZE_BYTES + 77)
        source = open_source(content)
        known = {block.number: block for block in source.allocated()}
        wanted = [known[number] for number in (6, 0, 3, 2, 5) if number in known]
        given = list(source.read(iter(wanted)))
        assert [block for block, _data in given] == wanted
        for block, data in given:
            at = block.number * BLOCK_SIZE_BYTES
            assert bytes(data) == content[at : at + BLOCK_SIZE_BYTES]
        source.close()

    def test_a_block_known_as_zeros_is_not_read(self, open_source: OpenSource) -> None:
        source = open_source(sample(2 * BLOCK_SIZE_BYTES))
        zero = BlockReference(1, zero=True)
        assert [(block, bytes(data)) for block, data in source.read([zero])] == [(zero, b"")]
        source.close()

    def test_buffers_may_be_kept(self, open_source: OpenSource) -> None:
        content = sample(9 * BLOCK_SIZE_BYTES)
        source = open_source(content)
        kept = list(source.read(source.allocated()))
        source.close()
        assert all(
            bytes(data) == content[block.number * BLOCK_SIZE_BYTES : (block.number + 1) * BLOCK_SIZE_BYTES]
            for block, data in kept
            if not block.zero
        )

    def test_references_are_taken_as_they_are_needed(self, open_source: OpenSource) -> None:
        """A list of 16 TiB has 33 million references: it is never drawn at once."""
        source = open_source(sample(BLOCK_SIZE_BYTES))
        [block] = source.allocated()
        taken = 0

        def references() -> Iterator[BlockReference]:
            nonlocal taken
            for _time in range(4 * READ_AHEAD_BLOCKS):
                taken += 1
                yield block

        first = next(iter(source.read(references())))
        assert first[0] == block
        assert taken <= READ_AHEAD_BLOCKS
        source.close()

    def test_facts_are_texts(self, open_source: OpenSource) -> None:
        source = open_source(sample(1000))
        assert source.facts["kind"]
        assert {type(word) for pair in source.facts.items() for word in pair} == {str}
        source.close()

    def test_of_a_foreign_base_nothing_is_known(self, open_source: OpenSource) -> None:
        source = open_source(sample(1000))
        assert source.changed_since({"kind": "something else", "snapshot": "never seen"}) is None
        source.close()

    def test_closing_twice_is_safe(self, open_source: OpenSource) -> None:
        source = open_source(sample(1000))
        source.close()
        source.close()
