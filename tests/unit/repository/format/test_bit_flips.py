"""Every bit of every kind of object, turned by chance or by someone who mends the trailing SHA-256: both are seen."""

import hashlib
import json
from collections.abc import Callable

import pytest

from holdfast.domain.errors import IntegrityError, UnsupportedFormatError
from holdfast.repository.crypto.keys import MasterKey, TenantKeys
from holdfast.repository.crypto.password import password_key, recovery_key
from holdfast.repository.format import envelope, key_slot, pack
from holdfast.repository.format.envelope import Kind, check_digest
from holdfast.repository.packs.compression import decompress
from tests.golden import make_structures as golden
from tests.golden.make_vectors import CHUNKING_KEY, ID_KEY, MASTER, PACK, REPOSITORY, SALT, SESSION, TENANT

STRUCTURES = json.loads(golden.STRUCTURES.read_text())
MASTER_KEY = MasterKey(MASTER, REPOSITORY)
TENANT_KEYS = TenantKeys(ID_KEY, CHUNKING_KEY)
SCRATCH = {
    "acknowledgement": Kind.ACKNOWLEDGEMENT,
    "sign of life": Kind.ALIVE,
    "backup task": Kind.TASK,
    "restore task": Kind.TASK,
    "backup result": Kind.RESULT,
    "restore result": Kind.RESULT,
    "session checkpoint": Kind.SESSION_CHECKPOINT,
}
KIND_KEYS = {
    "index run": MASTER_KEY.index_key(TENANT),
    "manifest": MASTER_KEY.sub("point"),
    "tombstone": MASTER_KEY.sub("point"),
    "retirement": MASTER_KEY.sub("retired"),
    "ledger batch": MASTER_KEY.sub("ledger"),
    "checkpoint": MASTER_KEY.sub("ledger"),
    "config": MASTER_KEY.sub("config"),
    "tenant": MASTER_KEY.sub("tenant"),
    "plan": MASTER_KEY.sub("plan"),
    "epoch": MasterKey(MASTER, REPOSITORY, 2).sub("epoch"),
    "lease claim": MASTER_KEY.sub("lease"),
    **dict.fromkeys(SCRATCH, MASTER_KEY.scratch_key(SESSION)),
}
KINDS = {
    "index run": Kind.INDEX_RUN,
    "ledger batch": Kind.LEDGER_BATCH,
    "checkpoint": Kind.LEDGER_CHECKPOINT,
    "lease claim": Kind.LEASE,
    **SCRATCH,
}
# A turned bit in what the password's key is made with changes the key as well: here it stays as it was.
SLOT_KEYS = {
    "password slot": password_key(golden.PASSWORD, SALT[:16], **golden.COST),
    "recovery slot": recovery_key(ID_KEY),
    "kms slot": golden.CONTEXT_KEY,
}

Open = Callable[[bytes], object]


def open_object(name: str) -> Open:
    kind = KINDS.get(name) or Kind[name.upper()]
    return lambda data: envelope.open_object(
        data,
        kinds=(kind,),
        kind_key=lambda _kid: KIND_KEYS[name],
        object_key=STRUCTURES[name]["key"],
        repository=REPOSITORY,
    )


def open_slot(name: str) -> Open:
    """A slot that a key does not open is refused as well."""

    def opened(data: bytes) -> object:
        master = key_slot.unwrap(key_slot.decode(data, "keys/x"), SLOT_KEYS[name])
        if master is None or master.repository != REPOSITORY:
            raise IntegrityError("the slot does not open", why="", cure="")
        return master

    return opened


def open_pack(name: str) -> Open:
    """Digest, header, directory, every chunk and its id."""
    holds_maps = name == "map pack"
    key = MASTER_KEY.session_keys(TENANT, SESSION).of_pack(PACK, holds_maps=holds_maps)
    chunk_key = TENANT_KEYS.chunk_key(2 if holds_maps else 1)

    def opened(data: bytes) -> object:
        check_digest(data, "packs/x")
        found = pack.open_body(data, key, "packs/x")
        room = memoryview(bytearray(len(data)))
        for number, entry in enumerate(found.entries):
            sealed = data[entry.offset : entry.offset + entry.length]
            stored = found.cipher.open_into(number, entry, sealed, room)
            plain = None if stored is None else decompress(entry.compression, stored, entry.plain_length)
            if plain is None or chunk_key.of(plain) != entry.id:
                raise IntegrityError("a chunk does not open", why="", cure="")
        return found

    return opened


OPEN: dict[str, Open] = {
    **{name: open_object(name) for name in KIND_KEYS},
    **{name: open_slot(name) for name in SLOT_KEYS},
    **{name: open_pack(name) for name in ("data pack", "map pack")},
}


def flips(data: bytes) -> list[bytearray]:
    """The data with one bit turned, for every bit of what is small, else for one bit of every seventh byte."""
    bits = range(8 * len(data)) if len(data) < 2500 else range(0, 8 * len(data), 57)
    found = []
    for bit in bits:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        found.append(flipped)
    return found


@pytest.mark.parametrize("name", OPEN)
def test_a_turned_bit_is_seen(name):
    data = bytes.fromhex(STRUCTURES[name]["bytes"])
    assert OPEN[name](data)
    for flipped in flips(data):
        with pytest.raises(IntegrityError):
            OPEN[name](bytes(flipped))


@pytest.mark.parametrize("name", OPEN)
def test_a_turned_bit_under_a_mended_digest_is_seen(name):
    data = bytes.fromhex(STRUCTURES[name]["bytes"])
    for flipped in flips(data[:-32]):
        with pytest.raises((IntegrityError, UnsupportedFormatError)):
            OPEN[name](bytes(flipped) + hashlib.sha256(flipped).digest())


@pytest.mark.parametrize("name", OPEN)
def test_a_shorter_or_longer_object_is_seen(name):
    data = bytes.fromhex(STRUCTURES[name]["bytes"])
    for length in range(0, len(data), max(len(data) // 97, 1)):
        if length == len(data) - 32:
            continue  # with its digest that is the object
        part = data[:length]
        for candidate in (part, part + hashlib.sha256(part).digest()):
            with pytest.raises((IntegrityError, UnsupportedFormatError)):
                OPEN[name](candidate)
    longer = data[:-32] + SALT
    with pytest.raises(IntegrityError):
        OPEN[name](longer + hashlib.sha256(longer).digest())


@pytest.mark.parametrize("name", KIND_KEYS)
def test_an_object_opens_under_its_own_key_name_kind_and_repository_alone(name):
    data = bytes.fromhex(STRUCTURES[name]["bytes"])
    kind = KINDS.get(name) or Kind[name.upper()]
    right = {
        "kinds": (kind,),
        "kind_key": lambda _kid: KIND_KEYS[name],
        "object_key": STRUCTURES[name]["key"],
        "repository": REPOSITORY,
    }
    wrong = {
        "kinds": tuple(other for other in Kind if other is not kind),
        "kind_key": lambda _kid: bytes(32),
        "object_key": "elsewhere",
        "repository": bytes(16),
    }
    for part, value in wrong.items():
        with pytest.raises(IntegrityError):
            envelope.open_object(data, **{**right, part: value})
