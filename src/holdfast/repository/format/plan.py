"""Collection plans (section 13). This version reads and honours them; it does not write them yet."""

from dataclasses import dataclass

from holdfast.repository.format import cbor


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collector promised: the points it counts as live, the packs it condemned, the index runs in force."""

    epoch: int
    live: frozenset[bytes]
    condemned: frozenset[bytes]
    index_runs: frozenset[str]


NO_PLAN = Plan(0, frozenset(), frozenset(), frozenset())


def decode(body: bytes) -> Plan:
    """Bytes to object."""
    fields = cbor.decode(body, "plan")
    return Plan(
        epoch=fields.natural("epoch"),
        live=frozenset(fields.rows("live", 16)),
        condemned=frozenset(fields.rows("condemned", 16)),
        index_runs=frozenset(fields.texts("index_runs")),
    )


def encode(plan: Plan, time: str) -> bytes:
    """Object to bytes."""
    return cbor.encode(
        {
            "epoch": plan.epoch,
            "live": b"".join(sorted(plan.live)),
            "condemned": b"".join(sorted(plan.condemned)),
            "index_runs": sorted(plan.index_runs),
            "time": time,
        }
    )
