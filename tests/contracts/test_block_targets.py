"""The contract of block targets over every target of this machine and of memory."""

import errno
import hashlib
import io
import os

import pytest

from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.images.file_target import FileTarget
from holdfast.images.pipe_target import PipeTarget
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.testing.block_target_contract import BlockTargetContract, restore
from holdfast.testing.memory_volumes import MemoryTarget, sample


class TestFileTarget(BlockTargetContract):
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "volume"

    @pytest.fixture
    def target(self, path):
        return FileTarget(path, force=False)

    @pytest.fixture
    def read_back(self, path):
        return path.read_bytes

    def test_what_bears_the_name_is_never_half_a_volume(self, target, path):
        target.begin(2 * BLOCK_SIZE_BYTES)
        target.write(0, sample(BLOCK_SIZE_BYTES))
        assert not path.exists()
        target.abort()
        assert list(path.parent.iterdir()) == []

    def test_zeros_take_no_room(self, target, path):
        size_bytes = 512 * BLOCK_SIZE_BYTES
        target.begin(size_bytes)
        target.write_zeros(0, size_bytes)
        target.finish()
        assert path.stat().st_size == size_bytes
        assert path.stat().st_blocks * 512 < BLOCK_SIZE_BYTES

    def test_what_is_there_is_replaced_only_when_told_to(self, target, path):
        path.write_bytes(b"precious")
        with pytest.raises(ConflictError):
            FileTarget(path, force=False)
        target.begin(3)
        target.write(0, b"new")
        with pytest.raises(ConflictError):
            target.finish()  # it came while we were writing
        target.abort()
        assert path.read_bytes() == b"precious"
        forced = FileTarget(path, force=True)
        forced.begin(3)
        forced.write(0, b"new")
        assert path.read_bytes() == b"precious"
        forced.finish()
        assert path.read_bytes() == b"new"
        assert list(path.parent.iterdir()) == [path]

    def test_one_restore_at_a_time_writes_there(self, target, path):
        size_bytes = 2 * BLOCK_SIZE_BYTES
        content = sample(size_bytes)
        target.begin(size_bytes)
        target.write(0, content)
        for force in (False, True):
            other = FileTarget(path, force=force)
            with pytest.raises(ConflictError, match="another restore"):
                other.begin(size_bytes)
            other.abort()
        target.finish()
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]

    def test_what_a_dead_restore_has_left_is_taken_over(self, target, path):
        path.with_name(".volume.holdfast-partial").write_bytes(b"left" * BLOCK_SIZE_BYTES)
        target.begin(3)
        target.write(0, b"new")
        target.finish()
        assert path.read_bytes() == b"new"
        assert list(path.parent.iterdir()) == [path]

    def test_a_file_that_was_finished_and_renamed_is_not_touched(self, target, path):
        """Its restore died when it had the name, and before the other name of it was taken away."""
        kept, partial = path.with_name("kept"), path.with_name(".volume.holdfast-partial")
        kept.write_bytes(b"precious")
        os.link(kept, partial)
        target.begin(3)
        target.write(0, b"new")
        target.finish()
        assert (kept.read_bytes(), path.read_bytes(), partial.exists()) == (b"precious", b"new", False)

    def test_a_link_in_its_place_is_not_followed(self, target, path):
        other = path.with_name("precious")
        other.write_bytes(b"precious")
        path.with_name(".volume.holdfast-partial").symlink_to(other)
        with pytest.raises(HoldfastError):
            target.begin(3)
        assert other.read_bytes() == b"precious"

    def test_a_file_system_without_hard_links(self, target, path, monkeypatch):
        """FAT says EPERM. (None can be mounted here: what the system answers is put in its place.)"""

        def refuse(*_paths):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr("os.link", refuse)
        target.begin(3)
        target.write(0, b"new")
        path.write_bytes(b"precious")
        with pytest.raises(ConflictError):
            target.finish()
        assert path.read_bytes() == b"precious"
        path.unlink()
        target.finish()
        assert path.read_bytes() == b"new"
        assert list(path.parent.iterdir()) == [path]


class TestPipeTarget(BlockTargetContract):
    @pytest.fixture
    def stream(self):
        return io.BytesIO()

    @pytest.fixture
    def target(self, stream):
        return PipeTarget(stream)

    @pytest.fixture
    def read_back(self, stream):
        return stream.getvalue

    def test_it_hashes_what_passes(self, stream):
        content = sample(3 * BLOCK_SIZE_BYTES + 9)
        target = PipeTarget(stream)
        target.begin(len(content))
        target.write(0, content[:100])
        target.write(100, content[100:])
        assert target.finish() == {"sha256": hashlib.sha256(content).hexdigest()}


class TestMemoryTarget(BlockTargetContract):
    @pytest.fixture
    def target(self):
        return MemoryTarget()

    @pytest.fixture
    def read_back(self, target):
        return lambda: target.volume.content

    def test_a_target_that_is_too_small_is_refused(self):
        with pytest.raises(ConflictError):
            restore(MemoryTarget(room_bytes=5), b"123456", [0])


class TestSequentialMemoryTarget(TestMemoryTarget):
    @pytest.fixture
    def target(self):
        return MemoryTarget(sequential=True)
