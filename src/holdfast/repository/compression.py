"""Compression of chunks (section 8): one zstd frame, or the bytes as they are where that is not smaller."""

import threading
from enum import IntEnum

import zstandard

from holdfast.repository.format.pack import PLAIN_LIMIT_BYTES, RAW, ZSTD
from holdfast.repository.object_store import Buffer

_local = threading.local()


class CompressionLevel(IntEnum):
    """zstd levels on offer; the default was chosen by measurement (docs/performance.md)."""

    FAST = 1
    DEFAULT = 3
    BEST = 9


def compress(data: Buffer, level: int) -> tuple[int, Buffer]:
    """(compression, stored bytes); the same bytes back under RAW where zstd does not make them smaller."""
    compressors = _local.__dict__.setdefault("compressors", {})
    compressor = compressors.get(level)
    if compressor is None:
        compressor = compressors[level] = zstandard.ZstdCompressor(level=level, write_checksum=False)
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
