"""Volumes of every shape come back: holes, zeros, sizes that grow, shrink, are odd, or nothing at all."""

import io
import os
import random

import pytest

from holdfast.domain.errors import SourceGoneError, UsageError
from holdfast.images.file_source import FileSource
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.repository.writing.backup import BackupOrder, backup_stream, backup_volume
from holdfast.testing.memory_volumes import MemoryTarget, MemoryVolume

DICE = random.Random(4)
BLOCKS = [DICE.randbytes(BLOCK_SIZE_BYTES) for _ in range(6)]


def write(path, *pieces, size_bytes=None):
    """A sparse file of (offset, bytes) pieces."""
    with path.open("wb") as file:
        for offset, data in pieces:
            os.pwrite(file.fileno(), data, offset)
        if size_bytes is not None:
            file.truncate(size_bytes)
    return path


@pytest.mark.parametrize(
    "size_bytes",
    [0, 1, 511, 512, BLOCK_SIZE_BYTES - 1, BLOCK_SIZE_BYTES, BLOCK_SIZE_BYTES + 1, 5 * BLOCK_SIZE_BYTES + 77],
)
@pytest.mark.parametrize("filled", ["random", "zeros", "hole"])
def test_any_size(cabinet, tmp_path, size_bytes, filled):
    path = tmp_path / "volume"
    if filled == "hole":
        write(path, size_bytes=size_bytes)
    else:
        path.write_bytes(bytes(size_bytes) if filled == "zeros" else random.Random(size_bytes).randbytes(size_bytes))
    full = cabinet.back_up(path)
    cabinet.assert_comes_back(full, path)
    if filled != "random":
        assert full.finished.stored_bytes == 0  # zeros cost nothing, whether allocated or not
    again = cabinet.back_up(path)
    cabinet.assert_comes_back(again, path)
    assert again.finished.stored_bytes == 0
    by_list = cabinet.back_up(path, changed=[])
    assert by_list.finished.counters.read_bytes == 0
    cabinet.assert_comes_back(by_list, path)
    cabinet.assert_sound()


def test_holes_stay_holes(cabinet, tmp_path):
    path = write(tmp_path / "v", (7 * BLOCK_SIZE_BYTES + 4096, b"x" * 100), size_bytes=400 * BLOCK_SIZE_BYTES)
    report = cabinet.back_up(path)
    assert report.finished.counters.read_bytes == BLOCK_SIZE_BYTES
    assert cabinet.assert_comes_back(report, path).stat().st_blocks * 512 <= 2 * BLOCK_SIZE_BYTES


@pytest.mark.parametrize("listed", [True, False], ids=["by list", "compared"])
def test_blocks_that_became_zeros(cabinet, tmp_path, listed):
    path = tmp_path / "volume"
    path.write_bytes(b"".join(BLOCKS))
    full = cabinet.back_up(path)
    with path.open("r+b") as file:
        file.seek(2 * BLOCK_SIZE_BYTES)
        file.write(bytes(BLOCK_SIZE_BYTES))
        file.seek(5 * BLOCK_SIZE_BYTES)
        file.write(bytes(BLOCK_SIZE_BYTES))
    changed = [f"{2 * BLOCK_SIZE_BYTES} 1", f"{5 * BLOCK_SIZE_BYTES} {BLOCK_SIZE_BYTES}"] if listed else None
    report = cabinet.back_up(path, changed=changed)
    cabinet.assert_comes_back(report, path)
    assert report.finished.counters.new_chunks == 0
    path.write_bytes(b"".join(BLOCKS))
    cabinet.assert_comes_back(full, path)


BLOCK = BLOCK_SIZE_BYTES
BIG = 130 * BLOCK  # one more level of the map than 128 blocks have
SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 100, 3 * BLOCK + 1, BIG, BIG + 5]


@pytest.mark.parametrize("listed", [True, False], ids=["by list", "compared"])
@pytest.mark.parametrize(
    ("before", "after"), [(before, after) for before in SIZES for after in SIZES if before != after]
)
def test_a_size_that_changes_between_two_backups(cabinet, tmp_path, before, after, listed):
    """The list names what was written; where the volume's end moved is ours to know."""
    path = tmp_path / "volume"

    def make(size_bytes):
        pieces = {0: BLOCKS[0], BLOCK: BLOCKS[1], 2 * BLOCK: BLOCKS[2], 3 * BLOCK: BLOCKS[3], BIG - BLOCK: BLOCKS[4]}
        write(path, *((at, data[: max(size_bytes - at, 0)]) for at, data in pieces.items()), size_bytes=size_bytes)

    make(before)
    full = cabinet.back_up(path)
    make(after)
    grown = [f"{before} {after - before}"] if after > before else []
    cabinet.assert_comes_back(cabinet.back_up(path, changed=grown if listed else None), path)
    make(before)
    cabinet.assert_comes_back(full, path)
    cabinet.assert_sound()


def test_a_list_that_forgets_what_was_added_at_the_end(cabinet, tmp_path):
    """A parent has no blocks behind its end that could be taken from it: what is there now is read, listed or not."""
    path = tmp_path / "volume"
    path.write_bytes(BLOCKS[0])
    cabinet.back_up(path)
    path.write_bytes(BLOCKS[0] + BLOCKS[1] + BLOCKS[2][:1000])
    cabinet.assert_comes_back(cabinet.back_up(path, changed=[]), path)


def test_a_list_is_believed(cabinet, tmp_path):
    """What is not listed is taken from the parent unread, by the word of who gave the list."""
    path = tmp_path / "volume"
    path.write_bytes(BLOCKS[0] + BLOCKS[1])
    full = cabinet.back_up(path)
    path.write_bytes(BLOCKS[2] + BLOCKS[3])
    report = cabinet.back_up(path, changed=[f"{BLOCK_SIZE_BYTES + 9} 1", "", "# 0 1"])
    path.write_bytes(BLOCKS[0] + BLOCKS[3])
    cabinet.assert_comes_back(report, path)
    assert report.finished.manifest.parent == full.finished.manifest.session


@pytest.mark.parametrize("line", ["0", "0 1 2", "a b", "-1 5", "0 99999999", "0x10 1", "٣ 1"])
def test_a_wrong_list_makes_no_point(cabinet, tmp_path, line):
    path = tmp_path / "volume"
    path.write_bytes(BLOCKS[0])
    cabinet.back_up(path)
    with pytest.raises(UsageError):
        cabinet.back_up(path, changed=["0 1", line])
    with pytest.raises(UsageError):
        cabinet.back_up(path, workload="another without a parent", changed=["0 1"])
    assert len(list_points(cabinet.small.open(cabinet.surroundings))) == 1


@pytest.mark.parametrize("size_bytes", [0, 1, 1000, 300_000, 3 * 1024 * 1024 + 7, 9 * 1024 * 1024])
def test_streams(cabinet, size_bytes):
    content = random.Random(size_bytes).randbytes(size_bytes)
    reports = []
    for data in (content, content, b"inserted" + content):
        repository = cabinet.small.open(cabinet.surroundings)
        reports.append(backup_stream(repository, io.BytesIO(data), BackupOrder("dump"), Silence()))
        point = find_point(repository, "latest:dump", "default")
        for sequential in (True, False):
            target = MemoryTarget(sequential=sequential)
            restore_volume(repository, point, target, Silence())
            assert target.volume == MemoryVolume.of(data)
    assert reports[1].finished.counters.new_chunks == 0
    if size_bytes > 8 * 1024 * 1024:  # cut by content: what follows the insertion is found again
        assert reports[2].finished.counters.new_bytes_plain < size_bytes
    cabinet.assert_sound()


@pytest.mark.parametrize("tail", [BLOCKS[0], b"x"])
def test_a_file_that_grows_while_it_is_read_is_what_it_was(cabinet, tmp_path, tail):
    path = tmp_path / "volume"
    path.write_bytes(BLOCKS[0] + tail)
    source = FileSource(path)
    with path.open("ab") as file:
        file.write(BLOCKS[1] * 3)
    report = backup_volume(cabinet.small.open(cabinet.surroundings), source, BackupOrder("disk"), Silence())
    source.close()
    path.write_bytes(BLOCKS[0] + tail)
    cabinet.assert_comes_back(report, path)


@pytest.mark.parametrize("left_bytes", [0, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
def test_a_file_that_shrinks_while_it_is_read_makes_no_point(cabinet, tmp_path, left_bytes):
    path = tmp_path / "volume"
    path.write_bytes(b"".join(BLOCKS))
    source = FileSource(path)
    os.truncate(path, left_bytes)
    repository = cabinet.small.open(cabinet.surroundings)
    with pytest.raises(SourceGoneError):
        backup_volume(repository, source, BackupOrder("disk"), Silence())
    source.close()
    assert list_points(cabinet.small.open(cabinet.surroundings)) == []
    path.write_bytes(b"".join(BLOCKS))
    cabinet.assert_comes_back(cabinet.back_up(path), path)
