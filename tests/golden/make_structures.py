"""Writes structures.json: every structure of the format under fixed keys and salts, by the independent implementation.

python -m tests.golden.make_structures
"""

import json
from pathlib import Path
from typing import Any

from tests.golden import independent as plain
from tests.golden.make_vectors import (
    CHUNKING_KEY,
    ID_KEY,
    MASTER,
    NAME_KEY,
    PACK,
    REPOSITORY,
    SALT,
    SESSION,
    SLOT,
    TENANT,
)

STRUCTURES = Path(__file__).with_name("structures.json")

KID = 1
TIME = "2026-11-22T20:38:02.123456Z"
LATER = "2026-11-22T20:39:02.000000Z"
NONCE = bytes(range(0x20, 0x2C))
OTHER_SESSION = bytes(range(0x90, 0xA0))
OTHER_PACK = bytes(range(0x61, 0x71))
WORKLOAD = plain.workload_id(ID_KEY, "web")
POINT = f"points/{TENANT.hex()}/{WORKLOAD.hex()}/{SESSION.hex()}"
RUN = f"index/{TENANT.hex()}/{SESSION.hex()}-0000"
SLOT_HEADER = {
    "format": 1,
    "suite": 2,
    "repository": REPOSITORY,
    "kid": KID,
    "slot": SLOT,
    "label": "Größe",
    "created": TIME,
}
COST = {"memory_kib": 65536, "iterations": 3, "lanes": 4}
PASSWORD = b"correct horse"
CONTEXT_KEY = bytes(range(0x30, 0x50))
ROW = plain.pack_row(KID, SESSION, PACK)
OTHER_ROW = plain.pack_row(KID, OTHER_SESSION, OTHER_PACK)

# Chunks as packs hold them: (plain bytes, compression, stored bytes). The frame is fixed: compressors change, it stays.
HELLO_FRAME = bytes.fromhex("28b52ffd606100c500008868656c6c6f2c2062797465732c20656e6401004da14e25")


def chunk(chunk_type: int, content: bytes, stored: bytes | None = None) -> tuple[bytes, int, int, int, bytes]:
    """A chunk as `independent.pack` takes it."""
    identity = plain.chunk_id(ID_KEY, chunk_type, content)
    return identity, len(content), chunk_type, 0 if stored is None else 1, content if stored is None else stored


def fixed_leaf() -> bytes:
    """Two packs, three entries, holes between and after them."""
    entries = [bytes(51)] * 128
    entries[0] = plain.entry(SALT, 0, 0, 96, 524304, 524288, 0)
    entries[5] = plain.entry(ID_KEY, 1, 7, 70000, 1016, 524288, 1)
    entries[127] = plain.entry(NAME_KEY, 0, 1, 524400, 17, 1, 0)
    return plain.node(0, 0, 128, 0, [ROW, OTHER_ROW], entries)


def fixed_inner() -> bytes:
    """A node of level 3 with one child."""
    return plain.node(3, 0, 128, 0, [ROW], [bytes(51), plain.entry(SALT, 0, 2, 200, 300, 6652, 1)])


def stream_leaf() -> bytes:
    """Three chunks of varying length."""
    lengths = [300_000, 1, 4_194_304]
    entries = [plain.entry(SALT, 0, n, 96 + n, length + 16, length, 0) for n, length in enumerate(lengths)]
    return plain.node(0, 1, 3, sum(lengths), [ROW], entries)


def stream_inner() -> bytes:
    """Two children and what they cover."""
    covered = [4_494_305, 2**40]
    entries = [plain.entry(SALT, 0, 0, 96, 500, 6600, 1), plain.entry(ID_KEY, 1, 0, 96, 500, 6600, 1)]
    return plain.node(1, 1, 2, sum(covered), [ROW, OTHER_ROW], entries) + plain.spans(covered)


def bodies() -> dict[str, tuple[int, str, str, dict[str, Any]]]:
    """Name: kind, label of the key, object key, fields."""
    commit: dict[str, Any] = {"type": "commit", "session": SESSION, "point": POINT, "time": LATER, "tenant": "default"}
    commit |= {"workload": "web", "kind": "image", "created": TIME, "size": 600_000_000_000, "parent": OTHER_SESSION}
    opened = {"type": "open", "session": OTHER_SESSION, "point": POINT, "time": TIME}
    pin: dict[str, Any] = {"type": "pin", "session": SLOT, "points": [SESSION, OTHER_SESSION], "time": LATER}
    retire = {"type": "retire", "session": OTHER_SESSION, "point": POINT, "time": LATER}
    unpin = {"type": "unpin", "session": SLOT}
    config: dict[str, Any] = {
        "format": 1,
        "suite": 2,
        "repository": REPOSITORY,
        "class": "standard",
        "block_size": 524288,
    }
    config |= {"pack_size": 16777216, "name_key": NAME_KEY, "created": TIME}
    tenant = {"name": "default", "id_key": ID_KEY, "chunking_key": CHUNKING_KEY, "created": TIME}
    batch = {"sequence": 3, "previous": SALT, "time": LATER, "records": [opened, commit, retire, pin, unpin]}
    first = {"sequence": 1, "previous": bytes(32), "time": TIME, "records": [opened]}
    checkpoint = {"sequence": 1000, "head": SALT, "live": [commit], "open": [opened], "pins": [pin]}
    planned = {"type": "plan", "session": SLOT, "time": LATER, "plan_epoch": 8}
    renewed = {"type": "renew", "session": SLOT, "time": LATER}
    upkeep = batch | {"sequence": 5, "records": [planned, renewed]}
    later = checkpoint | {"sequence": 2000, "plan_epoch": 8, "renewed": renewed}
    deleted = checkpoint | {"sequence": 3000, "once": [TENANT.hex()]}
    plan = {"epoch": 7, "live": SESSION + OTHER_SESSION, "condemned": PACK, "index_runs": [RUN], "time": TIME}
    roots = [manifest()["volumes"][0]["root"], None]
    origin = {"repository": TENANT, "point": OTHER_SESSION, "from": WORKLOAD, "roots": roots}
    copied = batch | {"sequence": 4, "records": [commit | {"origin": TENANT + OTHER_SESSION}]}
    session = SESSION.hex()
    claim = {"holder": SLOT, "number": 2, "taken": TIME, "time": LATER, "party": "build-7, process 4711"}
    return {
        "config": (1, "config", "config", config),
        "tenant": (2, "tenant", f"tenants/{TENANT.hex()}", tenant),
        "manifest": (4, "point", POINT, manifest()),
        "manifest of a copy": (4, "point", POINT, manifest() | {"origin": origin, "keep_until": LATER}),
        "ledger batch of a copy": (7, "ledger", f"ledger/{4:020d}", copied),
        "tombstone": (5, "point", POINT, {"session": SESSION, "time": LATER}),
        "retirement": (6, "retired", f"retired/{session}", {"session": SESSION, "point": POINT, "time": LATER}),
        "ledger batch": (7, "ledger", f"ledger/{3:020d}", batch),
        "first ledger batch": (7, "ledger", f"ledger/{1:020d}", first),
        "checkpoint": (8, "ledger", f"ledger/checkpoints/{1000:020d}", checkpoint),
        "ledger batch of upkeep": (7, "ledger", f"ledger/{5:020d}", upkeep),
        "checkpoint after upkeep": (8, "ledger", f"ledger/checkpoints/{2000:020d}", later),
        "checkpoint after a deletion": (8, "ledger", f"ledger/checkpoints/{3000:020d}", deleted),
        "plan": (9, "plan", f"plan/{7:020d}", plan),
        "acknowledgement": (10, "", f"sessions/{session}/ack-{7:020d}", {"session": SESSION, "epoch": 7}),
        "sign of life": (13, "", f"sessions/{session}/alive-{494592:020d}", {"session": SESSION, "hour": 494592}),
        "plan with survivors": (9, "plan", f"plan/{8:020d}", plan | {"epoch": 8, "survivors": PACK + OTHER_PACK}),
        "plan with unnamed packs": (9, "plan", f"plan/{9:020d}", plan | {"epoch": 9, "unnamed": PACK}),
        **work(f"sessions/{session}/"),
        "lease claim": (16, "lease", f"leases/{SLOT.hex()}-{2:010d}", claim),
        "session checkpoint": (14, "", f"sessions/{session}/checkpoint-0001-{2:08d}", session_checkpoint()),
    }


def work(scratch: str) -> dict[str, tuple[int, str, str, dict[str, Any]]]:
    """What a worker is given to do, and its answers: of a backup at the first attempt, of a restore at the second."""
    owner = {"repository": REPOSITORY, "kid": KID, "tenant": TENANT, "id_key": ID_KEY}
    owner |= {f"{name}_key": plain.tenant_key(MASTER, REPOSITORY, KID, name, TENANT) for name in ("map", "index")}
    first: dict[str, Any] = {"format": 1, "session": SESSION, "attempt": 1}
    second = first | {"attempt": 2}
    volume = manifest()["volumes"][0]
    order = {"name": "volume", "source": {"kind": "ebs", "snapshot": "snap-1"}, "parent": volume, "size": 2**40}
    fresh = {"name": "new", "source": {"tags": {"a": [1, None, True]}}, "parent": None, "size": None}
    data_keys = [plain.session_data_key(MASTER, REPOSITORY, KID, session) for session in (SESSION, OTHER_SESSION)]
    backup = first | owner | {"work": "backup", "limits": {"requests": 500}, "data_key": data_keys[0]}
    backup |= {"pack_size": 16777216, "workload": "web", "workload_id": WORKLOAD, "level": 3, "plan_epoch": 7}
    backup |= {"condemned": PACK + OTHER_PACK, "index_runs": [{"key": RUN, "size": 5000, "in_force": True}]}
    backup |= {"further_runs": [RUN], "parent": OTHER_SESSION, "volumes": [order, fresh]}
    restore = second | owner | {"work": "restore", "limits": {}, "index_runs": [RUN]}
    restore |= {"data_keys": SESSION + data_keys[0] + OTHER_SESSION + data_keys[1]}
    restore |= {"volumes": [{"volume": volume, "target": {"kind": "ebs", "region": "eu-west-1"}}]}
    done = first | {"work": "backup", "statistics": {"read_bytes": 2**40}, "warnings": ["volume: all was read"]}
    done |= {"volumes": [volume], "methods": ["compared"], "packs": manifest()["packs"], "index_runs": [RUN]}
    restored = second | {"work": "restore", "statistics": {"get": 3}, "warnings": []}
    restored |= {"volumes": [{"name": "volume", "size": 600_000_000_000, "facts": {"snapshot_id": "snap-2"}}]}
    return {
        "backup task": (11, "", f"{scratch}task-0001", marked(backup)),
        "restore task": (11, "", f"{scratch}task-0002", marked(restore)),
        "backup result": (12, "", f"{scratch}result-0001", done),
        "restore result": (12, "", f"{scratch}result-0002", restored),
    }


def session_checkpoint() -> dict[str, Any]:
    """The second of its session: a chunk of its own, zeros, and a chunk of another session's."""
    own, foreign = plain.entry(SALT, 0, 0, 96, 524304, 524288, 0), plain.entry(ID_KEY, 1, 7, 70000, 1016, 524288, 1)
    blocks = b"".join(plain.u64(block) + entry for block, entry in ((3, own), (4, bytes(51)), (2**40, foreign)))
    volume = {"name": "volume", "size": 2**60, "source": {"kind": "ebs", "snapshot": "snap-1"}}
    volume |= {"pack_rows": ROW + OTHER_ROW, "blocks": blocks}
    packs = PACK + b"\0" + plain.u32(16_777_216) + SALT
    first = {"format": 1, "session": SESSION, "attempt": 1, "number": 2, "workload": WORKLOAD, "packs": packs}
    return marked(first | {"volumes": [volume]}, b"checkpoint")


def marked(task: dict[str, Any], label: bytes = b"task") -> dict[str, Any]:
    """The task with the appliance's mark; a checkpoint with its own."""
    key = plain.expand(plain.sub(MASTER, REPOSITORY, KID, "scratch"), label)
    return task | {"proof": plain.keyed_hash(key, plain.cbor(task | {"proof": bytes(32)}))}


def manifest() -> dict[str, Any]:
    """One image volume with a map, and one that is empty."""
    fixed: dict[str, Any] = {"name": "volume", "size": 600_000_000_000, "block_size": 524288, "cut": 0, "depth": 3}
    fixed |= {"root": ROW + plain.entry(SALT, 0, 2, 200, 300, 6652, 1), "source": {"kind": "file", "name": "Größe"}}
    empty = {"name": "empty", "size": 0, "block_size": 0, "cut": 1, "depth": 1, "root": None, "source": {}}
    packs = PACK + b"\0" + plain.u32(16_777_216) + SALT + OTHER_PACK + b"\1" + plain.u32(7000) + ID_KEY
    return {
        "format": 1, "kind": "image", "tenant": "default", "workload": "web", "session": SESSION, "created": TIME,
        "committed": LATER, "parent": OTHER_SESSION, "volumes": [fixed, empty], "packs": packs, "index_runs": [RUN],
        "plan_epoch": 0, "keep_until": None, "writer": "holdfast 0.1.0", "statistics": {"read_bytes": 2**40, "new": 0},
    }  # fmt: skip


def index_run() -> bytes:
    """Three chunks in two packs."""
    rows = [
        NAME_KEY + b"\1" + plain.u32(0) + b"".join(map(plain.u32, (0, 96, 524304, 524288))) + b"\0",
        ID_KEY + b"\2" + plain.u32(1) + b"".join(map(plain.u32, (7, 70000, 1016, 6652))) + b"\1",
        SALT + b"\1" + plain.u32(0) + b"".join(map(plain.u32, (1, 524400, 17, 1))) + b"\0",
    ]
    header = {"session": SESSION, "workload": WORKLOAD, "verified": True, "plan_epoch": 0, "count": 3}
    return plain.index_run(header | {"packs": ROW + OTHER_ROW}, rows)


def structures() -> dict[str, dict[str, str]]:
    """Every structure: its key, or nothing where it has none of its own, and its bytes in hex."""
    found: dict[str, tuple[str, bytes]] = {}
    for name, (number, label, key, fields) in bodies().items():
        of_kind = plain.sub(MASTER, REPOSITORY, KID, label or "scratch")
        of_kind = of_kind if label else plain.scratch_key(MASTER, REPOSITORY, KID, SESSION)
        found[name] = (key, plain.envelope(number, of_kind, key, REPOSITORY, KID, SALT, plain.cbor(fields)))
    of_index = plain.tenant_key(MASTER, REPOSITORY, KID, "index", TENANT)
    found["index run"] = (RUN, plain.envelope(3, of_index, RUN, REPOSITORY, KID, SALT, index_run()))
    for kind, kek, more in (
        ("password", plain.password_kek(PASSWORD, SALT[:16], **COST), {"salt": SALT[:16], **COST}),
        ("recovery", plain.recovery_kek(ID_KEY), {}),
        ("kms", CONTEXT_KEY, {"key_id": "alias/backup", "wrapped": b"under the key service's own key"}),
    ):
        data = plain.key_slot({**SLOT_HEADER, "kind": kind, **more}, kek, MASTER, NONCE)
        found[f"{kind} slot"] = (f"keys/{SLOT.hex()}", data)
    of_epoch = plain.sub(MASTER, REPOSITORY, 2, "epoch")
    fields = {"kid": 2, "older": plain.u32(1) + ID_KEY, "time": TIME}
    epoch = f"epochs/{2:010d}"
    found["epoch"] = (epoch, plain.envelope(15, of_epoch, epoch, REPOSITORY, 2, SALT, plain.cbor(fields)))
    later = {**SLOT_HEADER, "format": 2, "kid": 2, "kind": "recovery", "check": plain.slot_check(MASTER)}
    data = plain.key_slot(later, plain.recovery_kek(ID_KEY), MASTER, NONCE)
    found["later slot"] = (f"keys/{SLOT.hex()}", data)
    data_chunks = [chunk(1, b"a first chunk"), chunk(1, b""), chunk(1, b"hello, bytes, " * 25 + b"end", HELLO_FRAME)]
    map_chunks = [chunk(2, fixed_leaf()), chunk(2, stream_inner())]
    of_data = plain.session_data_key(MASTER, REPOSITORY, KID, SESSION)
    of_maps = plain.session_map_key(MASTER, REPOSITORY, KID, TENANT, SESSION)
    for name, flags, parent, chunks in (("data pack", 0, of_data, data_chunks), ("map pack", 1, of_maps, map_chunks)):
        keys = plain.pack_key(parent, PACK)
        data = plain.pack(keys, flags, REPOSITORY, KID, SESSION, PACK, chunks)
        found[name] = (f"packs/{PACK.hex()[:2]}/{PACK.hex()}", data)
    for build in (fixed_leaf, fixed_inner, stream_leaf, stream_inner):
        found[build.__name__.replace("_", " ")] = ("", build())
    return {name: {"key": key, "bytes": data.hex()} for name, (key, data) in found.items()}


if __name__ == "__main__":
    STRUCTURES.write_text(json.dumps(structures(), indent=1) + "\n")
