"""Collection plans (section 13)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.repository.format import cbor


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collector promised: the points that may be built upon, the packs it condemned, the index runs in force.

    `survivors`: for condemned packs, those that hold copies of all their live chunks.
    """

    epoch: int
    live: frozenset[bytes]
    condemned: frozenset[bytes]
    index_runs: frozenset[str]
    survivors: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)


NO_PLAN = Plan(0, frozenset(), frozenset(), frozenset())


def decode(body: bytes) -> Plan:
    """Bytes to object."""
    fields = cbor.decode(body, "plan")
    return Plan(
        epoch=fields.natural("epoch"),
        live=frozenset(fields.rows("live", 16)),
        condemned=frozenset(fields.rows("condemned", 16)),
        index_runs=frozenset(fields.texts("index_runs")),
        survivors=_survivors(fields),
    )


def _survivors(fields: cbor.Fields) -> Mapping[bytes, frozenset[bytes]]:
    if fields.optional("survivors", bytes) is None:
        return {}
    found: dict[bytes, set[bytes]] = {}
    for row in fields.rows("survivors", 32):
        found.setdefault(row[:16], set()).add(row[16:])
    return {pack: frozenset(others) for pack, others in found.items()}


def encode(plan: Plan, time: str) -> bytes:
    """Object to bytes. A plan without survivors has no such key."""
    rows = sorted(pack + other for pack, others in plan.survivors.items() for other in others)
    return cbor.encode(
        {
            **({"survivors": b"".join(rows)} if rows else {}),
            "epoch": plan.epoch,
            "live": b"".join(sorted(plan.live)),
            "condemned": b"".join(sorted(plan.condemned)),
            "index_runs": sorted(plan.index_runs),
            "time": time,
        }
    )
