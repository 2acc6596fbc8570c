"""Writes vectors.json: every derivation of the format, its inputs and output, by the independent implementation.

python -m tests.golden.make_vectors
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.golden import independent as plain

VECTORS = Path(__file__).with_name("vectors.json")

MASTER = bytes(range(32))
REPOSITORY = bytes(range(0x40, 0x50))
SESSION = bytes(range(0x50, 0x60))
PACK = bytes(range(0x60, 0x70))
SLOT = bytes(range(0x70, 0x80))
NAME_KEY = bytes(range(0x80, 0xA0))
ID_KEY = bytes(range(0xA0, 0xC0))
CHUNKING_KEY = bytes(range(0xC0, 0xE0))
SALT = bytes(range(0xE0, 0x100))
TENANT = plain.tenant_id(NAME_KEY, "default")
LABELS = ("data", "map", "index", "point", "retired", "scratch", "plan", "ledger", "config", "tenant")
PROFILES = {"dump": (256 * 1024, 20, 4 * 1024 * 1024), "file": (16 * 1024, 16, 256 * 1024)}

Vector = dict[str, Any]


def stream(seed: str, size_bytes: int) -> bytes:
    """A stream that any SHAKE-128 can make."""
    return hashlib.shake_128(seed.encode()).digest(size_bytes)


def vectors() -> list[Vector]:
    """All vectors, bytes in hex."""
    return [*keys(), *names(), *names_in_suite_1(), *secrets(), *objects(), *cutting()]


def vector(what: str, output: bytes | str | list[int], **inputs: object) -> Vector:
    def shown(value: object) -> object:
        return value.hex() if isinstance(value, bytes) else value

    return {"what": what, "inputs": {key: shown(value) for key, value in inputs.items()}, "output": shown(output)}


def keys() -> Iterator[Vector]:
    for kid in (1, 0x01020304):
        root = {"master": MASTER, "repository": REPOSITORY, "kid": kid}
        for label in LABELS:
            yield vector("sub", plain.sub(MASTER, REPOSITORY, kid, label), **root, label=label)
        for label in ("map", "index"):
            key = plain.tenant_key(MASTER, REPOSITORY, kid, label, TENANT)
            yield vector(f"K_{label}", key, **root, tenant=TENANT)
        data = plain.session_data_key(MASTER, REPOSITORY, kid, SESSION)
        maps = plain.session_map_key(MASTER, REPOSITORY, kid, TENANT, SESSION)
        of_session = {**root, "tenant": TENANT, "session": SESSION}
        yield vector("SD", data, **of_session)
        yield vector("SM", maps, **of_session)
        yield vector("pack key", plain.pack_key(data, PACK), **of_session, pack=PACK, flags=0)
        yield vector("pack key", plain.pack_key(maps, PACK), **of_session, pack=PACK, flags=1)
        yield vector("SS", plain.scratch_key(MASTER, REPOSITORY, kid, SESSION), **root, session=SESSION)
    yield vector("pin", plain.expand(MASTER, b"check"), master=MASTER)


def names() -> Iterator[Vector]:
    for name in ("default", "", "Ärzte & Söhne/東京"):
        yield vector("tenant id", plain.tenant_id(NAME_KEY, name), name_key=NAME_KEY, name=name)
        yield vector("workload id", plain.workload_id(ID_KEY, name), id_key=ID_KEY, name=name)
    for chunk_type in (1, 2):
        for data in (b"", b"a chunk", bytes(5000)):
            yield vector(
                "chunk id", plain.chunk_id(ID_KEY, chunk_type, data), id_key=ID_KEY, type=chunk_type, plain=data
            )


def names_in_suite_1() -> Iterator[Vector]:
    for name in ("default", "Ärzte & Söhne/東京"):
        yield vector("suite 1 tenant id", plain.tenant_id(NAME_KEY, name, 1), name_key=NAME_KEY, name=name)
        yield vector("suite 1 workload id", plain.workload_id(ID_KEY, name, 1), id_key=ID_KEY, name=name)
    for data in (b"", bytes(5000)):
        yield vector("suite 1 chunk id", plain.chunk_id(ID_KEY, 1, data, 1), id_key=ID_KEY, type=1, plain=data)


def secrets() -> Iterator[Vector]:
    cost = {"memory_kib": 65536, "iterations": 3, "lanes": 4}
    for password in (b"correct horse", "Größe".encode()):
        key = plain.password_kek(password, SALT[:16], **cost)
        yield vector("password KEK", key, password=password, salt=SALT[:16], **cost)
    for code in (bytes(32), b"\xff" * 32, MASTER):
        yield vector("recovery KEK", plain.recovery_kek(code), code=code)
        yield vector("recovery text", plain.recovery_text(code), code=code)
    salt = SALT[:16]
    key = plain.approved_password_kek(b"correct horse", salt, 600_000)
    yield vector("suite 1 password KEK", key, password=b"correct horse", salt=salt, iterations=600_000)
    yield vector("slot check", plain.slot_check(MASTER), master=MASTER)
    yield vector("slot key", plain.slot_key(ID_KEY, REPOSITORY, SLOT), kek=ID_KEY, repository=REPOSITORY, slot=SLOT)


def objects() -> Iterator[Vector]:
    for name in ("config", f"retired/{SESSION.hex()}"):
        key = plain.envelope_key(ID_KEY, name, SALT)
        yield vector("envelope key", key, kind_key=ID_KEY, object_key=name, salt=SALT)


def cutting() -> Iterator[Vector]:
    table = plain.gear(CHUNKING_KEY)
    numbers = [int.from_bytes(table[at : at + 4], "big") for at in range(0, 1024, 4)]
    yield vector("gear table", table, chunking_key=CHUNKING_KEY)
    data = stream("rolling", 100)
    hashes = [plain.window_hash(numbers, data, n) for n in range(len(data))]
    yield vector("rolling hashes", hashes, gear=table, data=data)
    for name, size_bytes in (("file", 1_500_000), ("dump", 7_000_000)):
        least, bits, most = PROFILES[name]
        lengths = list(plain.cut_lengths(table, stream(name, size_bytes), least, bits, most))
        profile = {"least": least, "bits": bits, "most": most}
        yield vector("cut lengths", lengths, gear=table, seed=name, size_bytes=size_bytes, **profile)


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")
