"""16 TiB with few blocks: the memory does not follow the size, and neither does the time."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format.map_node import depth_of
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository
from tests.house.tree import ROOT

TIB = 1024**4
MEMORY_LIMIT_BYTES = 256 * 1024 * 1024
# ext4 with 4 KiB blocks addresses 2**32 - 1 of them in one file: one less than 16 TiB has.
SIZES = (16 * TIB, 16 * TIB - 4096)


def huge_file(path: Path, numbers: range) -> int:
    """A sparse file of 16 TiB, or the largest that the file system can have, with these blocks; its size."""
    for size_bytes in SIZES:
        try:
            with path.open("wb") as file:
                file.truncate(size_bytes)
                for number in numbers:
                    os.pwrite(file.fileno(), block(number), number * BLOCK_SIZE_BYTES)
                os.pwrite(file.fileno(), b"the end", size_bytes - 7)
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            continue
        return size_bytes
    pytest.skip("no file of 16 TiB can be made here")


def block(number: int) -> bytes:
    return number.to_bytes(8, "big") * (4096 // 8)


def run(verb: str, *words: object) -> dict:
    command = [sys.executable, "-m", "tests.e2e.repository.huge_volume", verb, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["peak_bytes"] <= MEMORY_LIMIT_BYTES
    return said


def assert_same(one: Path, other: Path) -> None:
    """Equal size, data in the same places, equal data; holes are not read."""
    assert one.stat().st_size == other.stat().st_size
    with one.open("rb") as first, other.open("rb") as second:
        for file in (first, second):
            at = 0
            while True:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
                assert os.pread(first.fileno(), end - at, at) == os.pread(second.fileno(), end - at, at)
                at = end


def test_sixteen_tebibytes(tmp_path, request):
    repository = tmp_path / "repository"
    small = make_small_repository(DirectoryStore(repository), deterministic_surroundings(1))
    code = (small.secret.text or b"").decode()
    path = tmp_path / "huge"
    spread = range(3, SIZES[1] // BLOCK_SIZE_BYTES, SIZES[1] // BLOCK_SIZE_BYTES // 300)
    size_bytes = huge_file(path, spread)

    full = run("backup", repository, code, path)
    assert full["read_bytes"] <= (len(spread) + 2) * BLOCK_SIZE_BYTES
    assert full["stored_bytes"] < 16 * 1024 * 1024

    changed = [spread[7], spread[150], spread[150] + 1, size_bytes // BLOCK_SIZE_BYTES - 5]
    with path.open("r+b") as file:
        for number in changed:
            os.pwrite(file.fileno(), b"changed" * 100, number * BLOCK_SIZE_BYTES)
    lines = [f"{number * BLOCK_SIZE_BYTES} 700" for number in changed]
    second = run("backup", repository, code, path, *lines)
    assert second["read_bytes"] == len(changed) * BLOCK_SIZE_BYTES
    depth = depth_of(-(-size_bytes // BLOCK_SIZE_BYTES))
    assert 0 < second["map_bytes"] <= len(changed) * depth * 12 * 1024

    restored = tmp_path / "restored"
    restore = run("restore", repository, code, restored)
    assert_same(path, restored)
    assert restored.stat().st_blocks * 512 < 2 * (len(spread) + 10) * BLOCK_SIZE_BYTES
    for name, said in (("full", full), ("incremental", second), ("restore", restore)):
        request.node.user_properties.append((f"peak of {name} in MiB", said["peak_bytes"] // 1024**2))
