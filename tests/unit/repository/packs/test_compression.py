"""Compression never trusts a frame: a bomb, a lie or damage gives None, and takes no memory."""

import tracemalloc

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository.format.pack import PLAIN_LIMIT_BYTES, RAW, ZSTD
from holdfast.repository.packs.compression import CompressionLevel, compress, decompress

MOST_BYTES = 4 * 2**20


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 200), st.sampled_from(list(CompressionLevel)))
def test_what_goes_in_comes_out(data, times, level):
    plain = data * times
    compression, stored = compress(plain, level)
    assert len(stored) <= len(plain)
    assert (compression == ZSTD) == (len(stored) < len(plain))
    assert decompress(compression, stored, len(plain)) == plain


@pytest.mark.parametrize("said", [0, 1, 1000, PLAIN_LIMIT_BYTES, PLAIN_LIMIT_BYTES + 1])
def test_a_bomb_is_refused_without_unpacking_it(said):
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(256 * 2**20))
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        assert decompress(ZSTD, bomb, said) is None
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_refused():
    bomb = bytearray(zstandard.ZstdCompressor(level=19).compress(bytes(64 * 2**20)))
    size = (64 * 2**20).to_bytes(4, "little")
    at = bomb.index(size)
    bomb[at : at + 4] = (1000).to_bytes(4, "little")
    assert zstandard.frame_content_size(bytes(bomb)) == 1000
    tracemalloc.start()
    try:
        assert decompress(ZSTD, bytes(bomb), 1000) is None
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_frame_that_does_not_say_its_size_is_refused():
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 1000)
    assert decompress(ZSTD, silent, 1000) is None


def test_a_frame_of_another_size_is_refused():
    _compression, stored = compress(b"x" * 1000, CompressionLevel.DEFAULT)
    assert decompress(ZSTD, stored, 1000) == b"x" * 1000
    assert decompress(ZSTD, stored, 999) is None
    assert decompress(ZSTD, stored, 1001) is None


def test_raw_bytes_of_another_size_are_refused():
    assert decompress(RAW, b"12", 1) is None
    assert decompress(RAW, b"1", 1) == b"1"


@pytest.mark.parametrize("compression", [2, 255])
def test_an_unknown_compression_is_refused(compression):
    assert decompress(compression, b"1", 1) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 100))
def test_garbage_is_refused(data, size):
    for candidate in (data, zstandard.MAGIC_NUMBER.to_bytes(4, "little") + data):
        plain = decompress(ZSTD, candidate, size)
        assert plain is None or len(plain) == size
