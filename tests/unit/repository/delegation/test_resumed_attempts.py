"""A further attempt goes on where an earlier one died; a forged checkpoint is refused as a forged result is."""

import dataclasses

import pytest

from holdfast.domain.errors import IntegrityError
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, reprepare, write_task
from holdfast.repository.delegation.orders import delete_scratch, read_result
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.format import names
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.format.session_checkpoint import SessionCheckpoint, VolumeBlocks
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemorySource
from holdfast.testing.small_repository import make_small_repository, put
from holdfast.worker.narrow_store import NarrowStore
from tests.faults.world import PACK_SIZE_BYTES, volume_of
from tests.unit.repository.delegation.delegated import WORKLOAD, Disks, restore, scratch, work

ROOT = volume_of(*range(1, 20))
DATA = volume_of(*range(31, 40), tail_bytes=2000)
BLOCKS = 30


class Scene:
    """A session of two volumes, of which attempts may die."""

    def __init__(self, seed: int = 1) -> None:
        surroundings = deterministic_surroundings(seed)
        small = make_small_repository(MemoryStore(), surroundings, PACK_SIZE_BYTES)
        self.repository = small.open(surroundings)
        self.disks = Disks()
        self.disks.snapshots.update({"r": ROOT, "d": DATA})
        sources = [VolumeSource(name, {"kind": "memory", "snapshot": name[0]}) for name in ("root", "data")]
        self.prepared = prepare_backup(self.repository, DEFAULT_TENANT, WORKLOAD, sources)
        write_task(self.prepared, 1)

    @property
    def session(self) -> bytes:
        return self.prepared.session

    @property
    def store(self):
        return self.repository.store

    def attempt(self, number: int, store=None) -> list[int]:
        """As many blocks as it read of each volume; with the rights that a worker has."""
        opened = len(self.disks.opened)
        write_task(reprepare(self.repository, self.session), number)
        narrow = NarrowStore(store or self.store, self.session, writes_packs=True)
        work(narrow, self.prepared, self.disks, number, deterministic_surroundings(40 + number))
        return [len(source.read_blocks) for source in self.disks.opened[opened:]]

    def die(self, number: int, *, checkpoints: int) -> None:
        """An attempt whose process ends after so many checkpoints and some packs more."""
        write_task(reprepare(self.repository, self.session), number)

        class Dying(FaultyStore):
            seen = 0

            def create(self, key, body, sha256, *terms) -> None:
                self.seen += f"/{names.SESSION_CHECKPOINT}" in key
                if self.seen > checkpoints:
                    raise SimulatedCrash
                super().create(key, body, sha256, *terms)

        with pytest.raises(SimulatedCrash):
            self.attempt(number, Dying(self.store, {}))

    def accept(self, number: int):
        result = read_result(self.repository, self.session, number)
        assert isinstance(result, BackupResult)
        return accept_backup(self.repository, self.session, result)

    def leave(self, attempt: int, packs, blocks) -> None:
        """A checkpoint that a worker made up, in its session's scratch."""
        volume = VolumeBlocks.of("root", ROOT.size_bytes, MemorySource(ROOT, "r").identity, blocks)
        workload = self.prepared.task.terms.workload_id
        forged = SessionCheckpoint(self.session, attempt, 1, workload, tuple(packs), (volume,))
        scratch(self.store, self.prepared, deterministic_surroundings(80)).write_checkpoint(forged)


@pytest.fixture
def scene():
    return Scene()


def assert_whole(scene, manifest) -> None:
    assert restore(scene.repository, manifest.session, "root", "data") == {"root": ROOT.content, "data": DATA.content}
    assert check_repository(scene.repository, 100, Silence()).damage == ()


def test_the_next_attempt_reads_what_is_left(scene):
    scene.die(1, checkpoints=3)
    first = [len(source.read_blocks) for source in scene.disks.opened]
    second = scene.attempt(2)
    assert sum(first) + sum(second) < BLOCKS + sum(first)
    manifest = scene.accept(2)
    assert manifest.statistics["resumed_bytes"] > 0
    assert manifest.statistics["read_bytes"] + manifest.statistics["resumed_bytes"] == manifest.size_bytes
    assert_whole(scene, manifest)
    delete_scratch(scene.repository, scene.session)
    assert list(scene.store.list(names.SESSIONS)) == []


def test_a_third_attempt_goes_on_with_both_before(scene):
    scene.die(1, checkpoints=1)
    scene.die(2, checkpoints=3)
    read = [sum(len(source.read_blocks) for source in scene.disks.opened), sum(scene.attempt(3))]
    assert read[1] < BLOCKS - 2
    keys = [info.key for info in scene.store.list(names.scratch(scene.session))]
    assert {names.session_checkpoint(scene.session, attempt, 1) for attempt in (1, 2, 3)} <= set(keys)
    assert_whole(scene, scene.accept(3))


def test_both_attempts_may_store_the_same_chunk(scene):
    """An attempt that was taken for dead stores what another one stores too; either result is accepted."""
    scene.die(1, checkpoints=2)
    scene.attempt(2)
    scene.attempt(3)
    scene.attempt(4)
    assert_whole(scene, scene.accept(4))


def test_what_another_attempts_checkpoint_lists_and_is_gone_is_read(scene):
    scene.die(1, checkpoints=3)
    for info in list(scene.store.list(names.PACKS)):
        scene.store.delete(info.key)
    assert sum(scene.attempt(2)) == BLOCKS
    assert_whole(scene, scene.accept(2))


def packs_of_first(scene):
    result = read_result(scene.repository, scene.session, 1)
    assert isinstance(result, BackupResult)
    return result.packs


def own_packs(scene):
    return [pack for pack in packs_of_first(scene) if not pack.holds_maps]


def row(scene, pack) -> PackRow:
    return PackRow(1, scene.session, pack.pack)


@pytest.mark.parametrize("what", ["a chunk that is not there", "a pack of maps", "a pack of another session"])
def test_a_forged_checkpoint_is_refused_as_a_forged_result_is(what, scene):
    """The second attempt is honest and believes it: what it reports does not pass."""
    scene.attempt(1)
    pack = own_packs(scene)[0]
    if what == "a pack of maps":
        pack = next(pack for pack in packs_of_first(scene) if pack.holds_maps)
    if what == "a pack of another session":
        other = Scene(2)
        other.attempt(7)
        pack = other.accept(7).packs[0]
        put(scene.store, names.pack(pack.pack), bytes(other.store.get(names.pack(pack.pack))))
    place = Place(row(scene, pack), 0, 96, 100, 524288, 1)
    scene.leave(2, [pack], [(0, Located(bytes(32), place))])
    scene.attempt(3)
    with pytest.raises(IntegrityError):
        scene.accept(3)
    if what == "a pack of another session":
        scene.store.delete(names.pack(pack.pack))
    assert_whole(scene, scene.accept(1))


def test_a_place_in_a_pack_that_no_checkpoint_lists_means_nothing(scene):
    scene.attempt(1)
    place = Place(PackRow(1, bytes(16), bytes(16)), 0, 96, 100, 524288, 1)
    scene.leave(2, [], [(0, Located(bytes(32), place))])
    assert scene.attempt(3)[0] == 1
    assert_whole(scene, scene.accept(3))


def test_a_chunk_of_another_length_is_not_taken(scene):
    scene.attempt(1)
    pack = own_packs(scene)[0]
    place = Place(row(scene, pack), 0, 96, 100, 1000, 1)
    scene.leave(2, [pack], [(0, Located(bytes(32), place))])
    scene.attempt(3)
    assert_whole(scene, scene.accept(3))


def test_a_pack_of_another_size_is_not_found(scene):
    scene.attempt(1)
    [pack, *_others] = own_packs(scene)
    place = Place(row(scene, pack), 0, 96, 100, 524288, 1)
    wrong = dataclasses.replace(pack, size_bytes=pack.size_bytes + 1)
    scene.leave(2, [wrong], [(0, Located(bytes(32), place))])
    scene.attempt(3)
    assert_whole(scene, scene.accept(3))
