"""The map of a snapshot's blocks against a plain dict."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.lab import block_map
from holdfast.lab.block_map import BlockMap, compared, overlaid, write_map

DIGESTS = st.sampled_from([bytes([value]) * 32 for value in range(4)])
BLOCKS = st.dictionaries(st.integers(0, 2**27 - 1) | st.integers(0, 20), DIGESTS, max_size=30)


def stored(blocks):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snap.map"
        write_map(path, sorted(blocks.items()))
        return BlockMap(path)


@given(BLOCKS, st.integers(0, 2**27))
def test_entries_are_those_written_from_any_number_on(blocks, starting):
    found = stored(blocks)
    assert len(found) == len(blocks)
    assert list(found.entries()) == sorted(blocks.items())
    assert list(found.entries(starting)) == sorted(item for item in blocks.items() if item[0] >= starting)
    assert list(found.digests()) == [digest for _, digest in sorted(blocks.items())]


@given(BLOCKS, BLOCKS)
def test_overlaying_is_updating(base, changes):
    assert dict(overlaid(sorted(base.items()), changes)) == base | changes
    assert list(overlaid(sorted(base.items()), changes)) == sorted((base | changes).items())


@given(BLOCKS, BLOCKS)
def test_comparing_names_every_block_of_both(first, second):
    found = list(compared(sorted(first.items()), sorted(second.items())))
    assert found == [(number, first.get(number), second.get(number)) for number in sorted(first.keys() | second.keys())]


def test_large_map_is_read_in_place(tmp_path, monkeypatch):
    monkeypatch.setattr(block_map, "IN_MEMORY_BYTES", 100)
    entries = [(number * 3, os.urandom(32)) for number in range(50)]
    write_map(tmp_path / "snap.map", entries)
    found = BlockMap(tmp_path / "snap.map")
    assert not isinstance(found._data, bytes)
    assert list(found.entries(4)) == entries[2:]
    assert list(found.digests()) == [digest for _, digest in entries]


def test_unfinished_map_is_never_seen(tmp_path):
    def entries():
        yield 1, bytes(32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_map(tmp_path / "snap.map", entries())
    assert not (tmp_path / "snap.map").exists()
