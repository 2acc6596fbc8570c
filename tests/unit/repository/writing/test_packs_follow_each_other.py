"""Packs are built in rooms that earlier packs have left: nothing of those may reach the store."""

import random

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import make_small_repository, restored

PACK_SIZE_BYTES = 1 << 20


def blocks_of_shrinking_packs():
    """First what does not compress, then less and less of it a block: each pack ends elsewhere than the one before."""
    dice = random.Random(7)
    blocks = []
    for number in range(24):
        noise = dice.randbytes(BLOCK_SIZE_BYTES * (24 - number) // 24)
        blocks.append(noise + bytes(BLOCK_SIZE_BYTES - len(noise)))
    return b"".join(blocks)


@pytest.fixture
def backed_up():
    surroundings = deterministic_surroundings()
    repository = make_small_repository(MemoryStore(), surroundings, PACK_SIZE_BYTES).open(surroundings)
    content = blocks_of_shrinking_packs()
    report = backup_volume(repository, MemorySource(MemoryVolume.of(content)), BackupOrder("w"), Silence())
    return repository, content, report.finished.manifest


def test_many_packs_of_different_sizes_restore(backed_up):
    repository, content, manifest = backed_up
    sizes = {pack.size_bytes for pack in manifest.packs if not pack.holds_maps}
    assert len(sizes) > 5
    assert restored(repository, list_points(repository)[0]) == content


def test_each_pack_is_stored_with_its_own_bytes_only(backed_up):
    repository, _content, manifest = backed_up
    for pack in manifest.packs:
        assert repository.store.head(names.pack(pack.pack)).size_bytes == pack.size_bytes
    report = check_repository(repository, 100, Silence())
    assert not report.damage
    assert report.packs_read == len(manifest.packs)
