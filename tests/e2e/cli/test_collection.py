"""`holdfast repository collect-garbage` as a person runs it."""

import random

import pytest

COLLECTION_FIELDS = {
    "dry_run", "plan", "restore_points", "packs", "stored_bytes", "condemned_packs", "condemned_bytes",
    "repacked_packs", "written_bytes", "deleted_packs", "freed_bytes", "kept_packs", "merged_index_runs", "young_packs",
    "young_bytes", "unfinished_packs", "unfinished_bytes", "waiting", "locked_packs", "renewed_locks", "not_renewed",
    "not_renewed_objects",
}  # fmt: skip
MIB = 1 << 20


def noise(seed, size_bytes):
    return random.Random(seed).randbytes(size_bytes)


def collected(holdfast, *words):
    done = holdfast.repo("collect-garbage", "--output", "json", *words)
    assert done.status == 0, done.err
    return done.document


@pytest.fixture
def deleted(holdfast):
    """A repository with one point, of three that it had."""
    holdfast.init()
    disk = holdfast.folder / "disk"
    points = []
    for seed in (1, 2, 3):
        disk.write_bytes(noise(0, 2 * MIB) + noise(seed, 20 * MIB))
        points.append(holdfast.done("backup", disk, "--workload", "db")["restore_point"])
    for point in points[:2]:
        holdfast.done("delete", point, "--yes")
    return points[2], disk.read_bytes()


def test_space_comes_back_and_the_point_stays(holdfast, deleted):
    point, content = deleted
    foreseen = collected(holdfast, "--dry-run")
    assert set(foreseen) == COLLECTION_FIELDS
    assert foreseen["condemned_bytes"] > 38 * MIB
    assert foreseen["deleted_packs"] == 0
    done = collected(holdfast)
    assert done["condemned_packs"] == foreseen["condemned_packs"]
    assert done["freed_bytes"] > 38 * MIB
    assert done["waiting"] == []
    assert collected(holdfast)["packs"] < done["packs"]
    holdfast.done("restore", point, "--to", "out")
    assert (holdfast.folder / "out").read_bytes() == content
    assert holdfast.check("--read-data")["unreferenced_packs"] == 0


def test_whole_packs_only(holdfast, deleted):
    done = collected(holdfast, "--no-repack")
    assert done["repacked_packs"] == 0
    assert done["deleted_packs"] > 0
