"""How much of a source is in one pack: what is under way when a backup dies is read again."""

import random

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format.config import LARGE_PACK_SIZE_BYTES, PACK_SIZE_BYTES
from holdfast.repository.format.pack import TAG_BYTES
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.session import open_session
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.terms import terms_of
from holdfast.repository.writing.unfinished import trail_owner
from holdfast.repository.writing.volume_writer import write_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import make_small_repository

GIB = 1 << 30
BLOCKS = 40
# What the repository's pack size has room for, with the header.
IN_A_WHOLE_PACK = PACK_SIZE_BYTES // (BLOCK_SIZE_BYTES + TAG_BYTES)


def noise(seed, of_each=BLOCK_SIZE_BYTES):
    """Blocks of which that much does not compress."""
    dice = random.Random(seed)
    return {number: dice.randbytes(of_each).ljust(BLOCK_SIZE_BYTES, b"\0") for number in range(BLOCKS)}


class Nameless(MemorySource):
    """Nobody can know it again."""

    @property
    def identity(self):
        return None


class Place:
    """A repository, and how many blocks each data pack of a backup holds, in the order in which they were filled."""

    def __init__(self, **how):
        self._surroundings = deterministic_surroundings()
        small = make_small_repository(MemoryStore(), self._surroundings, **how)
        self.store = FaultyStore(small.store, {})
        self.repository = small.open(self._surroundings, self.store)

    def filled(self, source, each=BLOCK_SIZE_BYTES):
        manifest = backup_volume(self.repository, source, BackupOrder("w"), Silence()).finished.manifest
        return [round(pack.size_bytes / each) for pack in manifest.packs if not pack.holds_maps]


@pytest.mark.parametrize(("size_bytes", "blocks"), [(GIB, 8), (4 * GIB, 8), (8 * GIB, 16), (12 * GIB, 24)])
def test_a_thousandth_of_the_volume_but_four_mebibytes_at_least(size_bytes, blocks):
    filled = Place().filled(MemorySource(MemoryVolume(size_bytes, noise(1))))
    whole, rest = divmod(BLOCKS, blocks)
    assert filled == [blocks] * whole + [rest] * bool(rest)


def test_of_a_large_volume_what_the_repository_says():
    filled = Place().filled(MemorySource(MemoryVolume(1024 * GIB, noise(1))))
    assert filled == [IN_A_WHOLE_PACK, BLOCKS - IN_A_WHOLE_PACK]


def test_each_volume_of_a_session_has_its_own_share():
    """What is open when the next volume begins is filled up by it."""
    repository = Place().repository
    session = open_session(repository, DEFAULT_TENANT, "w")
    terms = terms_of(session, CompressionLevel.DEFAULT)
    backup = BackupSession.begin(repository.access(), terms, trail=trail_owner(session))
    for number, size_bytes in enumerate((GIB, 1024 * GIB, 8 * GIB)):
        source = MemorySource(MemoryVolume(size_bytes, noise(number)))
        write_volume(backup, source, name=f"{number}", parent=None, changed=None, progress=Silence())
    packs = [round(pack.size_bytes / BLOCK_SIZE_BYTES) for pack in backup.finish() if not pack.holds_maps]
    assert packs == [8] * 4 + [IN_A_WHOLE_PACK, 17, 16, 16, 8]


def test_what_compresses_well_is_in_as_many_packs():
    kept_bytes = BLOCK_SIZE_BYTES // 16
    filled = Place().filled(MemorySource(MemoryVolume(GIB, noise(1, kept_bytes))), kept_bytes)
    assert filled == [8] * (BLOCKS // 8)


def test_a_volume_of_equal_blocks_leaves_checkpoints():
    """Whatever is read of it is one chunk, in a pack that would never be full."""
    place = Place()
    block = random.Random(1).randbytes(BLOCK_SIZE_BYTES)
    assert place.filled(MemorySource(MemoryVolume(GIB, dict.fromkeys(range(256), block)))) == [1]
    made = [one.key for one in place.store.requests if one.kind == "create" and "/checkpoint-" in one.key]
    assert len(made) == 4, "half of it is read until the pack is let go, then there is one for each 16 MiB"


def test_what_follows_a_first_backup_is_in_whole_packs():
    """Little of it is new, and each pack costs a request at every restore."""
    place = Place()
    place.filled(MemorySource(MemoryVolume(GIB, noise(1))))
    assert place.filled(MemorySource(MemoryVolume(GIB, noise(2)))) == [IN_A_WHOLE_PACK, BLOCKS - IN_A_WHOLE_PACK]


def test_what_nobody_can_go_on_with_is_in_whole_packs():
    filled = Place().filled(Nameless(MemoryVolume(GIB, noise(1))))
    assert filled == [IN_A_WHOLE_PACK, BLOCKS - IN_A_WHOLE_PACK]


@pytest.mark.parametrize("how", [{"pack_size_bytes": LARGE_PACK_SIZE_BYTES}, {"archive_class": ArchiveClass.GLACIER}])
def test_where_packs_are_to_be_large_they_are(how):
    """In an archive each is retrieved, in an immutable repository each lock is renewed on its own."""
    assert Place(**how).filled(MemorySource(MemoryVolume(GIB, noise(1)))) == [BLOCKS]
