"""What is encoded is decoded again, whatever it holds; unknown keys are passed over."""

from collections.abc import Callable
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository.crypto.keys import AeadKey, MasterKey
from holdfast.repository.format import (
    acknowledgement,
    alive,
    cbor,
    config,
    envelope,
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
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.key_slot import KMS, PASSWORD, RECOVERY, KeySlot
from holdfast.repository.format.pack import ChunkCipher, ChunkEntry, PackHeader
from holdfast.repository.format.places import HOLE, Located
from tests.unit.repository.format import format_strategies as some

# Name: strategy, encode, decode.
STRUCTURES: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "config": (some.configs, config.encode, config.decode),
    "tenant": (some.tenants, tenant.encode, tenant.decode),
    "manifest": (some.manifests, manifest.encode, manifest.decode),
    "batch": (some.batches, ledger.encode_batch, ledger.decode_batch),
    "checkpoint": (some.checkpoints, ledger.encode_checkpoint, ledger.decode_checkpoint),
    "epoch": (some.epochs, epoch.encode, epoch.decode),
    "plan": (some.plans, lambda value: plan.encode(value, "now"), plan.decode),
    "retirement": (some.retirements, retirement.encode, retirement.decode),
    "tombstone": (some.tombstones, tombstone.encode, tombstone.decode),
    "acknowledgement": (some.acknowledgements, acknowledgement.encode, acknowledgement.decode),
    "sign of life": (some.signs_of_life, alive.encode, alive.decode),
    "lease claim": (some.claims, lease.encode, lease.decode),
    "session checkpoint": (some.session_checkpoints, session_checkpoint.encode, session_checkpoint.decode),
    "root": (some.locateds, Located.encode_root, Located.decode_root),
}


@pytest.mark.parametrize("name", STRUCTURES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_structure_survives(name, data):
    strategy, encode, decode = STRUCTURES[name]
    value = data.draw(strategy)
    encoded = encode(value)
    assert decode(encoded) == value
    assert encode(decode(encoded)) == encoded


@pytest.mark.parametrize("name", [name for name in STRUCTURES if name != "root"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_unknown_keys_are_passed_over(name, data):
    strategy, encode, decode = STRUCTURES[name]
    value = data.draw(strategy)
    fields = cbor2.loads(encode(value))
    assert decode(cbor.encode({**fields, "of a later version": [1, {"more": None}]})) == value


@settings(max_examples=60, deadline=None)
@given(some.index_runs())
def test_index_run_survives(run):
    found = index_run.decode(index_run.encode(run))
    assert np.array_equal(found.rows, run.rows)
    assert (found.session, found.workload, found.verified) == (run.session, run.workload, run.verified)
    assert (found.plan_epoch, found.packs) == (run.plan_epoch, run.packs)
    assert index_run.encode(found) == index_run.encode(run)


@settings(max_examples=60, deadline=None)
@given(st.one_of(some.fixed_nodes(), some.stream_nodes()))
def test_map_node_survives(node):
    level, cut, located, spans = node
    encoded = map_node.encode(level, cut, located, spans)
    assert len(encoded) <= map_node.NODE_LIMIT_BYTES
    found = map_node.decode(encoded, level=level, cut=cut)
    assert [found.located(at) for at in range(128)] == located + [None] * (128 - len(located))
    assert found.count == (128 if cut == 0 else len(located))
    if cut and level:
        assert found.spans == tuple(spans + [0] * (128 - len(spans)))


def test_hole_is_51_zeros():
    assert bytes(51) == HOLE


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(Kind)), st.binary(max_size=300), some.keys, some.texts.filter(bool), some.ids, some.keys
)  # fmt: skip
def test_envelope_survives(kind, body, kind_key, name, repository, salt):
    data = envelope.seal(
        kind, body, kind_key=kind_key, object_key=name, repository=repository, kid=1, salt=salt
    )  # fmt: skip
    found = envelope.open_object(
        data, kinds=(kind,), kind_key=lambda _kid: kind_key, object_key=name, repository=repository
    )
    assert found == (kind, body)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        KeySlot,
        slot=some.ids,
        repository=some.ids,
        kid=some.u32s,
        kind=st.sampled_from([PASSWORD, RECOVERY, KMS]),
        label=some.texts,
        created=some.times,
        parameters=st.dictionaries(st.sampled_from(["salt", "wrapped", "later"]), st.binary(max_size=40)),
    ),
    some.keys,
    some.keys,
    st.binary(min_size=12, max_size=12),
)
def test_key_slot_survives(slot, kek, master, nonce):
    found = key_slot.decode(key_slot.seal(slot, kek, master, nonce), "keys/x")
    assert (found.slot, found.repository, found.kid, found.kind) == (slot.slot, slot.repository, slot.kid, slot.kind)
    assert (found.label, found.created, found.parameters) == (slot.label, slot.created, slot.parameters)
    opened = key_slot.unwrap(found, kek)
    assert opened == MasterKey(master, slot.repository, slot.kid)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(some.digests, st.binary(max_size=200), st.sampled_from([0, 1])), max_size=6),
    st.booleans(),
    some.keys,
    some.ids,
)
def test_pack_survives(chunks, holds_maps, key, session):
    keys = AeadKey.derive(key, b"some pack")
    cipher = ChunkCipher(keys, b"r" * 16, b"p" * 16)
    data = bytearray(PackHeader(holds_maps, 1, b"r" * 16, session, b"p" * 16, keys.commitment).encode())
    header, entries = bytes(data), []
    for number, (identity, stored, compression) in enumerate(chunks):
        entry = ChunkEntry(identity, len(data), len(stored) + 16, len(stored), 2 if holds_maps else 1, compression, 1)
        room = bytearray(entry.length)
        cipher.seal_into(number, entry, stored, memoryview(room))
        entries.append(entry)
        data += room
    offset = len(data)
    directory = cipher.seal_directory(header, offset, entries)
    data += directory + pack.footer(offset, len(directory))
    data += pack.digest(data)[0]
    opened = pack.open_body(data, keys, "packs/70/p")
    assert opened.entries == entries
    assert (opened.header.holds_maps, opened.header.session) == (holds_maps, session)
    for number, (entry, (_identity, stored, _compression)) in enumerate(zip(entries, chunks, strict=True)):
        sealed = data[entry.offset : entry.offset + entry.length]
        assert opened.cipher.open_into(number, entry, sealed, memoryview(bytearray(entry.length))) == stored
