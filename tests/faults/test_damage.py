"""Damage of every kind at every place of a small repository: it is found, named, and hurts whom the report says.

`open` or `check` that reads everything must name the damaged object. A point that the report does not name restores;
one whose chunks it names as damaged fails with IntegrityError and leaves no target behind.
"""

import functools
import random

import pytest

from holdfast.domain.errors import HoldfastError, IntegrityError, NotFoundError, ObjectNotFoundError
from holdfast.images.file_target import FileTarget
from holdfast.repository.format import names
from holdfast.repository.format import pack as pack_form
from holdfast.repository.health.checking.check import Damage, check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import PointSummary, list_points
from holdfast.repository.sessions.session import read_point, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put
from tests.faults.world import DISK, FIRST, SECOND, World, back_up, publish_plan, without, world_with_a_dead_backup

KINDS = (
    "config",
    "keys/",
    "epochs/",
    "tenants/",
    "packs/",
    "points/",
    "index/",
    "ledger/",
    "retired/",
    "plan/",
    "sessions/",
)


def named_by(error: HoldfastError) -> set[str]:
    without_config = isinstance(error, NotFoundError) and "`config`" in error.why
    return {*getattr(error, "objects", ()), getattr(error, "key", ""), "config" if without_config else ""}


def examined(small: SmallRepository) -> tuple[set[str], tuple[Damage, ...] | None]:
    """The objects that opening and checking name, and what the report says; None where it does not open."""
    try:
        repository = small.open(deterministic_surroundings(50))
        report = check_repository(repository, 100, Silence())
    except HoldfastError as error:
        return named_by(error), None
    return {damage.object for damage in report.damage}, report.damage


def keys_of(kind: str, store: ObjectStore) -> list[str]:
    return [info.key for info in store.list(kind)]


@pytest.fixture(scope="module")
def scene() -> World:
    return world_with_a_dead_backup(with_plan=True)


def flipped(body: bytes, at: int, bit: int) -> bytes:
    return body[:at] + bytes([body[at] ^ (1 << bit)]) + body[at + 1 :]


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_at_every_byte_is_named(kind, scene, count_case):
    dice = random.Random(kind)
    keys = keys_of(kind, scene.small.store)
    # Every byte of one object of each kind, and one in sixteen of all others of its kind.
    small = scene.small.copied()
    for number, key in enumerate(sorted(keys, key=lambda key: small.store.head(key).size_bytes)):
        body = bytes(small.store.get(key))
        for at in range(len(body)) if number == 0 else sorted(dice.sample(range(len(body)), len(body) // 16)):
            put(small.store, key, flipped(body, at, dice.randrange(8)))
            found, _damage = examined(small)
            assert key in found, f"{key} byte {at}"
            count_case()
        put(small.store, key, body)
    assert keys
    assert examined(small) == (set(), ())


def assert_hurts_whom_it_says(small: SmallRepository, scene: World, damage: tuple[Damage, ...], tmp_path) -> int:
    """Restores every point; returns how many failed. Only a point that is named may fail, and only with IntegrityError
    or as an object that is not there; then nothing stands at the target, and a salvage gives back all but what it
    names."""
    hurt = {point.point_id for one in damage for point in one.hurt}
    repository = small.open(deterministic_surroundings(60))
    points = {point.session: point for point in list_points(repository)}
    failed = 0
    for session, content in scene.contents.items():
        path = tmp_path / session.hex()
        try:
            if session not in points:
                raise ObjectNotFoundError(session.hex())
            restore_volume(repository, points[session], FileTarget(path, force=False), Silence())
        except (IntegrityError, NotFoundError):
            failed += 1
            assert session.hex() in hurt, f"{session.hex()} does not restore, and nobody says so"
            assert not path.exists()
            if session in points:
                assert_salvaged_but_for_what_is_named(repository, points[session], content)
        else:
            assert path.read_bytes() == content
            path.unlink()
    assert list(tmp_path.iterdir()) == []
    return failed


def assert_salvaged_but_for_what_is_named(repository: Repository, point: PointSummary, content: bytes) -> None:
    """It may be refused, where more than chunks is damaged."""
    target = MemoryTarget()
    try:
        report = restore_volume(repository, point, target, Silence(), salvage=True)
    except (IntegrityError, NotFoundError):
        assert target.volume is None
        return
    assert report.lost
    assert target.volume is not None
    assert target.volume.content == without(content, report.lost)


def chunk_bytes(body: bytes) -> range:
    """Where the sealed chunks of a pack stand."""
    offset = pack_form.FOOTER.unpack(body[-pack_form.FOOTER.size :])[0]
    return range(pack_form.HEADER_BYTES, offset)


def test_a_damaged_chunk_hurts_whom_the_report_names(scene, tmp_path, count_case):
    """A byte in each chunk of every pack: its volumes are named with `all of them fail`, no other one is."""
    dice = random.Random(3)
    for key in keys_of("packs/", scene.small.store):
        small = scene.small.copied()
        body = bytes(small.store.get(key))
        for at in dice.sample(chunk_bytes(body), 8):
            put(small.store, key, flipped(body, at, dice.randrange(8)))
            found, damage = examined(small)
            assert damage is not None
            assert key in found
            hurt = {point.point_id for one in damage for point in one.hurt}
            assert assert_hurts_whom_it_says(small, scene, damage, tmp_path) == len(hurt)
            assert {name for one in damage for point in one.hurt for name in point.volumes} <= {"volume"}
            count_case()


def damages(kind, store: ObjectStore, key: str, foreign: bytes):
    """(what, new body or None for gone) for one object."""
    body = bytes(store.get(key))
    yield "emptied", b""
    for length in (1, len(body) // 2, len(body) - 32, len(body) - 1):
        yield f"cut to {length}", body[:length]
    yield "longer", body + b"\0"
    others = [other for other in keys_of(kind, store) if other != key]
    if others:
        yield f"replaced by {others[0]}", bytes(store.get(others[0]))
    yield "replaced by another repository's", foreign
    yield "replaced by another kind", bytes(store.get("config" if kind != "config" else keys_of("keys/", store)[0]))
    yield "zeros", bytes(len(body))
    yield "gone", None


def may_vanish(scene: World, key: str) -> bool:
    """Whose loss cannot be seen or hurts nobody: nothing refers to a key slot, an acknowledgement and
    the ledger's end (but for the memory of who opened it); and no live point needs what a deleted one has left."""
    store = scene.small.store
    if key.startswith(("keys/", "sessions/")) or key == keys_of("ledger/", store)[-1]:
        return True
    if key.startswith("points/"):
        return bytes.fromhex(key.rsplit("/", 1)[1]) not in scene.contents
    return key not in packs_of_points(scene)


@functools.cache
def packs_of_points(scene: World) -> frozenset[str]:
    """What the sessions of live points wrote. What a deleted one and a dead one wrote hurts nobody, or shows when what
    needs it is restored."""
    repository = scene.small.open(deterministic_surroundings(70))
    manifests = [read_point(repository, key) for key in keys_of("points/", scene.small.store)]
    live = [one for one in manifests if one is not None and one.session in scene.contents]
    assert len(live) == len(scene.contents)
    return frozenset(names.pack(pack.pack) for one in live for pack in one.packs)


@pytest.fixture(scope="module")
def foreign() -> ObjectStore:
    """Another repository with an object of every kind."""
    surroundings = deterministic_surroundings(99)
    small = make_small_repository(MemoryStore(), surroundings)
    repository = small.open(surroundings)
    publish_plan(repository, ())
    rotate(repository, small.secret)
    back_up(repository, DISK, FIRST, "s1")
    report = back_up(repository, DISK, SECOND, "s2")
    session = report.finished.manifest.session
    retire(repository, session, next(point.key for point in list_points(repository) if point.session == session))
    return small.store


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_as_it_was_is_named_and_hurts_whom_the_report_says(kind, scene, foreign, tmp_path, count_case):
    others = bytes(foreign.get(keys_of(kind, foreign)[0]))
    for key in keys_of(kind, scene.small.store):
        for what, body in damages(kind, scene.small.store, key, others):
            small = scene.small.copied()
            small.store.delete(key)
            if body is not None:
                put(small.store, key, body)
            found, damage = examined(small)
            context = f"{key} {what}: {found}"
            if body is not None or not may_vanish(scene, key):
                assert key in found, context
            try:
                if damage is not None:
                    assert_hurts_whom_it_says(small, scene, damage, tmp_path)
            except BaseException as error:
                error.add_note(context)
                raise
            count_case()
