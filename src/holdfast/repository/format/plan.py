"""Collection plans (section 13)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from holdfast.repository.format import cbor
from holdfast.repository.format.epoch import FIRST_EPOCH

SERVES_ALL = bytes(16)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collector promised: the points that may be built upon, the packs it condemned, the index runs in force.

    `unnamed`: of the condemned those that stood nowhere and that nothing named when the plan was made. `survivors`: for
    condemned packs, those that hold copies of all their live chunks. `merged`: sessions of merged runs, and the one
    workload that these serve, SERVES_ALL where they serve every one. `kid`: the key epoch under which it is sealed;
    `vouched`: the index runs under older ones that count, by key and digest, None under the first epoch and of earlier
    versions; `said_since`: of one that was handed over, the epoch since which plans say the same (section 21).
    """

    epoch: int
    live: frozenset[bytes]
    condemned: frozenset[bytes]
    index_runs: frozenset[str]
    survivors: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)
    merged: Mapping[bytes, bytes] = field(default_factory=dict)
    kid: int = FIRST_EPOCH
    vouched: Mapping[str, bytes] | None = None
    said_since: int | None = None
    unnamed: frozenset[bytes] = frozenset()

    @property
    def since(self) -> int:
        """A point or a run under this epoch or a later one is as good as under the plan itself; 0: every run is."""
        return self.epoch if self.said_since is None else self.said_since


def with_survivors(survivors: Mapping[bytes, frozenset[bytes]], packs: Iterable[bytes]) -> frozenset[bytes]:
    """These packs, the survivors of those that are condemned, and theirs."""
    found, new = set[bytes](), set(packs)
    while new:
        found |= new
        new = set[bytes]().union(*(survivors.get(pack, ()) for pack in new)) - found
    return frozenset(found)


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
        merged={row[:16]: row[16:] for row in _rows_if_any(fields, "merged", 32)},
        vouched=fields.digests("vouched") if "vouched" in fields.values else None,
        said_since=fields.natural("since") if "since" in fields.values else None,
        unnamed=frozenset(_rows_if_any(fields, "unnamed", 16)),
    )


def time_of(body: bytes) -> str:
    """When the plan was published, by its collector's clock."""
    return cbor.decode(body, "plan").get("time", str)


def _rows_if_any(fields: cbor.Fields, key: str, row_bytes: int) -> list[bytes]:
    return [] if fields.optional(key, bytes) is None else fields.rows(key, row_bytes)


def _survivors(fields: cbor.Fields) -> Mapping[bytes, frozenset[bytes]]:
    found: dict[bytes, set[bytes]] = {}
    for row in _rows_if_any(fields, "survivors", 32):
        found.setdefault(row[:16], set()).add(row[16:])
    return {pack: frozenset(others) for pack, others in found.items()}


def encode(plan: Plan, time: str) -> bytes:
    """Object to bytes. A plan without survivors, merged runs or unnamed packs has no such key."""
    survivors = sorted(pack + other for pack, others in plan.survivors.items() for other in others)
    merged = sorted(session + workload for session, workload in plan.merged.items())
    rare = (("survivors", survivors), ("merged", merged), ("unnamed", sorted(plan.unnamed)))
    some = {key: b"".join(rows) for key, rows in rare if rows}
    vouched = {} if plan.vouched is None else {"vouched": dict(plan.vouched)}
    since = {} if plan.said_since is None else {"since": plan.said_since}
    return cbor.encode(
        {
            **some,
            **vouched,
            **since,
            "epoch": plan.epoch,
            "live": b"".join(sorted(plan.live)),
            "condemned": b"".join(sorted(plan.condemned)),
            "index_runs": sorted(plan.index_runs),
            "time": time,
        }
    )
