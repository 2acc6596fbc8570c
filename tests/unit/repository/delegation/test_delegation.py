"""Backups and restores that a worker does: whole, incremental, of several volumes, and equal to those without one."""

import pytest

from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.parents import Method
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemoryTarget, MemoryVolume, sample
from holdfast.testing.small_repository import make_small_repository
from tests.unit.repository.delegation.delegated import Disks, back_up, restore, restore_volumes

BLOCK = 512 * 1024
ROOT = sample(6 * BLOCK)
DATA = sample(4 * BLOCK + 1000)


@pytest.fixture
def repository() -> Repository:
    surroundings = deterministic_surroundings()
    return make_small_repository(MemoryStore(), surroundings, 600 * 1024).open(surroundings)


@pytest.fixture
def disks() -> Disks:
    return Disks()


def direct(repository: Repository, session: bytes, volume: str) -> bytes:
    """The same volume, restored without a worker."""
    target = MemoryTarget()
    point = find_point(repository, session.hex(), DEFAULT_TENANT)
    restore_volume(repository, point, target, Silence(), volume)
    assert target.volume is not None
    return target.volume.content


def test_an_instance_of_two_volumes_comes_back_byte_for_byte(repository, disks):
    volumes = {"root": disks.snapshot("r1", ROOT), "data": disks.snapshot("d1", DATA)}
    manifest, result = back_up(repository, disks, volumes)
    assert result.methods == (Method.FULL, Method.FULL)
    assert restore(repository, manifest.session, "root", "data") == {"root": ROOT, "data": DATA}
    assert direct(repository, manifest.session, "root") == ROOT
    assert [volume.source["snapshot"] for volume in manifest.volumes] == ["r1", "d1"]
    assert check_repository(repository, 100, Silence()).damage == ()


def test_the_next_point_reads_only_what_changed_and_takes_each_volumes_own_parent(repository, disks):
    first, _result = back_up(
        repository, disks, {"root": disks.snapshot("r1", ROOT), "data": disks.snapshot("d1", DATA)}
    )
    changed = ROOT[: 2 * BLOCK] + b"x" * BLOCK + ROOT[3 * BLOCK :]
    disks.opened.clear()
    second, result = back_up(
        repository,
        disks,
        {
            "data": disks.snapshot("d2", DATA),
            "root": disks.snapshot("r2", changed),
            "new": disks.snapshot("n1", DATA),
        },
    )
    assert second.parent == first.session
    assert result.methods == (Method.CHANGED_BLOCKS, Method.CHANGED_BLOCKS, Method.FULL)
    assert [source.read_blocks for source in disks.opened[:2]] == [[], [2]]
    assert second.statistics["new_chunks"] == 1
    expected = {"root": changed, "data": DATA, "new": DATA}
    assert restore(repository, second.session, *expected) == expected
    assert {name: direct(repository, second.session, name) for name in expected} == expected
    assert restore(repository, first.session, "root") == {"root": ROOT}


def test_a_base_that_is_gone_is_said(repository, disks):
    back_up(repository, disks, {"root": disks.snapshot("r1", ROOT)})
    del disks.snapshots["r1"]
    manifest, result = back_up(repository, disks, {"root": disks.snapshot("r2", ROOT)})
    assert result.methods == (Method.COMPARED,)
    assert result.warnings == ("root: what changed since r1 is not known any more: everything was read and compared",)
    assert manifest.statistics["new_chunks"] == 0
    assert [pack for pack in manifest.packs if not pack.holds_maps] == []


@pytest.mark.parametrize("size_bytes", [0, 1000, 3 * BLOCK, 3 * BLOCK + 1, 6 * BLOCK, 200 * BLOCK])
def test_a_volume_may_grow_or_shrink(repository, disks, size_bytes):
    back_up(repository, disks, {"root": disks.snapshot("r1", ROOT)})
    content = (ROOT + bytes(size_bytes))[:size_bytes]
    manifest, _result = back_up(repository, disks, {"root": disks.snapshot("r2", content)})
    assert restore(repository, manifest.session, "root") == {"root": content}
    assert check_repository(repository, 100, Silence()).damage == ()


def test_a_volume_of_terabytes_changes_its_depth(repository, disks):
    """Maps of four levels and fewer, each grown and shrunk into the next: what is inherited is accepted, and right."""
    blocks = {number: bytes([number % 251 + 1]) * BLOCK for number in (0, 127, 128, 16_383, 16_384, 40_000, 2_100_000)}
    for moment, count in enumerate((2_100_001, 16_384, 20_000, 2_100_001, 100, 3_000_000)):
        disks.snapshots[f"t{moment}"] = volume = MemoryVolume(
            count * BLOCK, {number: block for number, block in blocks.items() if number < count and number != moment}
        )
        manifest, _result = back_up(repository, disks, {"root": {"kind": "memory", "snapshot": f"t{moment}"}})
        assert restore_volumes(repository, manifest.session, "root") == {"root": volume}
    assert check_repository(repository, 100, Silence()).damage == ()


def test_nothing_of_a_finished_session_is_left_in_its_scratch(repository, disks):
    back_up(repository, disks, {"root": disks.snapshot("r1", ROOT)})
    assert list(repository.store.list(names.SESSIONS)) == []
    assert len(list_points(repository)) == 1
    assert repository.ledger.refresh().open == {}
    assert repository.ledger.state.pins == {}
