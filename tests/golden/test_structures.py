"""Every structure, byte for byte: what is recorded is read; written under the same randomness it is the same again."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from holdfast.domain.errors import ObjectExistsError
from holdfast.repository.crypto.keys import MasterKey, TenantKeys
from holdfast.repository.crypto.password import password_key, recovery_key
from holdfast.repository.delegation.orders import marked
from holdfast.repository.delegation.results import decode_result, encode_result
from holdfast.repository.delegation.task_form import decode_task, encode_task
from holdfast.repository.format import (
    acknowledgement,
    alive,
    cbor,
    config,
    epoch,
    index_run,
    key_slot,
    lease,
    ledger,
    manifest,
    map_node,
    pack,
    plan,
    retirement,
    session_checkpoint,
    tenant,
    tombstone,
)
from holdfast.repository.format.envelope import Kind, check_digest
from holdfast.repository.format.epoch import Epoch
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.opening.ledger import Ledger
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.compression import decompress
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.sessions.session import read_point
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.writing.pack_writer import PackWriter
from holdfast.repository.writing.unfinished import marked as marked_checkpoint
from holdfast.testing.deterministic_surroundings import InlineExecutor, SteppableClock
from holdfast.testing.small_repository import put
from tests.golden import independent, product
from tests.golden import make_structures as made
from tests.golden.make_vectors import CHUNKING_KEY, ID_KEY, MASTER, PACK, REPOSITORY, SALT, SESSION, SLOT, TENANT

RECORDED = json.loads(made.STRUCTURES.read_text())
KEY = {name: row["key"] for name, row in RECORDED.items()}
BYTES = {name: bytes.fromhex(row["bytes"]) for name, row in RECORDED.items()}

Encode = Callable[[], bytes]
Decode = Callable[[bytes], Any]

MARKED_CHECKPOINT = marked_checkpoint(product.SESSION_CHECKPOINT, MasterKey(MASTER, REPOSITORY))

# Name: kind, how the product decodes a body, what comes of it, how it encodes that again.
BODIES: dict[str, tuple[Kind, Decode, Any, Encode]] = {
    "config": (Kind.CONFIG, config.decode, product.CONFIG, lambda: config.encode(product.CONFIG)),
    "tenant": (Kind.TENANT, tenant.decode, product.TENANT, lambda: tenant.encode(product.TENANT)),
    "manifest": (Kind.MANIFEST, manifest.decode, product.MANIFEST, lambda: manifest.encode(product.MANIFEST)),
    "manifest of a copy": (Kind.MANIFEST, manifest.decode, product.COPY, lambda: manifest.encode(product.COPY)),
    "ledger batch of a copy": (
        Kind.LEDGER_BATCH,
        ledger.decode_batch,
        product.BATCH_OF_A_COPY,
        lambda: ledger.encode_batch(product.BATCH_OF_A_COPY),
    ),
    "retirement": (
        Kind.RETIREMENT,
        retirement.decode,
        product.RETIREMENT,
        lambda: retirement.encode(product.RETIREMENT),
    ),
    "ledger batch": (
        Kind.LEDGER_BATCH,
        ledger.decode_batch,
        product.BATCH,
        lambda: ledger.encode_batch(product.BATCH),
    ),
    "first ledger batch": (
        Kind.LEDGER_BATCH,
        ledger.decode_batch,
        product.FIRST_BATCH,
        lambda: ledger.encode_batch(product.FIRST_BATCH),
    ),
    "ledger batch of upkeep": (
        Kind.LEDGER_BATCH,
        ledger.decode_batch,
        product.BATCH_OF_UPKEEP,
        lambda: ledger.encode_batch(product.BATCH_OF_UPKEEP),
    ),
    "checkpoint after upkeep": (
        Kind.LEDGER_CHECKPOINT,
        ledger.decode_checkpoint,
        product.CHECKPOINT_AFTER_UPKEEP,
        lambda: ledger.encode_checkpoint(product.CHECKPOINT_AFTER_UPKEEP),
    ),
    "checkpoint after a deletion": (
        Kind.LEDGER_CHECKPOINT,
        ledger.decode_checkpoint,
        product.CHECKPOINT_AFTER_A_DELETION,
        lambda: ledger.encode_checkpoint(product.CHECKPOINT_AFTER_A_DELETION),
    ),
    "checkpoint": (
        Kind.LEDGER_CHECKPOINT,
        ledger.decode_checkpoint,
        product.CHECKPOINT,
        lambda: ledger.encode_checkpoint(product.CHECKPOINT),
    ),
    "plan": (Kind.PLAN, plan.decode, product.PLAN, lambda: plan.encode(product.PLAN, made.TIME)),
    "plan with survivors": (
        Kind.PLAN,
        plan.decode,
        product.PLAN_WITH_SURVIVORS,
        lambda: plan.encode(product.PLAN_WITH_SURVIVORS, made.TIME),
    ),
    "plan with unnamed packs": (
        Kind.PLAN,
        plan.decode,
        product.PLAN_WITH_UNNAMED_PACKS,
        lambda: plan.encode(product.PLAN_WITH_UNNAMED_PACKS, made.TIME),
    ),
    "sign of life": (Kind.ALIVE, alive.decode, product.ALIVE, lambda: alive.encode(product.ALIVE)),
    "lease claim": (Kind.LEASE, lease.decode, product.LEASE, lambda: lease.encode(product.LEASE)),
    "acknowledgement": (
        Kind.ACKNOWLEDGEMENT,
        acknowledgement.decode,
        product.ACKNOWLEDGEMENT,
        lambda: acknowledgement.encode(product.ACKNOWLEDGEMENT),
    ),
    **{
        name: (Kind.TASK, decode_task, task, partial(encode_task, task))
        for name, task in (
            ("backup task", marked(product.BACKUP_TASK, MasterKey(MASTER, REPOSITORY))),
            ("restore task", marked(product.RESTORE_TASK, MasterKey(MASTER, REPOSITORY))),
        )
    },
    **{
        name: (Kind.RESULT, decode_result, result, partial(encode_result, result))
        for name, result in (
            ("backup result", product.BACKUP_RESULT),
            ("restore result", product.RESTORE_RESULT),
        )
    },
    "session checkpoint": (
        Kind.SESSION_CHECKPOINT,
        session_checkpoint.decode,
        MARKED_CHECKPOINT,
        lambda: session_checkpoint.encode(MARKED_CHECKPOINT),
    ),
    "tombstone": (Kind.TOMBSTONE, tombstone.decode, product.TOMBSTONE, lambda: tombstone.encode(product.TOMBSTONE)),
}
SLOTS: dict[str, tuple[dict[str, Any], Callable[[], bytes]]] = {
    "password": (
        {"salt": SALT[:16], **made.COST},
        lambda: password_key(made.PASSWORD, SALT[:16], **made.COST),
    ),
    "recovery": ({}, lambda: recovery_key(ID_KEY)),
    "kms": (
        {"key_id": "alias/backup", "wrapped": b"under the key service's own key"},
        lambda: made.CONTEXT_KEY,
    ),
}
PACKS = {"data pack": (False, 1), "map pack": (True, 2)}


def surroundings(*random: bytes) -> Surroundings:
    """Randomness is what is given, then zeros."""
    waiting = list(random)
    inline = InlineExecutor()
    return Surroundings(
        SteppableClock(),
        lambda count: waiting.pop(0) if waiting else bytes(count),
        inline,
        inline,
        pause=lambda seconds: None,
        party="",
    )


def repository(*random: bytes) -> Repository:
    """An empty repository under the fixed master key."""
    around = surroundings(*random)
    sealed = SealedStore(MemoryStore(), product.EPOCHS, around)
    return Repository(sealed.store, around, product.CONFIG, sealed, Ledger(sealed))


def test_structures_are_those_of_the_independent_implementation():
    assert made.structures() == RECORDED


def test_every_recorded_structure_is_tried():
    slots = {f"{kind} slot" for kind in SLOTS}
    assert {*BODIES, *slots, *PACKS, *product.NODES, "index run", "epoch", "later slot"} == RECORDED.keys()


@pytest.mark.parametrize("name", BODIES)
def test_object_is_read_and_written_byte_for_byte(name):
    kind, decode, meant, encode = BODIES[name]
    empty = repository(SALT)
    assert decode(empty.sealed.open(KEY[name], BYTES[name], kind)[1]) == meant
    empty.sealed.write(kind, KEY[name], encode())
    assert bytes(empty.store.get(KEY[name])) == BYTES[name]


def test_index_run_is_read_and_written_byte_for_byte():
    empty = repository(SALT)
    found = index_run.decode(empty.sealed.open(KEY["index run"], BYTES["index run"], Kind.INDEX_RUN)[1])
    meant = product.INDEX_RUN
    assert np.array_equal(found.rows, meant.rows)
    assert (found.session, found.workload, found.verified) == (meant.session, meant.workload, meant.verified)
    assert (found.plan_epoch, found.packs) == (meant.plan_epoch, meant.packs)
    empty.sealed.write(Kind.INDEX_RUN, KEY["index run"], index_run.encode(meant))
    assert bytes(empty.store.get(KEY["index run"])) == BYTES["index run"]


def test_tombstone_is_no_point_and_keeps_one_from_being_made():
    empty = repository(SALT)
    put(empty.store, KEY["tombstone"], BYTES["tombstone"])
    assert read_point(empty, KEY["tombstone"]) is None
    fields = cbor.decode(empty.sealed.read(KEY["tombstone"], Kind.TOMBSTONE)[1], "tombstone")
    assert fields.values == {"session": SESSION, "time": made.LATER}
    with pytest.raises(ObjectExistsError):
        empty.sealed.write(Kind.MANIFEST, KEY["tombstone"], manifest.encode(product.MANIFEST))


@pytest.mark.parametrize("kind", SLOTS)
def test_slot_is_read_and_written_byte_for_byte(kind):
    name, (parameters, kek) = f"{kind} slot", SLOTS[kind]
    found = key_slot.decode(BYTES[name], KEY[name])
    assert (found.slot, found.repository, found.kid, found.kind) == (SLOT, REPOSITORY, 1, kind)
    assert (found.label, found.created, found.parameters) == ("Größe", made.TIME, parameters)
    opened = key_slot.unwrap(found, kek())
    assert opened is not None
    assert (opened.key, opened.repository, opened.kid) == (MASTER, REPOSITORY, 1)
    assert key_slot.unwrap(found, bytes(32)) is None
    slot = KeySlot(SLOT, REPOSITORY, 1, kind, "Größe", made.TIME, parameters)
    assert key_slot.seal(slot, kek(), MASTER, made.NONCE) == BYTES[name]


def test_epoch_is_read_and_written_byte_for_byte():
    master = MasterKey(MASTER, REPOSITORY, 2)
    sealed = SealedStore(MemoryStore(), product.epochs_of(master), surroundings(SALT))
    meant = Epoch(2, {1: ID_KEY}, made.TIME)
    assert epoch.decode(sealed.open(KEY["epoch"], BYTES["epoch"], Kind.EPOCH)[1]) == meant
    sealed.write(Kind.EPOCH, KEY["epoch"], epoch.encode(meant))
    assert bytes(sealed.store.get(KEY["epoch"])) == BYTES["epoch"]


def test_slot_of_a_later_epoch_is_read_and_written_byte_for_byte():
    master = MasterKey(MASTER, REPOSITORY, 2)
    found = key_slot.decode(BYTES["later slot"], KEY["later slot"])
    opened = key_slot.unwrap(found, recovery_key(ID_KEY))
    assert opened == master
    assert found.is_of(master)
    assert not found.is_of(MasterKey(ID_KEY, REPOSITORY, 2))
    slot = KeySlot(SLOT, REPOSITORY, 2, "recovery", "Größe", made.TIME, {key_slot.CHECK: master.slot_check()})
    assert key_slot.seal(slot, recovery_key(ID_KEY), MASTER, made.NONCE) == BYTES["later slot"]


@pytest.mark.parametrize("name", PACKS)
def test_pack_is_read_and_written_byte_for_byte(name):
    holds_maps, chunk_type = PACKS[name]
    data = BYTES[name]
    writing = repository(PACK)
    keys = writing.master.session_keys(TENANT, SESSION)
    check_digest(data, KEY[name])
    opened = pack.open_body(data, keys.of_pack(PACK, holds_maps=holds_maps), KEY[name])
    assert opened.header.holds_maps is holds_maps
    assert (opened.header.session, opened.header.pack, opened.header.kid) == (SESSION, PACK, 1)
    access = writing.access_with(TENANT, TenantKeys(ID_KEY, CHUNKING_KEY))
    writer = PackWriter(access, SESSION, holds_maps=holds_maps)
    for number, entry in enumerate(opened.entries):
        assert entry.type == chunk_type
        sealed = data[entry.offset : entry.offset + entry.length]
        stored = opened.cipher.open_into(number, entry, sealed, memoryview(bytearray(entry.length)))
        assert stored is not None
        kept = bytes(stored)
        plain = decompress(entry.compression, kept, entry.plain_length)
        assert plain is not None
        assert independent.chunk_id(ID_KEY, chunk_type, bytes(plain)) == entry.id
        writer.add(PreparedChunk(entry.id, entry.plain_length, entry.compression, kept))
    writer.finish()
    assert bytes(writing.store.get(KEY[name])) == data


@pytest.mark.parametrize("name", product.NODES)
def test_map_node_is_read_and_written_byte_for_byte(name):
    level, cut, located, covered = product.NODES[name]
    assert map_node.encode(level, cut, located, covered) == BYTES[name]
    found = map_node.decode(BYTES[name], level=level, cut=cut)
    assert [found.located(at) for at in range(128)] == located + [None] * (128 - len(located))
    assert (found.level, found.cut, found.span_bytes) == (level, cut, sum(covered))
    if name == "stream inner":
        assert list(found.spans) == covered + [0] * (128 - len(covered))
