"""What Scratch promises, over memory and a file."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from holdfast.repository.scratch import MemoryScratch, ScratchFile


@pytest.fixture(params=[MemoryScratch, ScratchFile])
def scratch(request, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # it remembers the first answer
    return request.param()


def test_what_was_put_is_read(scratch):
    pieces = [b"", b"a", bytes(range(256)) * 999, bytearray(b"b"), memoryview(b"cd"), np.arange(5, dtype="<u4").data]
    places = [(scratch.append(piece), bytes(piece)) for piece in pieces]
    for offset, piece in reversed(places):
        assert scratch.read(offset, len(piece)) == piece
    offset, piece = places[2]
    assert scratch.read(offset + 1000, 77) == piece[1000:1077]


def test_nothing_stands_in_the_folder(scratch, tmp_path):
    scratch.append(b"x" * 5000)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_costs_memory_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    scratch = ScratchFile()
    pieces = [bytes([number]) * 3000 for number in range(6)]
    places = [scratch.append(pieces[0])]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        places.append(scratch.append(pieces[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    places += [scratch.append(piece) for piece in pieces[2:]]
    for place, piece in zip(places, pieces, strict=True):
        assert scratch.read(place, len(piece)) == piece
    assert scratch.read(100, 17_000) == b"".join(pieces)[100:17_100], "across the border"


def test_where_no_folder_takes_it_all_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    monkeypatch.setattr("holdfast.repository.scratch._LARGE_FILES", tmp_path / "neither")
    scratch = ScratchFile()
    assert [scratch.append(piece) for piece in (b"ab", b"cd")] == [0, 2]
    assert scratch.read(1, 2) == b"bc"


def test_it_lies_where_large_files_belong(monkeypatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    scratch = ScratchFile()
    scratch.append(b"x")
    folders = {
        Path(os.readlink(f"/proc/self/fd/{number}")).parent
        for number in map(int, os.listdir("/proc/self/fd"))
        if os.path.islink(f"/proc/self/fd/{number}")
    }
    assert Path("/var/tmp") in folders
