"""A salvage restores what opens, leaves zeros for all else, and names exactly that; without it nothing is restored."""

import io
import random
from dataclasses import dataclass

import pytest

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    ObjectNotFoundError,
    UnavailableError,
    UnsupportedFormatError,
)
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.format.map_node import FANOUT
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.packs.chunk_opening import damaged_pack
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.progress import Silence
from holdfast.repository.reading.losses import Losses, Lost, Missing
from holdfast.repository.reading.restore import RestoreReport, restore_volume
from holdfast.repository.reading.volume_reader import VolumeReader
from holdfast.repository.sessions.points import PointSummary, list_points, load_manifest
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_stream
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore
from holdfast.testing.memory_volumes import MemoryTarget, MemoryVolume
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put
from tests.faults.world import DISK, PACK_SIZE_BYTES, back_up, pattern, volume_of, without

BOTH_WAYS = pytest.mark.parametrize("sequential", [False, True])


@dataclass
class Scene:
    """A repository with one point."""

    small: SmallRepository
    point: PointSummary

    def chunks(self, *, maps: bool) -> list[tuple[str, int, bytes]]:
        """Each chunk of the point's packs of a kind: pack, a byte of it, id."""
        repository = self.small.open(deterministic_surroundings(8))
        packs = [pack for pack in load_manifest(repository, self.point).packs if pack.holds_maps == maps]
        found = [(pack.pack, read_directory(repository.access("default"), pack.pack).entries) for pack in packs]
        return [(names.pack(pack), one.offset + one.length // 2, one.id) for pack, entries in found for one in entries]

    def places(self, chunk: bytes) -> list[tuple[int, int]]:
        """Offset and length of each stretch of the volume that holds it."""
        repository = self.small.open(deterministic_surroundings(8))
        [volume] = load_manifest(repository, self.point).volumes
        pieces = VolumeReader(repository.access("default"), volume).pieces()
        return [(piece.offset, piece.length) for piece in pieces if piece.chunk.id == chunk]

    def flipped(self, key: str, at: int) -> ObjectStore:
        """Its store with that bit of a pack changed."""
        store = self.small.copied().store
        body = bytearray(store.get(key))
        body[at] ^= 1
        put(store, key, bytes(body))
        return store

    def restore(
        self, store: ObjectStore, *, sequential: bool = False, salvage: bool = True
    ) -> tuple[RestoreReport, MemoryVolume]:
        """As a process of its own."""
        repository = self.small.open(deterministic_surroundings(9), store)
        target = MemoryTarget(sequential=sequential)
        try:
            report = restore_volume(repository, self.point, target, Silence(), salvage=salvage)
        except HoldfastError:
            assert target.aborted
            assert target.volume is None
            raise
        assert target.volume is not None
        return report, target.volume


def scene_of(volume: MemoryVolume | bytes, pack_size_bytes: int | None = PACK_SIZE_BYTES) -> Scene:
    surroundings = deterministic_surroundings(3)
    small = make_small_repository(MemoryStore(), surroundings, pack_size_bytes)
    repository = small.open(surroundings)
    if isinstance(volume, bytes):
        backup_stream(repository, io.BytesIO(volume), BackupOrder("dump"), Silence())
    else:
        back_up(repository, DISK, volume, "s1")
    [point] = list_points(repository)
    return Scene(small, point)


VOLUME = volume_of(1, 2, 0, 1, 3)
STREAM = random.Random(5).randbytes(3 * 512 * 1024)


@pytest.fixture(scope="module")
def disk() -> Scene:
    return scene_of(VOLUME)


@pytest.fixture(scope="module")
def stream() -> Scene:
    return scene_of(STREAM)


def ranges(report: RestoreReport) -> list[tuple[int, int]]:
    return [(one.offset, one.length) for one in report.lost]


@BOTH_WAYS
@pytest.mark.parametrize(("name", "content"), [("disk", VOLUME.content), ("stream", STREAM)])
def test_each_chunk_in_turn_costs_what_it_holds_and_no_more(name, content, sequential, request):
    scene: Scene = request.getfixturevalue(name)
    chunks = scene.chunks(maps=False)
    assert len(chunks) > 1
    for key, at, chunk in chunks:
        report, volume = scene.restore(scene.flipped(key, at), sequential=sequential)
        assert ranges(report) == scene.places(chunk) != []
        assert {one.object for one in report.lost} == {key}
        assert all("no other copy" in one.why for one in report.lost)
        assert volume.content == without(content, report.lost)
        assert report.warnings == ()


@pytest.mark.parametrize("name", ["disk", "stream"])
def test_without_the_word_it_is_refused_and_the_cure_has_the_word(name, request):
    scene: Scene = request.getfixturevalue(name)
    for maps in (False, True):
        key, at, _chunk = scene.chunks(maps=maps)[0]
        with pytest.raises(IntegrityError) as damaged:
            scene.restore(scene.flipped(key, at), salvage=False)
        store = scene.small.copied().store
        store.delete(key)
        with pytest.raises(ObjectNotFoundError) as gone:
            scene.restore(store, salvage=False)
        for caught in (damaged, gone):
            assert caught.value.cure.endswith("; `holdfast image restore --salvage` restores all else")


@BOTH_WAYS
def test_a_node_of_the_map_costs_what_is_below_it(sequential):
    leaf_bytes = FANOUT * BLOCK_SIZE_BYTES
    blocks = {0: pattern(1), 5: pattern(2), 2 * FANOUT: pattern(3), 3 * FANOUT + 7: pattern(4, 700)}
    volume = MemoryVolume((3 * FANOUT + 7) * BLOCK_SIZE_BYTES + 700, blocks)
    scene, lost = scene_of(volume), []
    for key, at, _chunk in scene.chunks(maps=True):
        report, restored = scene.restore(scene.flipped(key, at), sequential=sequential)
        [one] = report.lost
        assert one.object == key
        below = range(one.offset // BLOCK_SIZE_BYTES, -(-(one.offset + one.length) // BLOCK_SIZE_BYTES))
        assert restored.blocks == {number: block for number, block in blocks.items() if number not in below}
        lost.append((one.offset, one.length))
    leaves = [(0, leaf_bytes), (2 * leaf_bytes, leaf_bytes), (3 * leaf_bytes, volume.size_bytes - 3 * leaf_bytes)]
    assert sorted(lost) == sorted([(0, volume.size_bytes), *leaves])


def test_the_map_of_a_stream(stream):
    for key, at, _chunk in stream.chunks(maps=True):
        report, volume = stream.restore(stream.flipped(key, at))
        assert ranges(report) == [(0, len(STREAM))]
        assert volume.content == bytes(len(STREAM))


def test_neighbours_that_lack_one_object_are_one_range():
    scene = scene_of(volume_of(1, 2, 0, 3, 4, tail_bytes=700), None)
    [key] = {key for key, _at, _chunk in scene.chunks(maps=False)}
    store = scene.small.copied().store
    store.delete(key)
    report, _volume = scene.restore(store)
    assert ranges(report) == [(0, 2 * BLOCK_SIZE_BYTES), (3 * BLOCK_SIZE_BYTES, 2 * BLOCK_SIZE_BYTES + 700)]
    assert {one.object for one in report.lost} == {key}


def test_a_whole_repository_loses_nothing(disk, stream):
    for scene, content in ((disk, VOLUME.content), (stream, STREAM)):
        report, volume = scene.restore(scene.small.store)
        assert (report.lost, volume.content) == ((), content)


def test_what_cannot_be_asked_is_not_lost(disk):
    """A store that fails may have it all: nothing is left at the target."""
    calm = FaultyStore(disk.small.store, {})
    disk.restore(calm)
    reads = [one.number for one in calm.requests if one.key.startswith(names.PACKS)]
    assert len(reads) > 2
    for number in reads:
        with pytest.raises(UnavailableError):
            disk.restore(FaultyStore(disk.small.store, {number: Fault.ERROR}))


def test_a_point_that_is_gone_is_not_salvaged(disk):
    store = disk.small.copied().store
    store.delete(disk.point.key)
    repository = disk.small.open(deterministic_surroundings(9), store)
    with pytest.raises(HoldfastError) as caught:
        restore_volume(repository, disk.point, MemoryTarget(), Silence(), salvage=True)
    assert "--salvage" not in caught.value.cure


def test_losses_are_joined_in_whatever_order_they_come():
    losses, numbers = Losses(cold_too=True), list(range(10_000))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        losses.add(Missing(number * 10, 10, damaged_pack("packs/a" if number < 7000 else "packs/b", "it is gone")))
    losses.add(Missing(200_000, 5, damaged_pack("packs/b", "it is gone")))
    losses.add(Missing(200_005, 5, damaged_pack("packs/b", "another reason")))
    assert losses.found() == (
        Lost(0, 70_000, "packs/a", "it is gone"),
        Lost(70_000, 30_000, "packs/b", "it is gone"),
        Lost(200_000, 5, "packs/b", "it is gone"),
        Lost(200_005, 5, "packs/b", "another reason"),
    )


def test_what_a_newer_version_may_read_is_not_lost():
    newer = UnsupportedFormatError("an index run is newer", why="format 2", cure="use a newer version")
    with pytest.raises(UnsupportedFormatError):
        Losses(cold_too=True).add(Missing(0, 1, newer))
