"""The body of `sessions/<session>/alive-<hour>` (section 14): in that hour, by its own clock, the session was alive."""

from dataclasses import dataclass

from holdfast.repository.format import cbor


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life of a session or a reader; `hour` counts from 1970 in UTC."""

    session: bytes
    hour: int


def encode(alive: Alive) -> bytes:
    """Object to bytes."""
    return cbor.encode({"session": alive.session, "hour": alive.hour})


def decode(body: bytes) -> Alive:
    """Bytes to object."""
    fields = cbor.decode(body, "sign of life")
    return Alive(fields.sized("session", 16), fields.natural("hour"))
