"""The contract of block sources over every source of this machine and of memory."""

import os

import pytest

from holdfast.images.file_source import FileSource
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.testing.block_source_contract import BlockSourceContract
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume, sample


class TestFileSource(BlockSourceContract):
    @pytest.fixture
    def open_source(self, tmp_path):
        def open_(content):
            path = tmp_path / "volume"
            path.write_bytes(content)
            return FileSource(path)

        return open_


class TestSparseFileSource(BlockSourceContract):
    """The same bytes in a file whose zeros are holes."""

    @pytest.fixture
    def open_source(self, tmp_path):
        def open_(content):
            path = tmp_path / "volume"
            with path.open("wb") as file:
                for at in range(0, len(content), 4096):
                    if any(content[at : at + 4096]):
                        os.pwrite(file.fileno(), content[at : at + 4096], at)
                file.truncate(len(content))
            return FileSource(path)

        return open_

    def test_holes_are_not_read(self, open_source):
        source = open_source(sample(5 * BLOCK_SIZE_BYTES))
        assert [block.number for block in source.allocated()] == [0, 2, 3]


class TestMemorySource(BlockSourceContract):
    @pytest.fixture
    def open_source(self):
        return lambda content: MemorySource(MemoryVolume.of(content))
