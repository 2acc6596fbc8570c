"""Repositories that are not what they should be: foreign, newer, hostile, half gone. One clear error, nothing lost."""

import dataclasses
import functools
import hashlib
import struct
import subprocess
import sys
import tracemalloc

import cbor2
import pytest
import zstandard

from holdfast.domain.errors import (
    FormatError,
    HoldfastError,
    IntegrityError,
    NotFoundError,
    OutOfSpaceError,
    UnsupportedFormatError,
    UsageError,
    WrongKeyError,
)
from holdfast.repository.block_source import BlockReference
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.format import config as config_form
from holdfast.repository.format import key_slot, map_node, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.pack import PLAIN_LIMIT_BYTES, ZSTD
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.repository.object_store import ORDINARY
from holdfast.repository.packs.compression import decompress
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.memory_volumes import MemorySource
from holdfast.testing.small_repository import SmallRepository, copy_to, put, restored
from tests.faults.world import THIRD, World, back_up, world

MEMORY_BYTES = 32 * 1024 * 1024


@pytest.fixture
def scene() -> World:
    return world(with_plan=False)


@pytest.fixture
def small(scene) -> SmallRepository:
    return scene.small.copied()


def open_(small: SmallRepository):
    return small.open(deterministic_surroundings(50))


def objects(small: SmallRepository) -> dict[str, bytes]:
    return {info.key: bytes(small.store.get(info.key)) for info in small.store.list("")}


def refuses(small: SmallRepository, error: type[HoldfastError]) -> HoldfastError:
    """Opening raises exactly that kind of error, says a cure, and writes nothing."""
    before = objects(small)
    with pytest.raises(error) as caught:
        open_(small)
    assert type(caught.value) is error
    assert caught.value.why
    assert caught.value.cure
    assert objects(small) == before
    return caught.value


def test_an_empty_place_is_no_repository(small):
    for info in list(small.store.list("")):
        small.store.delete(info.key)
    refuses(small, NotFoundError)


def test_the_wrong_code_opens_nothing_and_harms_nothing(small, scene):
    other = KeySlots(small.store, deterministic_surroundings(3)).add_recovery(open_(small).master, "x")[1]
    [slot] = [info.key for info in small.store.list(names.KEYS) if info.key not in objects(scene.small)]
    small.store.delete(slot)
    refuses(dataclasses.replace(small, secret=Secret(text=other.encode())), WrongKeyError)
    refuses(dataclasses.replace(small, secret=Secret(text=b"a password")), WrongKeyError)
    refuses(dataclasses.replace(small, secret=Secret()), WrongKeyError)
    assert restored_all(small, scene)


def restored_all(small: SmallRepository, scene: World) -> bool:
    repository = open_(small)
    found = {point.session: restored(repository, point) for point in list_points(repository)}
    return found == scene.contents


@pytest.mark.parametrize(("place", "length"), [(7, 1), (8, 2)], ids=["structure", "suite"])
def test_a_newer_envelope_is_told_from_damage(small, place, length):
    body = bytearray(small.store.get(names.CONFIG))
    body[place : place + length] = (9).to_bytes(length, "big")
    put(small.store, names.CONFIG, with_digest(bytes(body[:-32])))
    refuses(small, UnsupportedFormatError)


@pytest.mark.parametrize(("field", "value"), [("format", 2), ("suite", 3), ("class", "frozen")])
def test_a_newer_config_is_told_from_damage(small, field, value):
    repository = open_(small)
    fields = cbor2.loads(config_form.encode(repository.config))
    small.store.delete(names.CONFIG)
    repository.sealed.write(Kind.CONFIG, names.CONFIG, cbor2.dumps({**fields, field: value}, canonical=True))
    refuses(small, UnsupportedFormatError)


def test_a_slot_of_a_newer_structure_beside_an_own_one(small, scene):
    put(small.store, "keys/" + "ab" * 16, with_digest(b"HFSLOT\x00\x02" + bytes(200)))
    assert restored_all(small, scene)
    for info in list(small.store.list(names.KEYS)):
        if info.key != "keys/" + "ab" * 16:
            small.store.delete(info.key)
    refuses(small, UnsupportedFormatError)


def with_digest(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def slot_object(header: bytes) -> bytes:
    return with_digest(key_slot.FIXED.pack(key_slot.MAGIC, len(header)) + header + bytes(key_slot.TAIL_BYTES - 32))


def hostile_slot(small: SmallRepository, **parameters: object) -> None:
    """A password slot of this very repository whose author wishes harm; sorts before all others."""
    slot = bytes(16)
    header = {
        "format": 1, "suite": DEFAULT_SUITE, "repository": open_(small).config.repository, "kid": 1, "slot": slot,
        "kind": "password", "label": "", "created": "", "salt": bytes(16), "memory_kib": 65536, "iterations": 3,
        "lanes": 4, **parameters,
    }  # fmt: skip
    put(small.store, names.slot(slot), slot_object(cbor2.dumps(header, canonical=True)))


@pytest.mark.parametrize(
    "parameters",
    [
        {"memory_kib": 1 << 40}, {"memory_kib": 1 << 70}, {"memory_kib": 1}, {"memory_kib": -5}, {"iterations": 0},
        {"iterations": 1 << 31}, {"lanes": 0}, {"lanes": 1 << 20}, {"salt": b""}, {"salt": bytes(60_000)},
        {"salt": "text"}, {"memory_kib": 65536.0}, {"memory_kib": None}, {"iterations": True}, {"kind": "x"},
        {"kind": 5}, {"kid": 1 << 40},
    ],
    ids=str,
)  # fmt: skip
def test_a_hostile_slot_costs_neither_memory_nor_the_way_in(small, scene, parameters):
    """Whoever may write to the store may add a slot: it must not keep the owner out, nor make him allocate."""
    secret = Secret(text=b"the owner's password")
    KeySlots(small.store, deterministic_surroundings(4)).add_password(open_(small).master, secret.text or b"", "mine")
    hostile_slot(small, **parameters)
    owner = dataclasses.replace(small, secret=secret)
    tracemalloc.start()
    try:
        repository = open_(owner)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()
    assert len(list_points(repository)) == len(scene.contents)


HOSTILE_CBOR = {
    "a text of 2^62 bytes": b"\x7b" + struct.pack(">Q", 1 << 62),
    "bytes of 2^62": b"\x5b" + struct.pack(">Q", 1 << 62),
    "an array of 2^32": b"\x9b" + struct.pack(">Q", 1 << 32),
    "an array of 2^62": b"\x9b" + struct.pack(">Q", 1 << 62),
    "a map of 2^40": b"\xbb" + struct.pack(">Q", 1 << 40),
    "maps in maps": b"\xa1\x61a" * 20_000,
    "arrays in arrays": b"\x81" * 50_000,
    "endless": b"\x9f" * 1000,
    "a tag of a big number": b"\xc2\x5b" + struct.pack(">Q", 1 << 40),
    "a power of ten": b"\xc4\x82\x1b" + struct.pack(">Q", 1 << 62) + b"\x01",
    "a regular expression": b"\xd8\x23\x6a(a+)+(a+)+$",
    "a bad regular expression": b"\xd8\x23\x61(",
    "a rational with no denominator": b"\xd8\x1e\x82\x01\x00",
    "a time at no time": b"\xc1\x1b" + struct.pack(">Q", 1 << 62),
    "an address": b"\xd9\x01\x04\x43abc",
    "a reference to itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "a reference to nothing": b"\xd8\x1d\x05",
    "unhashable keys": b"\xa1\x81\x01\x01",
    "not even text": b"\x61\xff",
    "nothing": b"",
    "a break": b"\xff",
    "undefined": b"\xf7",
}


@pytest.mark.parametrize("header", HOSTILE_CBOR.values(), ids=list(HOSTILE_CBOR))
def test_hostile_cbor_is_a_format_error_in_bounded_memory(small, scene, header):
    """A key slot's header is what a stranger can write: it is read before any key is known."""
    for body in (header, b"\xa1\x64kind" + header):
        tracemalloc.start()
        try:
            with pytest.raises(FormatError):
                key_slot.decode(slot_object(body[:60_000]), "keys/x")
            assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
        finally:
            tracemalloc.stop()
        put(small.store, "keys/" + "00" * 16, slot_object(body[:60_000]))
        assert restored_all(small, scene)


def test_deep_cbor_does_not_take_the_process_down():
    """In a process of its own: a parser that recurses without bound ends it with a signal."""
    script = (
        "from holdfast.repository.format import cbor\n"
        "from holdfast.domain.errors import FormatError\n"
        "for one in (b'\\x81', b'\\xa1\\x61a', b'\\xd8\\x64', b'\\xc2', b'\\x9f', b'\\xd9\\x01\\x02'):\n"
        "    try:\n"
        "        cbor.decode(one * 1_000_000, 'x')\n"
        "    except FormatError:\n"
        "        continue\n"
        "    raise SystemExit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@functools.cache
def zstd_frame(size_bytes: int) -> bytes:
    return zstandard.ZstdCompressor().compress(bytes(size_bytes))


@pytest.mark.parametrize(
    ("made", "plain_length"),
    [
        (lambda: zstd_frame(1 << 30), 1000),
        (lambda: zstd_frame(1 << 30), 1 << 30),
        (lambda: zstd_frame(1 << 30), PLAIN_LIMIT_BYTES),
        (lambda: zstd_frame(5000), 4999),
        (lambda: zstd_frame(5000), 5001),
        (lambda: zstd_frame(5000)[:-1], 5000),
        (lambda: zstandard.ZstdCompressor().compressobj().compress(bytes(5000)), 5000),
        (lambda: b"", 0),
        (lambda: b"garbage", 7),
        (lambda: zstd_frame(PLAIN_LIMIT_BYTES + 1), PLAIN_LIMIT_BYTES + 1),
    ],
)
def test_a_bomb_does_not_go_off(made, plain_length):
    frame = made()
    tracemalloc.start()
    try:
        assert decompress(ZSTD, frame, plain_length) is None
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()


def test_a_frame_that_lies_about_its_size():
    """The header says 5,000, the blocks hold more or less: nothing but 5,000 bytes is ever allocated or believed."""
    whole = zstandard.ZstdCompressor(write_checksum=False).compress(bytes(range(256)) * 40)
    for said in (0, 1, 5000, 255, 10_239, 10_241, 65_535):
        frame = bytearray(whole)
        assert frame[4] >> 6 == 1  # a content size of two bytes follows, minus 256
        frame[5:7] = max(said - 256, 0).to_bytes(2, "little")
        assert decompress(ZSTD, bytes(frame), said) is None


@pytest.mark.parametrize("depth", [0, 9, 255])
def test_maps_of_impossible_depth_are_no_maps(small, depth, scene):
    """Only who holds the key can write such a point; it is an error all the same, and hurts no other."""
    repository = open_(small)
    victim = list_points(repository)[0]
    fields = cbor2.loads(repository.sealed.read(victim.key, Kind.MANIFEST)[1])
    fields["volumes"][0]["depth"] = depth
    small.store.delete(victim.key)
    repository.sealed.write(Kind.MANIFEST, victim.key, cbor2.dumps(fields, canonical=True))
    with pytest.raises(IntegrityError):
        restored(open_(small), victim)
    for point in list_points(open_(small)):
        assert point == victim or restored(open_(small), point) == scene.contents[point.session]
    assert victim.key in {damage.object for damage in check_repository(open_(small), 100, Silence()).damage}


@pytest.mark.parametrize("field", ["size", "block_size"])
@pytest.mark.parametrize("value", [0, 1 << 59, (1 << 64) - 1, -1])
def test_points_of_impossible_sizes(small, field, value):
    repository = open_(small)
    victim = list_points(repository)[0]
    fields = cbor2.loads(repository.sealed.read(victim.key, Kind.MANIFEST)[1])
    fields["volumes"][0][field] = value
    small.store.delete(victim.key)
    repository.sealed.write(Kind.MANIFEST, victim.key, cbor2.dumps(fields, canonical=True))
    with pytest.raises(IntegrityError):
        restored(open_(small), victim)


def test_map_nodes_of_any_bytes_are_nodes_or_format_errors():
    node = map_node.encode(0, map_node.CUT_FIXED, [None] * 128, [])
    for at in range(map_node.HEAD.size):
        for value in (0, 1, 127, 255):
            body = node[:at] + bytes([value]) + node[at + 1 :]
            try:
                map_node.decode(body, level=0, cut=map_node.CUT_FIXED)
            except FormatError:
                continue


STRAYS = [
    "README.txt", "packs/README", "packs/zz/not-hex", "points/notes", "points/x/y/z", "index/notes", "ledger/notes",
    "ledger/99999999999999999999x", "ledger/checkpoints/notes", "plan/notes", "retired/notes", "tenants/notes",
    "sessions/notes", "sessions/x/ack-1", "keys/notes",
]  # fmt: skip


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_file_is_in_nobodys_way(small, scene, stray):
    """What others put there (.nfs…, notes, a half copied file) stops no backup, no restore, no list, no check."""
    if stray == "index/notes":
        stray = next(info.key for info in small.store.list(names.INDEX)).rsplit("/", 1)[0] + "/notes"
    put(small.store, stray, b"something else entirely")
    assert restored_all(small, scene)
    back_up(open_(small), "disk", THIRD, "s3")
    repository = open_(small)
    newest = list_points(repository)[-1]
    assert restored(repository, newest) == THIRD.content
    found = {damage.object: damage.hurt for damage in check_repository(repository, 100, Silence()).damage}
    assert set(found) <= {stray}
    assert not any(found.values())


def test_what_file_systems_leave_in_a_directory_is_in_nobodys_way(scene, tmp_path):
    small = dataclasses.replace(scene.small, store=copy_to(DirectoryStore(tmp_path), scene.small.store))
    for stray in ("packs/.nfs0001", "points/.nfs0001", "lost+found/x", "index/ü", "ledger/a\nb", "incoming/x"):
        (tmp_path / stray).parent.mkdir(exist_ok=True)
        (tmp_path / stray).write_bytes(b"something else entirely")
    (tmp_path / "points" / "link").symlink_to(tmp_path / "config")
    assert restored_all(small, scene)
    back_up(open_(small), "disk", THIRD, "s3")
    repository = open_(small)
    assert restored(repository, list_points(repository)[-1]) == THIRD.content
    assert check_repository(repository, 100, Silence()).damage == ()


@pytest.mark.parametrize("prefix", [names.INDEX, names.POINTS])
def test_damage_that_hurts_the_past_does_not_stop_the_next_backup(small, scene, prefix):
    """A damaged index run costs storage, a damaged newest point its place as the parent, which is said."""
    for info in list(small.store.list(prefix)):
        if prefix == names.INDEX or info.key.endswith(scene.newest["disk"].hex()):
            body = bytearray(small.store.get(info.key))
            body[100] ^= 1
            put(small.store, info.key, bytes(body))
    report = back_up(open_(small), "disk", THIRD, "s3")
    point = list_points(open_(small))[-1]
    assert restored(open_(small), point) == THIRD.content
    assert any("passed over" in warning for warning in report.warnings) == (prefix == names.POINTS)


def test_a_list_of_changes_since_a_damaged_point_is_not_taken_for_one_since_an_older_point(small, scene):
    key = next(info.key for info in small.store.list(names.POINTS) if info.key.endswith(scene.newest["disk"].hex()))
    body = bytearray(small.store.get(key))
    body[100] ^= 1
    put(small.store, key, bytes(body))
    with pytest.raises(UsageError, match="needs its parent"):
        backup_volume(
            open_(small),
            MemorySource(THIRD),
            BackupOrder("disk"),
            Silence(),
            lambda size_bytes: iter([BlockReference(0)]),
        )
    assert len(list_points(open_(small))) == len(scene.contents)


class FullStore(FaultyStore):
    """Reads work, every write finds no room."""

    def create(self, key, body, sha256, terms=ORDINARY):
        raise OutOfSpaceError("no room", why="the disk is full (planned)", cure="make room")


def test_a_full_place_can_be_restored_from(small, scene):
    repository = small.open(deterministic_surroundings(50), FullStore(small.store, {}))
    for point in list_points(repository):
        assert restored(repository, point) == scene.contents[point.session]
    with pytest.raises(OutOfSpaceError):
        back_up(repository, "disk", THIRD, "s3")
    assert restored_all(small, scene)
