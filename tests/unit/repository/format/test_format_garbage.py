"""Bytes that are no structure are refused as such: never another error, never much memory."""

import contextlib
import hashlib
import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.errors import FormatError, HoldfastError, IntegrityError, UnsupportedFormatError
from holdfast.repository.crypto.keys import AeadKey
from holdfast.repository.format import (
    acknowledgement,
    alive,
    cbor,
    config,
    envelope,
    epoch,
    index_run,
    key_slot,
    ledger,
    manifest,
    map_node,
    names,
    pack,
    plan,
    retirement,
    session_checkpoint,
    tenant,
)
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.pack import CHUNKS_LIMIT
from holdfast.repository.format.places import ENTRY_BYTES, PACK_ROW
from holdfast.repository.format.session_checkpoint import BLOCKS_LIMIT, SessionCheckpoint, VolumeBlocks
from tests.golden import make_structures as golden

# FormatError is an IntegrityError.
REFUSED = (IntegrityError, UnsupportedFormatError)
MOST_BYTES = 4 * 2**20

Decode = Callable[[bytes], Any]


def node(level: int, cut: int) -> Decode:
    """Decode a node and look at every entry."""

    def decode(data: bytes) -> list[object]:
        found = map_node.decode(data, level=level, cut=cut)
        return [found.located(at) for at in range(128)]

    return decode


FIELDS = {name: fields for name, (_number, _label, _key, fields) in golden.bodies().items()}
MAPS: dict[str, tuple[Decode, dict[str, Any]]] = {
    "config": (config.decode, FIELDS["config"]),
    "tenant": (tenant.decode, FIELDS["tenant"]),
    "manifest": (manifest.decode, FIELDS["manifest"]),
    "volume": (manifest.decode, FIELDS["manifest"]["volumes"][0]),
    "batch": (ledger.decode_batch, FIELDS["ledger batch"]),
    "record": (ledger.decode_batch, FIELDS["ledger batch"]["records"][1]),
    "checkpoint": (ledger.decode_checkpoint, FIELDS["checkpoint"]),
    "plan": (plan.decode, FIELDS["plan"]),
    "epoch": (epoch.decode, {"kid": 3, "older": b"\0\0\0\1" + bytes(32) + b"\0\0\0\2" + bytes(32), "time": "now"}),
    "retirement": (retirement.decode, FIELDS["retirement"]),
    "acknowledgement": (acknowledgement.decode, FIELDS["acknowledgement"]),
    "sign of life": (alive.decode, FIELDS["sign of life"]),
}


def encoded(name: str, fields: object) -> bytes:
    """The body in which these fields stand."""
    if name == "volume":
        fields = {**FIELDS["manifest"], "volumes": [fields]}
    if name == "record":
        fields = {**FIELDS["ledger batch"], "records": [fields]}
    return cbor2.dumps(fields)


DECODERS: dict[str, tuple[Decode, bytes]] = {
    **{name: (decode, encoded(name, fields)) for name, (decode, fields) in MAPS.items()},
    "index run": (index_run.decode, golden.index_run()),
    "fixed leaf": (node(0, 0), golden.fixed_leaf()),
    "fixed inner": (node(3, 0), golden.fixed_inner()),
    "stream leaf": (node(0, 1), golden.stream_leaf()),
    "stream inner": (node(1, 1), golden.stream_inner()),
}
OBJECTS: dict[str, Decode] = {
    "envelope": lambda data: envelope.open_object(
        data, kinds=tuple(Kind), kind_key=lambda _kid: bytes(32), object_key="x", repository=bytes(16)
    ),
    "key slot": lambda data: key_slot.decode(data, "keys/x"),
    "pack": lambda data: pack.open_body(data, AeadKey(bytes(32), bytes(32)), "packs/x"),
}
STEMS = {"envelope": envelope.MAGIC, "key slot": key_slot.MAGIC, "pack": pack.MAGIC}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=100),
    st.sampled_from([cbor2.undefined, cbor2.CBORSimpleValue(99)]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(), st.binary(max_size=3)), inner, max_size=3),
        st.builds(cbor2.CBORTag, st.integers(40, 60) | st.just(43000), inner),
    ),
    max_leaves=6,
)


def refuses_or_decodes(decode: Decode, data: bytes) -> None:
    """Anything but REFUSED comes out as it is, and fails the test."""
    try:
        decode(data)
    except REFUSED as error:
        is_told(error)


def is_told(error: HoldfastError) -> None:
    """A refusal says what, why, and what to do."""
    texts = (error.what, error.why, error.cure)
    assert all(texts), texts
    assert {type(text) for text in texts} == {str}


@contextlib.contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(REFUSED) as told:
        yield
    is_told(told.value)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes(name, data):
    refuses_or_decodes(DECODERS[name][0], data)


@pytest.mark.parametrize("name", OBJECTS)
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_random_objects(name, data, with_magic):
    data = STEMS[name] + data if with_magic else data
    for candidate in (data, data + hashlib.sha256(data).digest()):
        with refused():
            OBJECTS[name](candidate)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=80, deadline=None)
@given(st.randoms(use_true_random=False))
def test_valid_bytes_with_a_few_changes(name, dice: random.Random):
    decode, valid = DECODERS[name]
    decode(valid)
    data = bytearray(valid)
    for _ in range(dice.choice([1, 1, 2, 5])):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(3):
            case 0:
                data[at : at + 1] = dice.randbytes(1)
            case 1:
                del data[at : at + dice.randrange(1, 60)]
            case 2:
                data[at:at] = dice.randbytes(dice.randrange(1, 8))
    refuses_or_decodes(decode, bytes(data))


@pytest.mark.parametrize("name", MAPS)
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_field_of_another_type(name, data):
    decode, fields = MAPS[name]
    decode(encoded(name, fields))
    key = data.draw(st.sampled_from(sorted(fields)))
    refuses_or_decodes(decode, encoded(name, {**fields, key: data.draw(values)}))


@pytest.mark.parametrize("name", MAPS)
def test_a_number_that_python_does_not_write_is_refused(name):
    """CBOR has integers of any length; of more than 4,300 digits Python makes no text."""
    decode, fields = MAPS[name]
    for key in (key for key, value in fields.items() if isinstance(value, int) and not isinstance(value, bool)):
        with refused():
            decode(encoded(name, {**fields, key: 1 << 20_000}))


OPTIONAL = {"manifest": {"parent", "keep_until"}, "volume": {"root"}, "record": {"parent"}, "plan": {"time"}}
IGNORED = {"format", "repository"}


@pytest.mark.parametrize("name", MAPS)
def test_a_missing_field_is_refused(name):
    decode, fields = MAPS[name]
    for key in fields.keys() - OPTIONAL.get(name, set()):
        if name == "manifest" and key in IGNORED:
            continue
        with refused():
            decode(encoded(name, {other: value for other, value in fields.items() if other != key}))


@pytest.mark.parametrize("name", MAPS)
def test_no_map_is_refused(name):
    decode, fields = MAPS[name]
    others: tuple[object, ...] = ([], 1, "text", None, {1: 2}, [{}])
    for other in others:
        with refused():
            decode(encoded(name, other))
    with refused():
        decode(encoded(name, fields) + b"\0")


CALLED = {
    "volume": "manifest",
    "batch": "ledger batch",
    "record": "ledger batch",
    "checkpoint": "ledger checkpoint",
}


@pytest.mark.parametrize("name", MAPS)
def test_a_refusal_names_the_structure(name):
    called = CALLED.get(name, name)
    with pytest.raises(FormatError) as told:
        MAPS[name][0](b"")
    assert told.value.what == f"{called} is no valid CBOR"
    with pytest.raises(FormatError, match=f"^{called}: bad or missing field "):
        MAPS[name][0](cbor2.dumps({}))


def test_a_refusal_says_where_in_a_checkpoint_it_is():
    with pytest.raises(FormatError, match=r"^ledger checkpoint\.renewed: bad or missing field type"):
        ledger.decode_checkpoint(encoded("checkpoint", {**FIELDS["checkpoint"], "renewed": {}}))


def test_a_ledger_record_of_a_type_to_come_asks_for_a_newer_program():
    with pytest.raises(FormatError, match=r"^ledger record of unknown type merge \(it may change what is") as told:
        ledger.decode_batch(encoded("record", {"type": "merge"}))
    assert told.value.cure == "use a newer Holdfast"


def test_a_config_of_larger_blocks_than_allowed_is_refused():
    limit = 8 * 2**20
    assert config.decode(cbor2.dumps({**FIELDS["config"], "block_size": limit})).block_size_bytes == limit
    with pytest.raises(FormatError, match=r"^config: field block_size is out of range"):
        config.decode(cbor2.dumps({**FIELDS["config"], "block_size": limit + 1}))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("configuration", bytes(2**20 + 1), r"a configuration of 1048577 bytes \(allowed are 1048576\)"),
        ("statistics", {"read_bytes": "many"}, r"bad statistics \(expected integers under texts\)"),
    ],
)
def test_what_a_manifest_may_not_hold_is_named(field, value, told):
    with pytest.raises(FormatError, match=f"^manifest: {told}$"):
        manifest.decode(encoded("manifest", {**FIELDS["manifest"], field: value}))


HOSTILE = {
    "a long list": b"\xa1\x61x\x9b\x00\x00\x00\x00\xff\xff\xff\xff",
    "a list of 2^64": b"\xa1\x61x\x9b" + b"\xff" * 8,
    "long bytes": b"\xa1\x61x\x5b\x00\x00\x00\x10\x00\x00\x00\x00",
    "a long text": b"\xa1\x61x\x7b\x00\x00\x00\x10\x00\x00\x00\x00",
    "a large map": b"\xbb\x00\x00\x00\x00\xff\xff\xff\xff",
    "deep lists": b"\xa1\x61x" + b"\x81" * 100_000,
    "deep endless lists": b"\xa1\x61x" + b"\x9f" * 100_000,
    "deep maps": b"\xa1\x61x" * 100_000,
    "a large float": cbor2.dumps({"x": cbor2.CBORTag(5, [10**8, 3])}),
    "no fraction": cbor2.dumps({"x": cbor2.CBORTag(30, [1, 0])}),
    "no expression": cbor2.dumps({"x": cbor2.CBORTag(35, "(")}),
    "no time": cbor2.dumps({"x": cbor2.CBORTag(0, "yesterday")}),
    "no uuid": cbor2.dumps({"x": cbor2.CBORTag(37, b"short")}),
    "a set of lists": cbor2.dumps({"x": cbor2.CBORTag(258, [[1]])}),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_cbor_takes_little_memory(what):
    tracemalloc.start()
    try:
        for decode, _fields in MAPS.values():
            with refused():
                decode(HOSTILE[what])
        with refused():
            index_run.decode(len(HOSTILE[what]).to_bytes(4, "big") + HOSTILE[what])
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_index_run_that_promises_many_rows_takes_little_memory():
    header = {"session": bytes(16), "workload": bytes(16), "verified": True, "plan_epoch": 0, "packs": b""}
    for count in (1, 2**20, 2**20 + 1, 2**62, 2**80, -1):
        fields = cbor2.dumps({**header, "count": count})
        with refused():
            index_run.decode(len(fields).to_bytes(4, "big") + fields)


def test_index_run_whose_header_is_none_is_named():
    with pytest.raises(FormatError, match=r"^index run is no valid CBOR"):
        index_run.decode((1).to_bytes(4, "big") + b"\xff")


def test_index_run_that_names_a_pack_row_it_lacks_is_refused():
    valid = bytearray(golden.index_run())
    valid[-18] = 9  # the last row's pack row number
    with refused():
        index_run.decode(bytes(valid))


def test_root_that_names_another_row_than_its_own_is_refused():
    decode, volume = MAPS["volume"]
    root = bytearray(volume["root"])
    root[36 + 33] = 1
    with refused():
        decode(encoded("volume", {**volume, "root": bytes(root)}))


@pytest.mark.parametrize(("level", "cut"), [(1, 0), (0, 1), (7, 0)])
def test_node_of_another_level_or_cut_is_refused(level, cut):
    with refused():
        map_node.decode(golden.fixed_leaf(), level=level, cut=cut)


def test_node_of_a_wrong_size_is_refused():
    with pytest.raises(FormatError, match=r"^a block map node has a wrong size \(6615 bytes for 2 packs\)"):
        map_node.decode(golden.fixed_leaf()[:-1], level=0, cut=0)


def test_node_that_names_a_pack_row_it_lacks_is_refused():
    valid = bytearray(golden.fixed_leaf())
    valid[map_node.HEAD.size + 2 * PACK_ROW.size + 5 * ENTRY_BYTES + 33] = 2  # the first that is not there
    with pytest.raises(FormatError, match=r"names a pack row that it does not have \(it has 2\)"):
        map_node.decode(bytes(valid), level=0, cut=0)


@pytest.mark.parametrize(("number", "good"), [(CHUNKS_LIMIT - 1, True), (CHUNKS_LIMIT, False), (2**32 - 1, False)])
def test_node_that_names_a_chunk_by_a_number_that_no_pack_has_is_refused(number, good):
    """Who counts what is needed has a bit for each chunk of a pack."""
    changed = bytearray(golden.fixed_leaf())
    struct.pack_into(">I", changed, map_node.HEAD.size + 2 * PACK_ROW.size + 5 * ENTRY_BYTES + 34, number)
    with (
        contextlib.nullcontext()
        if good
        else pytest.raises(FormatError, match=r"by a number that no pack has \(at most 5368709\)")
    ):
        map_node.decode(bytes(changed), level=0, cut=0)


def test_node_that_has_entries_and_no_packs_is_refused():
    valid = golden.fixed_leaf()
    head = map_node.HEAD.unpack(valid[: map_node.HEAD.size])
    without_packs = map_node.HEAD.pack(*head[:5], 0, head[6]) + valid[map_node.HEAD.size + head[5] * PACK_ROW.size :]
    with pytest.raises(FormatError, match=r"^a block map node has entries but no packs \(its pack table is empty\)"):
        map_node.decode(without_packs, level=0, cut=0)


def test_session_checkpoint_with_a_part_of_a_row_is_refused():
    fields = golden.session_checkpoint()
    [volume] = fields["volumes"]
    hurt = {**fields, "volumes": [{**volume, "blocks": volume["blocks"][:-1]}]}
    with pytest.raises(FormatError, match=r"^session checkpoint: bad blocks \(176 bytes are no rows of 59\)"):
        session_checkpoint.decode(cbor2.dumps(hurt))


def test_session_checkpoint_of_more_blocks_than_allowed_is_refused():
    """In all of its volumes together."""

    def checkpoint(*counts: int) -> bytes:
        volumes = [VolumeBlocks.of("v", 2**40, {}, ((block, None) for block in range(count))) for count in counts]
        return session_checkpoint.encode(SessionCheckpoint(bytes(16), 1, 1, bytes(16), (), tuple(volumes)))

    session_checkpoint.decode(checkpoint(BLOCKS_LIMIT - 1, 1))
    with pytest.raises(FormatError, match=r"^session checkpoint: too many blocks \(allowed are 65535\)"):
        session_checkpoint.decode(checkpoint(BLOCKS_LIMIT, 1))


def test_session_checkpoint_under_the_name_of_another_is_refused():
    body, key = cbor2.dumps(golden.session_checkpoint()), "sessions/x"
    true = session_checkpoint.decode(body)
    assert session_checkpoint.of_key(names.session_checkpoint(true.session, true.attempt, true.number), body) == true
    told = "^sessions/x is another checkpoint .it names another session, attempt or number.$"
    with pytest.raises(FormatError, match=told) as caught:
        session_checkpoint.of_key(key, body)
    assert caught.value.objects == (key,)


def test_key_slot_that_is_too_large_is_named():
    with pytest.raises(FormatError, match=r"^keys/x has 65537 bytes \(a key slot has at most 65536\)") as told:
        key_slot.decode(bytes(key_slot.SLOT_LIMIT_BYTES + 1), "keys/x")
    assert told.value.objects == ("keys/x",)


def test_key_slot_that_is_as_large_as_allowed_is_read():
    data = bytes(key_slot.SLOT_LIMIT_BYTES - 32)
    with pytest.raises(IntegrityError) as told:
        key_slot.decode(data + hashlib.sha256(data).digest(), "keys/x")
    assert "at most" not in told.value.why


def test_key_slot_that_is_too_short_is_named():
    data = bytes(10)
    with pytest.raises(FormatError, match=r"^keys/x is too short \(it holds no key slot\)") as told:
        key_slot.decode(data + hashlib.sha256(data).digest(), "keys/x")
    assert told.value.objects == ("keys/x",)


def test_newer_structures_are_told_from_damage():
    with pytest.raises(UnsupportedFormatError):
        config.decode(cbor.encode({**FIELDS["config"], "format": 2}))
    with pytest.raises(UnsupportedFormatError):
        config.decode(cbor.encode({**FIELDS["config"], "suite": 3}))
    data = b"HFOBJT\x00\x02" + bytes(200)
    with pytest.raises(UnsupportedFormatError) as newer:
        envelope.read_header(data + hashlib.sha256(data).digest(), "config")
    assert newer.value.cure == "use a newer Holdfast"
    with pytest.raises(FormatError) as told:  # within a repository that is not newer
        OBJECTS["envelope"](data + hashlib.sha256(data).digest())
    assert "newer Holdfast" in told.value.cure


@pytest.mark.parametrize(
    ("key", "cure"),
    [
        ("config", "bring it back as it was: an older version in the bucket, or the one in a copy"),
        ("tenants/x", "bring it back as it was: an older version in the bucket, or the one in a copy"),
        ("points/x", "run `holdfast repository check` to see which points it hurts"),
    ],
)
def test_who_meets_damage_is_told_how_to_go_on(key, cure):
    with pytest.raises(IntegrityError, match=f"^{key} is damaged") as told:
        envelope.read_header(bytes(200), key)
    assert told.value.cure.startswith(cure)


def test_an_intact_object_that_is_too_short_is_named():
    data = bytes(envelope.HEADER_BYTES + envelope.TAG_BYTES - 1)
    with pytest.raises(FormatError, match=r"^config is too short \(143 bytes hold no sealed object\)") as told:
        envelope.read_header(data + hashlib.sha256(data).digest(), "config")
    assert told.value.objects == ("config",)
