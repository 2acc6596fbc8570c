"""Compression of chunks (section 8): one zstd frame, or the bytes as they are where that is not smaller."""

import threading
from enum import IntEnum

import zstandard

from holdfast.repository.format.pack import PLAIN_LIMIT_BYTES, RAW, ZSTD
from holdfast.repository.object_store import Buffer

_local = threading.local()


class CompressionLevel(IntEnum):
    """What is on offer, named by the zstd level that each is derived from."""

    FAST = 1
    DEFAULT = 3
    BEST = 9


# zstd's own tables for a level are made for a whole core. Two threads of one core share its cache: with smaller tables
# `default` needs a fifth less time than level 3 for 1.5 % more bytes, `fast` less than level 1 for fewer bytes
# (docs/performance.md).
_PARAMETERS = {
    CompressionLevel.FAST: {"hash_log": 13, "min_match": 6},
    CompressionLevel.DEFAULT: {"hash_log": 14, "chain_log": 13},
    CompressionLevel.BEST: {},
}


def compress(data: Buffer, level: CompressionLevel) -> tuple[int, Buffer]:
    """(compression, stored bytes); the same bytes back under RAW where zstd does not make them smaller."""
    compressors = _local.__dict__.setdefault("compressors", {})
    compressor = compressors.get(level)
    if compressor is None:
        parameters = zstandard.ZstdCompressionParameters.from_level(level, write_checksum=False, **_PARAMETERS[level])
        compressor = compressors[level] = zstandard.ZstdCompressor(compression_params=parameters)
    packed = compressor.compress(data)
    return (ZSTD, packed) if len(packed) < len(data) else (RAW, data)


def decompress(compression: int, stored: Buffer, plain_length: int) -> Buffer | None:
    """The plain bytes, None when `stored` is not what the place said; allocates at most `plain_length` bytes."""
    if compression == RAW:
        return stored if len(stored) == plain_length else None
    if compression != ZSTD or plain_length > PLAIN_LIMIT_BYTES:
        return None
    decompressor = _local.__dict__.get("decompressor")
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    try:
        if zstandard.frame_content_size(stored) != plain_length:
            return None
        plain: bytes = decompressor.decompress(stored, max_output_size=plain_length)
    except zstandard.ZstdError:
        return None
    return plain if len(plain) == plain_length else None
