"""Ledger batches and checkpoints (section 12)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.domain.errors import FormatError
from holdfast.repository.format import cbor, names
from holdfast.repository.format.epoch import KID_LIMIT

CHECKPOINT_EVERY = 1000
FIRST_PREVIOUS = bytes(32)
OPEN, COMMIT, RETIRE, PIN, UNPIN = "open", "commit", "retire", "pin", "unpin"
PLAN, RENEW = "plan", "renew"
TYPES = (OPEN, COMMIT, RETIRE, PIN, UNPIN, PLAN, RENEW)

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """One ledger object: records of one process, chained to the object before."""

    sequence: int
    previous: bytes
    time: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class LedgerState:
    """The sum of the ledger up to `sequence`, keyed by session. `head` is the SHA-256 of that whole object;
    `plan_epoch` the newest plan that it tells of, also by a point that was made under it: that one must be there;
    `renewed` the last record of a renewal of locks; `once` the tenants, as keys name them, of which a session has ended
    without a point, or a point was deleted.
    """

    sequence: int = 0
    head: bytes = FIRST_PREVIOUS
    live: Mapping[bytes, Record] = field(default_factory=dict)
    open: Mapping[bytes, Record] = field(default_factory=dict)
    pins: Mapping[bytes, Record] = field(default_factory=dict)
    plan_epoch: int = 0
    renewed: Record | None = None
    once: frozenset[str] = frozenset()

    def has_known(self, tenant: str) -> bool:
        """Whether it tells, or told, of a session of that tenant."""
        told = (record for records in (self.live, self.open) for record in records.values())
        return tenant in self.once or any(names.tenant_word(str(record["point"])) == tenant for record in told)


def encode_batch(batch: Batch) -> bytes:
    """Object to bytes."""
    return cbor.encode(
        {
            "sequence": batch.sequence,
            "previous": batch.previous,
            "time": batch.time,
            "records": [dict(record) for record in batch.records],
        }
    )


def decode_batch(body: bytes) -> Batch:
    """Bytes to object; a record of unknown type is refused, for it may matter."""
    fields = cbor.decode(body, "ledger batch")
    records = tuple(_record(item) for item in fields.maps("records"))
    return Batch(fields.natural("sequence"), fields.sized("previous", 32), fields.get("time", str), records)


def _record(fields: cbor.Fields) -> Record:
    kind = fields.get("type", str)
    if kind not in TYPES:
        raise FormatError(
            f"ledger record of unknown type {kind}", why="it may change what is live", cure="use a newer Holdfast"
        )
    fields.sized("session", 16)
    if kind in (OPEN, COMMIT, RETIRE):
        fields.get("point", str)
    if kind == OPEN and fields.optional("kid", int) is not None:
        fields.natural("kid", KID_LIMIT)
    if kind == COMMIT:
        for key in ("time", "tenant", "workload", "kind", "created"):
            fields.get(key, str)
        fields.natural("size")
        fields.optional("parent", bytes)
        if fields.optional("origin", bytes) is not None:
            fields.sized("origin", 32)
        if fields.optional("plan_epoch", int) is not None:
            fields.natural("plan_epoch")
        fields.optional("keep_until", str)
        if fields.optional("manifest", bytes) is not None:
            fields.sized("manifest", 32)
    if kind == PLAN:
        fields.natural("plan_epoch")
    if kind in (PLAN, RENEW):
        fields.get("time", str)
    return fields.values


def apply(state: LedgerState, batches: Iterable[tuple[Batch, bytes]]) -> LedgerState:
    """The state after these batches, each given with the SHA-256 of its whole object; their chain was checked
    before.
    """
    live, opened, pins = dict(state.live), dict(state.open), dict(state.pins)
    sequence, head, plan_epoch, renewed = state.sequence, state.head, state.plan_epoch, state.renewed
    once = set(state.once)
    for batch, object_sha256 in batches:
        sequence, head = batch.sequence, object_sha256
        for record in batch.records:
            if record["type"] == RENEW:
                renewed = record
            if record["type"] == RETIRE:
                once.add(names.tenant_word(str(record["point"])))
            _apply_record(record, live, opened, pins)
            plan_epoch = max(plan_epoch, record.get("plan_epoch") or 0)
    return LedgerState(sequence, head, live, opened, pins, plan_epoch, renewed, frozenset(once))


def _apply_record(
    record: Record, live: dict[bytes, Record], opened: dict[bytes, Record], pins: dict[bytes, Record]
) -> None:
    session = record["session"]
    match record["type"]:
        case "open":
            opened[session] = record
        case "commit":
            opened.pop(session, None)
            live[session] = record
        case "retire":
            opened.pop(session, None)
            live.pop(session, None)
        case "pin":
            pins[session] = record
        case "unpin":
            pins.pop(session, None)


def encode_checkpoint(state: LedgerState) -> bytes:
    """A checkpoint of `state`."""
    return cbor.encode(
        {
            "sequence": state.sequence,
            "head": state.head,
            "live": [dict(record) for record in state.live.values()],
            "open": [dict(record) for record in state.open.values()],
            "pins": [dict(record) for record in state.pins.values()],
            **({"plan_epoch": state.plan_epoch} if state.plan_epoch else {}),
            **({} if state.renewed is None else {"renewed": dict(state.renewed)}),
            **({"once": sorted(state.once)} if state.once else {}),
        }
    )


def decode_checkpoint(body: bytes) -> LedgerState:
    """The state that a checkpoint holds."""
    fields = cbor.decode(body, "ledger checkpoint")
    parts: dict[str, dict[bytes, Record]] = {}
    for name in ("live", "open", "pins"):
        parts[name] = {record["session"]: record for record in (_record(item) for item in fields.maps(name))}
    renewed = fields.optional("renewed", dict)
    return LedgerState(
        fields.natural("sequence"),
        fields.sized("head", 32),
        parts["live"],
        parts["open"],
        parts["pins"],
        fields.natural("plan_epoch") if "plan_epoch" in fields.values else 0,
        None if renewed is None else _record(cbor.Fields(renewed, "ledger checkpoint.renewed")),
        frozenset(fields.texts("once") if "once" in fields.values else ()),
    )
