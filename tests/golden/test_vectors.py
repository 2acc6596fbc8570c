"""The product derives what the format says: vectors of an independent implementation, kept for ever."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE, FIPS_SUITE
from holdfast.repository.crypto.keys import AeadKey, MasterKey, TenantKeys, tenant_id
from holdfast.repository.crypto.password import (
    approved_password_key,
    password_key,
    print_recovery_code,
    read_recovery_code,
    recovery_key,
)
from holdfast.repository.format import envelope, key_slot
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.writing.stream_cutter import DUMP, FILE, CutProfile, StreamCutter, rolling_hashes
from tests.golden import make_vectors

RECORDED = json.loads(make_vectors.VECTORS.read_text())


def master(given: dict[str, Any]) -> MasterKey:
    return MasterKey(bytes.fromhex(given["master"]), bytes.fromhex(given["repository"]), given.get("kid", 1))


def raw(given: dict[str, Any], key: str) -> bytes:
    return bytes.fromhex(given[key])


def both(key: AeadKey) -> bytes:
    return key.key + key.commitment


def slot_key(given: dict[str, Any]) -> bytes:
    """The commitment that a real slot carries; with it the AEAD key that opens it."""
    slot = KeySlot(raw(given, "slot"), raw(given, "repository"), 1, "password", "", "", {})
    sealed = key_slot.seal(slot, raw(given, "kek"), bytes(32), bytes(12))
    keys = AeadKey.derive(raw(given, "kek"), b"hf1/slot" + slot.repository + slot.slot)
    assert sealed[-32 - 48 - 12 - 32 :][:32] == keys.commitment
    return both(keys)


def envelope_key(given: dict[str, Any]) -> bytes:
    """The commitment that a real envelope carries; with it the AEAD key that opens it."""
    data = envelope.seal(
        Kind.CONFIG,
        b"",
        kind_key=raw(given, "kind_key"),
        object_key=given["object_key"],
        repository=bytes(16),
        kid=1,
        salt=raw(given, "salt"),
    )
    keys = AeadKey.derive(raw(given, "kind_key"), given["object_key"].encode() + raw(given, "salt"))
    assert envelope.read_header(data, given["object_key"]).commitment == keys.commitment
    return both(keys)


def pack_key(given: dict[str, Any]) -> bytes:
    keys = master(given).session_keys(raw(given, "tenant"), raw(given, "session"))
    return both(keys.of_pack(raw(given, "pack"), holds_maps=bool(given["flags"])))


def password_kek(given: dict[str, Any]) -> bytes:
    cost = {key: given[key] for key in ("memory_kib", "iterations", "lanes")}
    return password_key(raw(given, "password"), raw(given, "salt"), **cost)


def recovery_text(given: dict[str, Any]) -> str:
    text = print_recovery_code(raw(given, "code"))
    assert read_recovery_code(text.lower().replace("-", " ")) == raw(given, "code")
    return text


def hashes(given: dict[str, Any]) -> list[int]:
    table = np.frombuffer(raw(given, "gear"), ">u4").astype(np.uint32)
    return [int(number) for number in rolling_hashes(np.frombuffer(raw(given, "data"), np.uint8), table)]


def cut_lengths(given: dict[str, Any]) -> list[int]:
    data = make_vectors.stream(given["seed"], given["size_bytes"])
    profile = CutProfile(given["least"], given["bits"], given["most"])
    assert profile in (DUMP, FILE)
    return [len(chunk) for chunk in StreamCutter(raw(given, "gear"), profile).cut(io.BytesIO(data))]


def approved_password_kek(given: dict[str, Any]) -> bytes:
    return approved_password_key(raw(given, "password"), raw(given, "salt"), iterations=given["iterations"])


def tenant(id_key: bytes, chunking_key: bytes = b"", suite: int = DEFAULT_SUITE) -> TenantKeys:
    return TenantKeys(id_key, chunking_key, suite)


def of_suite_1(given: dict[str, Any]) -> TenantKeys:
    return tenant(raw(given, "id_key"), suite=FIPS_SUITE)


CALCULATIONS: dict[str, Callable[[dict[str, Any]], bytes | str | list[int]]] = {
    "sub": lambda given: master(given).sub(given["label"]),
    "K_map": lambda given: master(given).map_key(raw(given, "tenant")),
    "K_index": lambda given: master(given).index_key(raw(given, "tenant")),
    "SD": lambda given: master(given).data_key(raw(given, "session")),
    "SM": lambda given: master(given).session_keys(raw(given, "tenant"), raw(given, "session")).map,
    "pack key": pack_key,
    "SS": lambda given: master(given).scratch_key(raw(given, "session")),
    "pin": lambda given: MasterKey(raw(given, "master"), bytes(16)).pin(),
    "tenant id": lambda given: tenant_id(raw(given, "name_key"), given["name"]),
    "workload id": lambda given: tenant(raw(given, "id_key")).workload_id(given["name"]),
    "chunk id": lambda given: tenant(raw(given, "id_key")).chunk_key(given["type"]).of(raw(given, "plain")),
    "suite 1 tenant id": lambda given: tenant_id(raw(given, "name_key"), given["name"], FIPS_SUITE),
    "suite 1 workload id": lambda given: of_suite_1(given).workload_id(given["name"]),
    "suite 1 chunk id": lambda given: of_suite_1(given).chunk_key(given["type"]).of(raw(given, "plain")),
    "suite 1 password KEK": approved_password_kek,
    "slot check": lambda given: MasterKey(raw(given, "master"), bytes(16)).slot_check(),
    "password KEK": password_kek,
    "recovery KEK": lambda given: recovery_key(raw(given, "code")),
    "recovery text": recovery_text,
    "slot key": slot_key,
    "envelope key": envelope_key,
    "gear table": lambda given: tenant(b"", raw(given, "chunking_key")).gear(),
    "rolling hashes": hashes,
    "cut lengths": cut_lengths,
}


@pytest.mark.parametrize("what", CALCULATIONS)
def test_product_derives_what_is_recorded(what):
    of_this_kind = [vector for vector in RECORDED if vector["what"] == what]
    assert of_this_kind
    for vector in of_this_kind:
        found = CALCULATIONS[what](vector["inputs"])
        assert (found.hex() if isinstance(found, bytes) else found) == vector["output"], vector["inputs"]


def test_every_recorded_vector_is_tried():
    assert {vector["what"] for vector in RECORDED} == CALCULATIONS.keys()


def test_recorded_vectors_are_those_of_the_independent_implementation():
    assert json.loads(json.dumps(make_vectors.vectors())) == RECORDED


def test_argon2id_is_that_of_rfc_9106():
    # RFC 9106, section 5.3.
    found = Argon2id(
        salt=b"\x02" * 16, length=32, iterations=3, lanes=4, memory_cost=32, secret=b"\x03" * 8, ad=b"\x04" * 12
    ).derive(b"\x01" * 32)
    assert found.hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
