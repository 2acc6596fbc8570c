"""One key slot that cannot be tried keeps nobody out: all others are."""

import hashlib

import cbor2
import pytest

from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.repository.crypto import password as passwords
from holdfast.repository.format import key_slot, names
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.testing.small_repository import put
from tests.faults.immutable_site import Site

REFUSALS = (
    ConflictError("kms:Decrypt was refused", why="DisabledException: the key is disabled", cure="enable it"),
    HoldfastError("kms:Decrypt was refused", why="ValidationException: ciphertextBlob", cure="see AWS"),
)


class KeyService:
    """Keys whose names begin with `bad` are refused."""

    def __init__(self, refusal: HoldfastError) -> None:
        self._refusal = refusal
        self.contexts: list[dict[str, str]] = []

    def wrap(self, key_id, plaintext, context):
        self.contexts.append(context)
        return key_id.encode() + b"|" + plaintext

    def unwrap(self, blob, context, key_id=None):
        self.contexts.append(context)
        if blob.startswith(b"bad"):
            raise self._refusal
        return blob.partition(b"|")[2]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["disabled", "no-key"])
def test_a_kms_slot_that_is_refused(refusal):
    site, service = Site(), KeyService(refusal)
    slots, master = KeySlots(site.store, site.surroundings()), site.open().master
    for number in range(6):
        slots.add_kms(master, service, f"bad{number}", f"bad {number}")
    site.secret = Secret(wrapper=service)
    with pytest.raises(type(refusal), match="was refused"):
        site.open()
    slots.add_kms(master, service, "good", "good")
    assert site.open().master.pin() == master.pin()


def test_a_kms_slot_is_bound_to_its_repository_and_itself():
    """By the names in docs/format/repository.md, which key policies may ask for."""
    site, service = Site(), KeyService(REFUSALS[0])
    slots, master = KeySlots(site.store, site.surroundings()), site.open().master
    made = slots.add_kms(master, service, "good", "good")
    bound = {"holdfast:repository": master.repository.hex(), "holdfast:slot": made.slot.hex()}
    assert service.contexts == [bound]
    site.secret = Secret(wrapper=service)
    site.open()
    assert service.contexts == [bound, bound]


def test_a_password_slot_that_needs_more_memory_than_there_is(monkeypatch):
    site, derive = Site(), passwords.password_key
    slots, master = KeySlots(site.store, site.surroundings()), site.open().master
    slots.add_password(master, b"too costly here", "costly")

    costly = {
        bytes(slot.parameters["salt"]) for slot in slots.found(master.repository).slots if slot.kind == "password"
    }

    def little_memory(password, salt, **cost):
        if bytes(salt) in costly:
            raise MemoryError
        return derive(password, salt, **cost)

    monkeypatch.setattr(passwords, "password_key", little_memory)
    site.secret = Secret(text=b"pass")
    with pytest.raises(HoldfastError, match="cannot be tried on this machine") as caught:
        site.open()
    assert "recovery code" in caught.value.cure
    slots.add_password(master, b"pass", "ours")
    assert site.open().master.pin() == master.pin()


@pytest.mark.parametrize("field", ["format", "suite", "kid", "memory_kib", "iterations", "lanes"])
def test_a_slot_of_somebody_else_with_a_number_that_python_does_not_write(field):
    """Its header is nobody's secret: whoever may write can put one there."""
    site = Site()
    slots, master = KeySlots(site.store, site.surroundings()), site.open().master
    slots.add_password(master, b"mine", "mine")
    (own,) = [slot for slot in slots.found(master.repository).slots if slot.label == "mine"]
    fields = cbor2.loads(own.raw_head[key_slot.FIXED.size :])
    assert field in fields
    header = cbor2.dumps({**fields, "slot": bytes(16), field: 1 << 20_000})
    forged = key_slot.FIXED.pack(key_slot.MAGIC, len(header)) + header + bytes(92)
    put(site.store, names.slot(bytes(16)), forged + hashlib.sha256(forged).digest())
    site.secret = Secret(text=b"mine")
    assert site.open().master.pin() == master.pin()
    assert own.slot in {slot.slot for slot in slots.found(master.repository).slots}


def test_a_slot_where_it_does_not_belong_is_named():
    site = Site()
    slots, repository = KeySlots(site.store, site.surroundings()), site.open().config.repository
    [own] = slots.found(repository).slots
    fields = cbor2.loads(own.raw_head[key_slot.FIXED.size :])
    header = cbor2.dumps({**fields, "slot": bytes(16), "repository": bytes(16)})
    foreign = key_slot.FIXED.pack(key_slot.MAGIC, len(header)) + header + bytes(92)
    put(site.store, names.slot(b"c" * 16), bytes(site.store.get(names.slot(own.slot))))
    put(site.store, names.slot(bytes(16)), foreign + hashlib.sha256(foreign).digest())
    found = slots.found(repository)
    assert found.slots == (own,)
    assert {one.slot: one.why for one in found.damaged} == {
        b"c" * 16: "its header names another slot",
        bytes(16): "its header names another repository",
    }
