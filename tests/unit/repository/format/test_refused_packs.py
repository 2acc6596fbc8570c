"""A pack is as large as allowed and no larger, and its parts are refused by its name."""

import pytest

from holdfast.domain.errors import FormatError
from holdfast.repository.crypto.keys import AeadKey
from holdfast.repository.format import pack
from holdfast.repository.format.pack import FOOTER, TAG_BYTES, ChunkCipher, ChunkEntry, DirectorySpan, PackHeader

KEY = AeadKey(bytes(32), bytes(32))
CHUNK_BYTES = 100


def footer_of(size_bytes: int) -> bytes:
    """Of a pack of that size with an empty directory."""
    return pack.footer(size_bytes - FOOTER.size - TAG_BYTES, TAG_BYTES) + bytes(32)


def test_a_pack_is_as_large_as_allowed_and_no_larger():
    size_bytes = pack.PACK_LIMIT_BYTES
    span = pack.directory_span(footer_of(size_bytes), size_bytes, "packs/x")
    assert span == DirectorySpan(size_bytes - FOOTER.size - TAG_BYTES, TAG_BYTES)
    with pytest.raises(FormatError, match=rf"^packs/x has {size_bytes + 1} bytes \(no pack has that size\)"):
        pack.directory_span(footer_of(size_bytes + 1), size_bytes + 1, "packs/x")


def test_a_footer_that_is_another_packs_is_refused():
    with pytest.raises(FormatError, match=r"^packs/x has a bad footer \(its directory does not end at") as told:
        pack.directory_span(footer_of(1000), 1001, "packs/x")
    assert told.value.objects == ("packs/x",)


def test_a_part_of_a_header_is_refused():
    with pytest.raises(FormatError, match=r"^packs/x is too short \(95 bytes hold no pack header\)") as told:
        pack.open_parts(bytes(95), DirectorySpan(96, TAG_BYTES), b"", KEY, "packs/x")
    assert told.value.objects == ("packs/x",)


@pytest.mark.parametrize(
    ("offset", "kid", "why"),
    [
        (97, 1, "its chunks do not follow one another"),
        (96, 2, "its chunks do not follow one another"),
        (96, 1, "its chunks do not fill the pack"),
    ],
)
def test_a_sealed_directory_that_tells_of_no_pack_is_refused(offset, kid, why):
    """Who has the key of the session can seal any."""
    header = PackHeader(False, 1, b"r" * 16, b"s" * 16, b"p" * 16, KEY.commitment).encode()
    entry = ChunkEntry(bytes(32), offset, CHUNK_BYTES, CHUNK_BYTES - TAG_BYTES, 1, pack.RAW, kid)
    span = DirectorySpan(pack.HEADER_BYTES + CHUNK_BYTES + 1, pack.DIRECTORY_ENTRY.size + TAG_BYTES)
    directory = ChunkCipher(KEY, b"r" * 16, b"p" * 16).seal_directory(header, span.offset, [entry])
    with pytest.raises(FormatError, match=rf"^packs/x has a bad directory \({why}\)$") as told:
        pack.open_parts(header, span, directory, KEY, "packs/x")
    assert told.value.objects == ("packs/x",)
