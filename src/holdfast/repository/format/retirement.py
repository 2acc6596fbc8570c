"""The body of `retired/<session>` (section 14): a point that no longer is one."""

from dataclasses import dataclass

from holdfast.domain.errors import FormatError
from holdfast.repository.format import cbor


@dataclass(frozen=True, slots=True)
class Retirement:
    """Which point was retired, and when."""

    session: bytes
    point: str
    time: str


def encode(retirement: Retirement) -> bytes:
    """Object to bytes."""
    return cbor.encode({"session": retirement.session, "point": retirement.point, "time": retirement.time})


def decode(body: bytes) -> Retirement:
    """Bytes to object. Raises FormatError, also where the point's key is another session's."""
    fields = cbor.decode(body, "retirement")
    retirement = Retirement(fields.sized("session", 16), fields.get("point", str), fields.get("time", str))
    if not retirement.point.endswith(f"/{retirement.session.hex()}"):
        raise FormatError("a retirement contradicts itself", why=f"{retirement.point} is another session's point")
    return retirement
