"""The store under the lab: what is kept, what goes, and what a killed lab leaves."""

import errno
import os
from dataclasses import replace

import pytest

from holdfast.lab.blobs import digest_of
from holdfast.lab.block_store import BlockStore, NotOpenError
from holdfast.lab.records import NO_VOLUME, SnapshotRecord, VolumeRecord
from holdfast.repository.block_source import BLOCK_SIZE_BYTES

NOW = 1_000.0


def data(value):
    return bytes([value]) * BLOCK_SIZE_BYTES


def volume(name, **facts):
    return VolumeRecord(
        id=name, account="1", region="r", size_gib=1, lineage=name, created_at=NOW, available_at=NOW, zone="ra",
        volume_type="gp3", **facts,
    )  # fmt: skip


def snapshot(name, **facts):
    made = SnapshotRecord(
        id=name, account="1", region="r", volume_id=NO_VOLUME, size_gib=1, lineage="l", started_at=NOW, completed_at=NOW
    )
    return replace(made, **facts)


class World:
    def __init__(self, folder):
        self.folder = folder
        self.store = BlockStore(folder, lambda: NOW)

    def write(self, volume_id, number, content):
        with self.store.volume_path(volume_id).open("r+b") as file:
            os.pwrite(file.fileno(), content, number * BLOCK_SIZE_BYTES)

    def put(self, snapshot_id, number, content):
        self.store.put(snapshot_id, number, digest_of(content), content)

    def made(self, name, blocks, parent_id=None):
        self.store.start(snapshot(name, completed_at=None, parent_id=parent_id))
        for number, content in blocks.items():
            self.put(name, number, content)
        self.store.complete(name, NOW)

    def content(self, snapshot_id):
        return {number: self.store.read(digest) for number, digest in self.store.blocks(snapshot_id).entries()}

    def blobs(self):
        return len(list(self.folder.glob("blobs/*/*")))

    def files(self):
        return sorted(path.name for path in self.folder.glob("maps/*"))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_capture_skips_holes_and_zeros(world):
    world.store.create_volume(volume("vol-1"))
    world.write("vol-1", 3, data(3))
    world.write("vol-1", 4, data(0))
    world.write("vol-1", 9, b"x")
    world.store.capture(snapshot("snap-1", volume_id="vol-1"))
    assert world.content("snap-1") == {3: data(3), 9: b"x" + bytes(BLOCK_SIZE_BYTES - 1)}


def test_equal_blocks_are_kept_once(world):
    world.made("snap-1", {0: data(1), 1: data(1), 2: data(2)})
    world.made("snap-2", {7: data(1)})
    assert world.blobs() == 2


def test_blocks_go_with_their_last_snapshot(world):
    world.made("snap-1", {0: data(1), 1: data(2)})
    world.made("snap-2", {0: data(1)})
    world.store.delete_snapshot("snap-1")
    assert world.content("snap-2") == {0: data(1)}
    assert world.blobs() == 1
    world.store.delete_snapshot("snap-2")
    assert (world.blobs(), world.files()) == (0, [])


def test_open_snapshot_holds_its_blocks_and_those_of_its_parent(world):
    world.made("snap-1", {0: data(1), 1: data(2)})
    world.store.start(snapshot("snap-2", completed_at=None, parent_id="snap-1"))
    world.put("snap-2", 5, data(5))
    world.made("snap-3", {0: data(5)})
    world.store.delete_snapshot("snap-1")
    world.store.delete_snapshot("snap-3")
    world.store.complete("snap-2", NOW)
    assert world.content("snap-2") == {0: data(1), 1: data(2), 5: data(5)}


def test_deleting_an_open_snapshot_frees_what_was_put(world):
    world.store.start(snapshot("snap-1", completed_at=None))
    world.put("snap-1", 0, data(1))
    world.store.delete_snapshot("snap-1")
    assert (world.blobs(), world.files()) == (0, [])
    with pytest.raises(NotOpenError):
        world.put("snap-1", 1, data(2))
    assert world.blobs() == 0


def test_block_put_again_replaces_the_first(world):
    world.made("snap-1", {0: data(1)})
    world.store.start(snapshot("snap-2", completed_at=None))
    for value in (1, 2, 3):
        world.put("snap-2", 0, data(value))
    assert len(world.store.written("snap-2")) == 1
    world.store.complete("snap-2", NOW)
    assert world.content("snap-2") == {0: data(3)}


def test_states(world):
    store = world.store
    assert store.state(snapshot("snap-1", completed_at=NOW + 1)) == "pending"
    assert store.state(snapshot("snap-1", completed_at=NOW)) == "completed"
    store.start(snapshot("snap-2", completed_at=None))
    assert store.state(store.snapshot("snap-2")) == "pending"
    assert store.state(replace(store.snapshot("snap-2"), timeout_seconds=-1)) == "error"


def test_snapshot_deleted_while_a_volume_is_made_from_it(world, monkeypatch):
    world.made("snap-1", {0: data(1), 1: data(2)})
    read = world.store._blobs.read

    def read_and_delete(digest):
        if world.store.snapshot("snap-1"):
            world.store.delete_snapshot("snap-1")
        return read(digest)

    monkeypatch.setattr(world.store._blobs, "read", read_and_delete)
    world.store.create_volume(volume("vol-1", snapshot_id="snap-1"))
    with world.store.volume_path("vol-1").open("rb") as file:
        assert file.read(2 * BLOCK_SIZE_BYTES) == data(1) + data(2)
    assert world.blobs() == 0


def test_failed_capture_leaves_nothing(world, monkeypatch):
    world.store.create_volume(volume("vol-1"))
    for number in range(3):
        world.write("vol-1", number, data(number + 1))
    write, written = world.store._blobs.write, []

    def full(digest, content):
        written.append(digest)
        if len(set(written)) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(digest, content)

    monkeypatch.setattr(world.store._blobs, "write", full)
    with pytest.raises(OSError, match="No space"):
        world.store.capture(snapshot("snap-1", volume_id="vol-1"))
    assert (world.blobs(), world.files()) == (0, [])
    assert world.store.snapshot("snap-1") is None


def test_what_a_killed_lab_left_is_cleared_away(world, tmp_path):
    world.store.create_volume(volume("vol-1"))
    world.made("snap-1", {0: data(1)})
    (tmp_path / "blobs" / "0" / ("0" * 64)).write_bytes(data(9))
    (tmp_path / "blobs" / "0" / f"{'0' * 64}.1-2").write_bytes(b"torn")
    (tmp_path / "maps" / "snap-9.map").write_bytes(b"")
    (tmp_path / "volumes" / "vol-9.raw").write_bytes(b"")
    (tmp_path / "snapshot-records" / "snap-8.unfinished").write_text("{")
    again = World(tmp_path)
    assert again.content("snap-1") == {0: data(1)}
    assert again.blobs() == 1
    assert again.files() == ["snap-1.map"]
    assert not (tmp_path / "volumes" / "vol-9.raw").exists()
    assert [found.id for found in again.store.volumes("1", "r")] == ["vol-1"]


def test_open_snapshot_goes_on_after_a_kill_even_with_half_a_record(world, tmp_path):
    world.made("snap-1", {0: data(1)})
    world.store.start(snapshot("snap-2", completed_at=None, parent_id="snap-1"))
    world.put("snap-2", 4, data(4))
    with (tmp_path / "maps" / "snap-2.journal").open("ab") as file:
        file.write(b"half a record")
    again = World(tmp_path)
    again.put("snap-2", 5, data(5))
    again.store.complete("snap-2", NOW)
    assert again.content("snap-2") == {0: data(1), 4: data(4), 5: data(5)}
    assert World(tmp_path).content("snap-2") == {0: data(1), 4: data(4), 5: data(5)}


def test_records_are_kept_to_the_last_field(world, tmp_path):
    kept = volume("vol-1", iops=3000, tags={"a": "b"}, encrypted=True, kms_key_id="k")
    world.store.create_volume(kept)
    world.made("snap-1", {})
    world.store.amend("snap-1", archived=True, shared_with={"2", "1"})
    world.store.retag("snap-1", {"x": "y"})
    again = World(tmp_path).store
    assert again.volume("vol-1") == kept
    found = again.snapshot("snap-1")
    assert found is not None
    assert (found.archived, found.shared_with, found.tags) == (True, ("1", "2"), {"x": "y"})


def test_volume_file_that_is_gone_takes_its_record_along(world, tmp_path):
    world.store.create_volume(volume("vol-1"))
    world.store.volume_path("vol-1").unlink()
    assert World(tmp_path).store.volume("vol-1") is None
