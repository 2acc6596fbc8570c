"""The body of `sessions/<session>/ack-<epoch>` (section 14): that session knows that plan."""

from dataclasses import dataclass

from holdfast.repository.format import cbor


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A session's word that it knows the plan of `epoch`."""

    session: bytes
    epoch: int


def encode(acknowledgement: Acknowledgement) -> bytes:
    """Object to bytes."""
    return cbor.encode({"session": acknowledgement.session, "epoch": acknowledgement.epoch})


def decode(body: bytes) -> Acknowledgement:
    """Bytes to object."""
    fields = cbor.decode(body, "acknowledgement")
    return Acknowledgement(fields.sized("session", 16), fields.natural("epoch"))
