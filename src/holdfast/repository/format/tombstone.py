"""The body of a tombstone (section 14): it stands where a point would, so that this session can make none."""

from dataclasses import dataclass

from holdfast.repository.format import cbor


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Which session was ended without a point, and when."""

    session: bytes
    time: str


def encode(tombstone: Tombstone) -> bytes:
    """Object to bytes."""
    return cbor.encode({"session": tombstone.session, "time": tombstone.time})


def decode(body: bytes) -> Tombstone:
    """Bytes to object."""
    fields = cbor.decode(body, "tombstone")
    return Tombstone(fields.sized("session", 16), fields.get("time", str))
