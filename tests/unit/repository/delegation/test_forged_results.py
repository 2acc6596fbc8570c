"""A worker that lies: whatever it reports that is not its own, its parent's or what it was given is refused whole."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.domain.errors import ConflictError, HoldfastError, IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, abandon, prepare_backup, write_task
from holdfast.repository.delegation.orders import read_result
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.scratch import SessionScratch
from holdfast.repository.delegation.tasks import BackupTask
from holdfast.repository.format import map_node, names
from holdfast.repository.format.manifest import Manifest, StoredPack
from holdfast.repository.format.map_node import CUT_STREAM, depth_of
from holdfast.repository.format.places import Located
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import MapReader, leaves
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.map_builder import FixedMapBuilder
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import sample
from holdfast.testing.small_repository import make_small_repository
from tests.unit.repository.delegation.awaiting import Awaiting
from tests.unit.repository.delegation.delegated import Disks, back_up, restore, scratch, work

BLOCK = 512 * 1024
CONTENT = sample(6 * BLOCK)
CHANGED = b"y" * BLOCK + CONTENT[BLOCK:]


@dataclasses.dataclass
class Scene(Awaiting):
    """A workload with a point, another workload's point, and an honest result that waits to be accepted."""

    def with_root(self, root: Located) -> BackupResult:
        return self.with_volume(root=root)


@pytest.fixture
def scene() -> Scene:
    surroundings = deterministic_surroundings()
    repository = make_small_repository(MemoryStore(), surroundings, 600 * 1024).open(surroundings)
    disks = Disks()
    foreign, _result = back_up(repository, disks, {"root": disks.snapshot("f", CONTENT[::-1])}, "foreign")
    parent, _result = back_up(repository, disks, {"root": disks.snapshot("r1", CONTENT)})
    sources = [VolumeSource("root", disks.snapshot("r2", CHANGED))]
    prepared = prepare_backup(repository, DEFAULT_TENANT, "instance", sources)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    result = read_result(repository, prepared.session, 1)
    assert isinstance(result, BackupResult)
    return Scene(repository, parent, foreign, prepared, result)


def refused(scene: Scene, result: BackupResult, error: type[HoldfastError] = IntegrityError) -> tuple[str, ...]:
    """No point, no index run; and the honest result is still accepted. The objects that the error names."""
    before = [info.key for info in scene.repository.store.list(names.POINTS)]
    runs = [info.key for info in scene.repository.store.list(names.INDEX)]
    with pytest.raises(error) as caught:
        accept_backup(scene.repository, scene.prepared.session, result)
    assert [info.key for info in scene.repository.store.list(names.POINTS)] == before
    assert [info.key for info in scene.repository.store.list(names.INDEX)] == runs
    assert scene.prepared.session not in [point.session for point in list_points(scene.repository)]
    manifest = accept_backup(scene.repository, scene.prepared.session, scene.result)
    assert restore(scene.repository, manifest.session, "root") == {"root": CHANGED}
    return getattr(caught.value, "objects", ())


def test_the_honest_result_is_a_point_whose_run_serves_its_own_workload(scene):
    manifest = accept_backup(scene.repository, scene.prepared.session, scene.result, b"the instance")
    assert manifest.parent == scene.parent.session
    assert manifest.configuration == b"the instance"
    run = scene.repository.access().read_index_run(manifest.index_runs[0])
    assert not run.verified
    assert {row.pack for row in run.packs} == {pack.pack for pack in manifest.packs}


@pytest.mark.parametrize("which", ["data", "map"])
def test_a_pack_of_another_session(scene, which):
    foreign = next(pack for pack in scene.foreign.packs if pack.holds_maps == (which == "map"))
    blamed = refused(scene, scene.with_packs(*scene.result.packs, foreign))
    assert blamed == (names.pack(foreign.pack),)


@pytest.mark.parametrize("number", [0, -1])
def test_a_pack_that_is_not_reported(scene, number):
    packs = list(scene.result.packs)
    del packs[number]
    refused(scene, scene.with_packs(*packs))


def test_a_pack_that_is_not_there(scene):
    refused(scene, scene.with_packs(*scene.result.packs, StoredPack(b"n" * 16, False, 1000, bytes(32))))


@pytest.mark.parametrize(
    "lie", [{"size_bytes": 1000}, {"sha256": bytes(32)}, {"holds_maps": True}], ids=["size", "checksum", "sort"]
)
def test_a_pack_described_wrongly(scene, lie):
    first, *others = scene.result.packs
    assert not first.holds_maps
    refused(scene, scene.with_packs(dataclasses.replace(first, **lie), *others))


def test_a_pack_reported_twice(scene):
    refused(scene, scene.with_packs(*scene.result.packs, scene.result.packs[0]))


def bit(identifier: bytes) -> bytes:
    return bytes([identifier[0] ^ 1]) + identifier[1:]


ROOT_LIES: dict[str, Callable[[Located], Located]] = {
    "id": lambda root: dataclasses.replace(root, id=bit(root.id)),
    "number": lambda root: moved(root, number=root.place.number + 1),
    "offset": lambda root: moved(root, offset=root.place.offset + 1),
    "length": lambda root: moved(root, length=root.place.length - 1),
    "plain length": lambda root: moved(root, plain_length=root.place.plain_length - 1),
    "compression": lambda root: moved(root, compression=1 - root.place.compression),
    "session": lambda root: moved(root, pack=dataclasses.replace(root.place.pack, session=bytes(16))),
    "epoch": lambda root: moved(root, pack=dataclasses.replace(root.place.pack, kid=2)),
    "pack": lambda root: moved(root, pack=dataclasses.replace(root.place.pack, pack=bytes(16))),
}


def moved(located: Located, **changes: Any) -> Located:
    return dataclasses.replace(located, place=dataclasses.replace(located.place, **changes))


@pytest.mark.parametrize("lie", ROOT_LIES)
def test_a_changed_root(scene, lie):
    assert scene.volume.root is not None
    refused(scene, scene.with_root(ROOT_LIES[lie](scene.volume.root)))


def test_a_root_of_another_workload(scene):
    foreign = scene.foreign.volumes[0].root
    assert foreign is not None
    refused(scene, scene.with_root(foreign))


@pytest.mark.parametrize(
    "lie",
    [
        {"name": "other"},
        {"size_bytes": 5 * BLOCK},
        {"size_bytes": 1 << 40, "depth": depth_of(1 << 21)},
        {"depth": 2},
        {"cut": CUT_STREAM, "block_size_bytes": 0},
        {"block_size_bytes": BLOCK // 2},
        {"source": {"kind": "memory", "snapshot": "r1"}},
        {"source": {"kind": "memory", "snapshot": "r2", "note": "x" * 20_000}},
    ],
    ids=["name", "smaller", "larger", "depth", "stream", "block size", "snapshot", "facts"],
)
def test_a_volume_described_wrongly(scene, lie):
    refused(scene, scene.with_volume(**lie))


def test_another_size_than_was_ordered(scene):
    sources = [VolumeSource("root", {"snapshot": "r2"}, 5 * BLOCK)]
    prepared = prepare_backup(scene.repository, DEFAULT_TENANT, "instance", sources)
    write_task(prepared, 1)
    with pytest.raises(IntegrityError):
        accept_backup(
            scene.repository, prepared.session, dataclasses.replace(scene.result, packs=(), session=prepared.session)
        )


def test_the_parents_map_for_a_smaller_volume(scene):
    """What is inherited ends where the volume ends."""
    refused(scene, scene.with_volume(size_bytes=5 * BLOCK, root=scene.parent.volumes[0].root))


def test_the_parents_map_as_it_is(scene):
    """Not what was changed, but nothing that is not the parent's: a worker may say that nothing changed."""
    unchanged = scene.with_root(scene.parent.volumes[0].root)
    manifest = accept_backup(scene.repository, scene.prepared.session, unchanged)
    assert restore(scene.repository, manifest.session, "root") == {"root": CONTENT}


def test_volumes_left_out_and_added(scene):
    refused(scene, dataclasses.replace(scene.result, volumes=()))


def test_a_volume_more(scene):
    refused(scene, dataclasses.replace(scene.result, volumes=(scene.volume, scene.volume)))


def test_a_result_of_another_session(scene):
    refused(scene, dataclasses.replace(scene.result, session=scene.parent.session))


def test_a_result_for_an_attempt_that_was_never_ordered(scene):
    refused(scene, dataclasses.replace(scene.result, attempt=2), ObjectNotFoundError)


def test_a_task_that_the_worker_wrote_itself(scene):
    """Its own orders: another workload's point as the parent, so that its blocks would count as inherited."""
    mine: SessionScratch = scratch(scene.repository.store, scene.prepared, deterministic_surroundings(9))
    orders = (dataclasses.replace(scene.prepared.task.volumes[0], parent=scene.foreign.volumes[0]),)
    honest = mine.read_task(1)
    assert isinstance(honest, BackupTask)
    mine.write_task(dataclasses.replace(honest, attempt=2, volumes=orders))
    forged = dataclasses.replace(scene.with_root(scene.foreign.volumes[0].root), attempt=2)
    blamed = refused(scene, forged)
    assert blamed == (names.task(scene.prepared.session, 2),)
    with pytest.raises(IntegrityError):
        write_task(scene.prepared, 2)


def test_counters_that_cannot_be(scene):
    statistics = {"read_bytes": -5, "changed_bytes": 1 << 90, "new_chunks": 3, "own words": 7}
    manifest = accept_backup(
        scene.repository, scene.prepared.session, dataclasses.replace(scene.result, statistics=statistics)
    )
    assert manifest.statistics == {
        "read_bytes": 0,
        "resumed_bytes": 0,
        "changed_bytes": 0,
        "new_chunks": 3,
        "new_bytes_plain": 0,
    }


class Forger:
    """A worker with its own mind: it seals maps of whatever entries it likes."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        around = deterministic_surroundings(77)
        self.access = scene.prepared.task.access(scene.repository.store, around)
        self.backup = BackupSession.begin(self.access, scene.prepared.task.terms)

    def chunk(self, plain: bytes) -> Located:
        """Data of its own."""
        identifier = self.access.keys.chunk_key(CHUNK_TYPE_DATA).of(plain)
        return self.backup.store(PreparedChunk(identifier, len(plain), 0, plain))

    def block_of(self, manifest: Manifest, number: int) -> Located:
        """Where another point has that block; maps are open to every worker of the tenant."""
        reader = ChunkReader(self.access, 2, IndexSearch(self.access))
        located = MapReader(manifest.volumes[0], reader).entry(0, number)
        assert located is not None
        return located

    def result(self, blocks: dict[int, Located], *, builds_upon: tuple[str, ...] = ()) -> BackupResult:
        """A result whose volume has these blocks."""
        builder = FixedMapBuilder(len(CHANGED) // BLOCK, self.backup.nodes, None, inherit=False)
        for number, located in sorted(blocks.items()):
            builder.set(number, located)
        root = builder.finish(0)
        volume = dataclasses.replace(self.scene.volume, root=root)
        return dataclasses.replace(
            self.scene.result, volumes=(volume,), packs=self.backup.finish(), loaded_runs=builds_upon
        )


@pytest.fixture
def forger(scene) -> Forger:
    return Forger(scene)


def test_what_the_forger_does_honestly_is_accepted(scene, forger):
    blocks = {0: forger.chunk(b"z" * BLOCK), 2: forger.block_of(scene.parent, 2)}
    manifest = accept_backup(scene.repository, scene.prepared.session, forger.result(blocks))
    content = b"z" * BLOCK + bytes(BLOCK) + CONTENT[2 * BLOCK : 3 * BLOCK] + bytes(3 * BLOCK)
    assert restore(scene.repository, manifest.session, "root") == {"root": content}


def test_a_block_of_another_workload(scene, forger):
    assert forger.block_of(scene.foreign, 0).place.pack.session == scene.foreign.session
    refused(scene, forger.result({0: forger.block_of(scene.foreign, 0)}))


def test_a_block_of_another_workload_by_a_run_that_may_not_serve_it(scene, forger):
    """The other workload's run is a worker's and not verified, and saying that it was built upon changes nothing."""
    runs = tuple(offer.key for offer in scene.prepared.task.terms.index_runs)
    assert set(scene.foreign.index_runs) <= set(runs)
    refused(scene, forger.result({0: forger.block_of(scene.foreign, 0)}, builds_upon=runs))


def test_a_block_that_an_index_run_knows_is_accepted_where_the_run_was_built_upon(scene, forger):
    blocks = {0: forger.block_of(scene.parent, 2)}
    accept_backup(scene.repository, scene.prepared.session, forger.result(blocks, builds_upon=scene.parent.index_runs))


def test_a_parents_block_at_another_position_is_not_inherited(scene, forger):
    refused(scene, forger.result({0: forger.block_of(scene.parent, 2)}))


@pytest.mark.parametrize("lie", ROOT_LIES)
def test_a_wrong_place_of_its_own_chunk(scene, forger, lie):
    refused(scene, forger.result({1: ROOT_LIES[lie](forger.chunk(b"z" * BLOCK))}))


def test_a_short_block(scene, forger):
    refused(scene, forger.result({1: forger.chunk(b"z" * 1000)}))


@pytest.mark.parametrize(("number", "plain"), [(7, b"z" * BLOCK), (6, b"")])
def test_a_block_behind_the_end(scene, forger, number, plain):
    refused(scene, forger.result({number: forger.chunk(plain)}))


def test_a_row_that_no_entry_names(scene, forger, monkeypatch):
    """Who restores the volume would be given the key to that session."""
    own, encoded = forger.chunk(b"z" * BLOCK), map_node.encode
    victim = dataclasses.replace(own.place.pack, session=scene.foreign.session)

    def forged(*given: Any) -> bytes:
        node = encoded(*given)
        rows_end = map_node.HEAD.size + len(own.place.pack.encode())
        *head, packs, span = map_node.HEAD.unpack(node[: map_node.HEAD.size])
        assert packs == 1
        head_now = map_node.HEAD.pack(*head, 2, span)
        return head_now + node[map_node.HEAD.size : rows_end] + victim.encode() + node[rows_end:]

    monkeypatch.setattr(map_node, "encode", forged)
    result = forger.result({1: own})
    monkeypatch.undo()
    refused(scene, result)
    maps = ChunkReader(forger.access, CHUNK_TYPE_MAP, IndexSearch(forger.access))
    ((_number, leaf),) = leaves(result.volumes[0], maps)
    assert leaf.packs == [own.place.pack, victim]
    assert leaf.named_packs() == [own.place.pack]


def test_a_map_node_as_data(scene, forger):
    assert scene.parent.volumes[0].root is not None
    refused(scene, forger.result({1: scene.parent.volumes[0].root}))


def test_an_ended_session_takes_no_result(scene):
    assert abandon(scene.repository, scene.prepared.session) is None
    with pytest.raises(ConflictError):
        accept_backup(scene.repository, scene.prepared.session, scene.result)
    assert scene.prepared.session not in [point.session for point in list_points(scene.repository)]
    assert abandon(scene.repository, scene.prepared.session) is None


def test_a_point_is_not_given_up(scene):
    manifest = accept_backup(scene.repository, scene.prepared.session, scene.result)
    assert abandon(scene.repository, scene.prepared.session) == manifest
    assert accept_backup(scene.repository, scene.prepared.session, scene.result) == manifest
