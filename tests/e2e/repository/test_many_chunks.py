"""A repository of many chunks: 200,000 in every run, ten million (`CHUNKS=10000000`) in a long one.

Their maps and index runs are real; the packs with their data are known by name, size and header alone. Each step is a
process of its own.
"""

import os

import pytest

from bench.scale import step
from bench.scale_repository import CHUNKS_IN_PACK, grow_chunks, new
from bench.virtual_packs import VirtualPacks
from holdfast.repository.format import names
from holdfast.repository.format.map_node import FANOUT
from holdfast.testing.deterministic_surroundings import deterministic_surroundings

CHUNKS = int(os.environ.get("CHUNKS", "200000"))
VOLUMES, RUNS_OF_EACH = 10, 40
LEAVES = -(-CHUNKS // VOLUMES // FANOUT)
# Of one volume; the nodes of its map are in packs of their own.
DATA_PACKS = -(-LEAVES * FANOUT // CHUNKS_IN_PACK)
# What a collection and a backup may have in memory: so much, and 12 bytes for each chunk.
FIXED_BYTES, BYTES_OF_CHUNK = 256 << 20, 12


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Ten volumes, a point of each; the first one's point was deleted, and what it needed is not free yet."""
    made, repository = new(tmp_path_factory.mktemp("many") / "repository", deterministic_surroundings(1))
    grow_chunks(made, repository, VOLUMES, LEAVES, RUNS_OF_EACH)
    return made


def allowed_bytes():
    return FIXED_BYTES + BYTES_OF_CHUNK * VOLUMES * LEAVES * FANOUT


def collected(grown):
    said, _usage = step(grown, "collect")
    assert said["peak_bytes"] <= allowed_bytes()
    return said


def test_deleted_volume_is_freed_and_nothing_else(grown, count_case):
    count_case(VOLUMES * LEAVES * FANOUT)
    before = VirtualPacks.beside(grown.folder)
    assert before.count() == VOLUMES * DATA_PACKS
    first = collected(grown)
    map_packs = first["deleted"] - DATA_PACKS
    assert 1 <= map_packs <= 1 + DATA_PACKS // 100
    assert VirtualPacks.beside(grown.folder).count() == (VOLUMES - 1) * DATA_PACKS
    second = collected(grown)
    assert second["deleted"] == 0
    assert second["merged"] >= (VOLUMES - 1) * RUNS_OF_EACH
    said, _usage = step(grown, "incremental", "beside", "0", str(1 << 30))
    assert said["method"] == "full"
    third = collected(grown)
    assert (third["deleted"], third["merged"]) == (0, 0)
    found, _usage = step(grown, "check")
    assert found["damage"] == {}
    assert (found["points"], found["left_over"]) == (VOLUMES, 0)


def test_backup_knows_them_all_within_its_memory(grown):
    said, _usage = step(grown, "know")
    assert said["asked"] >= 50
    assert (said["found"], said["missed"]) == (said["asked"], said["asked"])
    assert said["peak_bytes"] <= allowed_bytes()


def test_one_lost_pack_of_all_is_named_with_its_volume(grown):
    packs = VirtualPacks.beside(grown.folder)
    lost = names.pack(packs.of_each()[4].pack(DATA_PACKS // 2))
    assert packs.delete(lost)
    packs.keep()
    found, _usage = step(grown, "check")
    assert found["damage"] == {lost: ["v4"]}
