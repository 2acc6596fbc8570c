"""The cutter against a loop over bytes, across every way in which a stream may hand out its bytes."""

import hashlib
import io
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository.writing import stream_cutter
from holdfast.repository.writing.stream_cutter import CutProfile, StreamCutter, rolling_hashes
from tests.golden import independent

GEAR = independent.gear(b"chunking key".ljust(32))
SMALL = CutProfile(64, 7, 512)


class Halting(io.RawIOBase):
    """Gives as much as it likes to, as a pipe does, in pieces of these sizes over and over."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes, self._turn, self._at = data, sizes, 0, 0

    def read(self, size: int = -1) -> bytes:
        take = min(size, self._sizes[self._turn % len(self._sizes)])
        self._turn += 1
        self._at += take
        return self._data[self._at - take : self._at]


def cut(data: bytes, profile: CutProfile, sizes: list[int] | None = None) -> list[bytes]:
    stream = Halting(data, sizes or [len(data) + 1])
    return list(StreamCutter(GEAR, profile).cut(stream))  # type: ignore[arg-type]


def reference(data: bytes, profile: CutProfile) -> list[int]:
    return list(independent.cut_lengths(GEAR, data, profile.least_bytes, profile.bits, profile.most_bytes))


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Noise and runs, long enough for several chunks."""
    dice = random.Random(draw(st.integers(0, 2**32)))
    parts = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 3000)), max_size=5))
    return b"".join(dice.randbytes(size) if noise else dice.randbytes(1) * size for noise, size in parts)


@settings(max_examples=120, deadline=None)
@given(contents(), st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_cuts_where_a_loop_over_bytes_cuts_however_the_bytes_come(data, sizes):
    for taken in (cut(data, SMALL), cut(data, SMALL, sizes)):
        assert b"".join(taken) == data
        assert [len(chunk) for chunk in taken] == reference(data, SMALL)


@settings(max_examples=30, deadline=None)
@given(contents())
def test_pieces_read_ahead_move_no_cut(data):
    with pytest.MonkeyPatch.context() as patched:
        for read_bytes in (1, 31, 32, 33, 512):
            patched.setattr(stream_cutter, "_READ_BYTES", read_bytes)
            assert [len(chunk) for chunk in cut(data[:4000], SMALL)] == reference(data[:4000], SMALL)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_hash_is_the_sum_that_the_format_writes(data):
    table = np.frombuffer(GEAR, ">u4").astype(np.uint32)
    found = rolling_hashes(np.frombuffer(data, np.uint8), table)
    numbers = [int(number) for number in table]
    assert [int(h) for h in found] == [independent.window_hash(numbers, data, n) for n in range(len(data))]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 127, 128, 511, 512, 513, 1024])
@pytest.mark.parametrize("byte", [b"\0", b"x"])
def test_edges_of_the_profile(size, byte):
    data = byte * size
    assert [len(chunk) for chunk in cut(data, SMALL)] == reference(data, SMALL)


def test_a_change_moves_few_cuts():
    data = hashlib.shake_128(b"stream").digest(200_000)
    before = set(cut(data, SMALL))
    after = cut(data[:100_000] + b"inserted" + data[100_000:], SMALL)
    assert len([chunk for chunk in after if chunk not in before]) <= 4


def test_another_key_cuts_elsewhere():
    data = hashlib.shake_128(b"stream").digest(50_000)
    other = StreamCutter(independent.gear(bytes(32)), SMALL)
    assert [len(chunk) for chunk in other.cut(io.BytesIO(data))] != reference(data, SMALL)


def test_a_run_in_which_every_byte_may_end_a_chunk_is_cut_as_fast_as_any():
    # One tenant in some hundred thousand has such a table for zeros; a list of candidates would hold millions.
    gear = bytes(4) + GEAR[4:]
    profile = stream_cutter.DUMP
    chunks = list(StreamCutter(gear).cut(io.BytesIO(bytes(12 * 2**20 + 1))))
    assert [len(chunk) for chunk in chunks] == [profile.least_bytes] * 48 + [1]
