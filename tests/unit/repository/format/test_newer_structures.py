"""A structure of a newer format is told from a damaged one."""

import pytest

from holdfast.domain.errors import FormatError, UnsupportedFormatError
from holdfast.repository.format import cbor, envelope, manifest


def test_a_manifest_of_a_newer_format_asks_for_a_newer_program():
    with pytest.raises(UnsupportedFormatError, match="format 2"):
        manifest.decode(cbor.encode({"format": 2}))


def test_an_object_beyond_every_limit_is_refused_before_it_is_hashed():
    with pytest.raises(FormatError, match="allowed are"):
        envelope.read_header(bytes(envelope.OBJECT_LIMIT_BYTES + 1), "config")
