"""The body of `leases/<holder>-<number>` (section 20): that party writes, and was alive when it said so."""

from dataclasses import dataclass

from holdfast.repository.format import cbor

NUMBER_LIMIT = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Claim:
    """`taken`: since when the holder writes, `time`: when it said so last; `party` is for people."""

    holder: bytes
    number: int
    taken: str
    time: str
    party: str


def encode(claim: Claim) -> bytes:
    """Object to bytes."""
    return cbor.encode(
        {
            "holder": claim.holder,
            "number": claim.number,
            "taken": claim.taken,
            "time": claim.time,
            "party": claim.party,
        }
    )


def decode(body: bytes) -> Claim:
    """Bytes to object."""
    fields = cbor.decode(body, "lease claim")
    return Claim(
        holder=fields.sized("holder", 16),
        number=fields.natural("number", NUMBER_LIMIT),
        taken=fields.get("taken", str),
        time=fields.get("time", str),
        party=fields.get("party", str),
    )
