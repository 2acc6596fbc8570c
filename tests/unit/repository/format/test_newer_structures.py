"""A structure of a newer format is told from a damaged one."""

import pytest

from holdfast.domain.errors import FormatError, QuotaReachedError, UnsupportedFormatError
from holdfast.repository.format import cbor, envelope, manifest


def test_a_manifest_of_a_newer_format_asks_for_a_newer_program():
    with pytest.raises(UnsupportedFormatError, match="format 2"):
        manifest.decode(cbor.encode({"format": 2}))


def test_an_object_beyond_every_limit_is_refused_before_it_is_hashed():
    with pytest.raises(FormatError, match="allowed are"):
        envelope.read_header(bytes(envelope.OBJECT_LIMIT_BYTES + 1), "config")


def test_an_object_that_no_reader_would_take_is_not_written(monkeypatch):
    def sealed(body: bytes) -> bytes:
        return envelope.seal(
            envelope.Kind.PLAN,
            body,
            kind_key=bytes(32),
            object_key="plan/7",
            repository=bytes(16),
            kid=1,
            salt=bytes(32),
        )

    around = len(sealed(b""))
    monkeypatch.setattr(envelope, "OBJECT_LIMIT_BYTES", around + 100)
    assert len(sealed(bytes(100))) == around + 100
    with pytest.raises(QuotaReachedError, match=f"plan/7 would have {around + 101} bytes"):
        sealed(bytes(101))
