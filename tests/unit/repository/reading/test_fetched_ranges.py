"""What a restore asks its store for: all that it needs, once; of other bytes none but what lies between neighbours."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.progress import Silence
from holdfast.repository.reading.chunk_reader import GAP_LIMIT_BYTES, RANGE_LIMIT_BYTES
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.reading.volume_reader import VolumeReader
from holdfast.repository.sessions.points import PointSummary, list_points, load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.collect import CollectionOrder
from holdfast.repository.upkeep.rekeying import rekey
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemoryTarget, MemoryVolume
from holdfast.testing.small_repository import make_small_repository
from tests.faults.world import back_up, collect

BLOCKS, POINTS, CHANGED = 24, 6, 3
PACK_SIZE_BYTES = 1024 * 1024
MOST_OF_NEEDED = 1.05
# Stored bytes of a block: one that is not needed is not read through, or is.
LARGE_BYTES, SMALL_BYTES = GAP_LIMIT_BYTES + 8 * 1024, 8 * 1024


@dataclass(frozen=True, order=True)
class Stretch:
    """Bytes [start, end) of a pack."""

    pack: str
    start: int
    end: int


class AskedStore(PassingStore):
    """Keeps what was asked for, and what came of packs. Not whether a point is retired: rules 2 and 7 each ask."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.requests: list[tuple[str, int, int | None]] = []
        self.came: list[Stretch] = []

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        if not key.startswith(names.RETIRED):
            self.requests.append((key, offset, length))
        body = super().get(key, offset, length, version)
        if key.startswith(names.PACKS):
            self.came.append(Stretch(key, offset, offset + len(body)))
        return body


class Past:
    """One volume with points that each change some blocks, and its first block once more at its end."""

    def __init__(self, stored_bytes: int) -> None:
        self.small = make_small_repository(MemoryStore(), deterministic_surroundings(1), PACK_SIZE_BYTES)
        self.seed = 1
        self.contents: dict[bytes, bytes] = {}
        dice, volumes = random.Random(1), dict[str, MemoryVolume]()
        blocks = [dice.randbytes(stored_bytes) for _ in range(BLOCKS)]
        for number in range(POINTS):
            for _ in range(CHANGED if number else 0):
                blocks[dice.randrange(BLOCKS)] = dice.randbytes(stored_bytes)
            content = b"".join(block.ljust(BLOCK_SIZE_BYTES, b"\0") for block in [*blocks, blocks[0]])
            volumes[f"s{number}"] = MemoryVolume.of(content)
            manifest = back_up(self.open(), "w", volumes[f"s{number}"], f"s{number}", dict(volumes)).finished.manifest
            self.contents[manifest.session] = content

    def open(self, store: ObjectStore | None = None):
        self.seed += 1
        return self.small.open(deterministic_surroundings(self.seed), store)

    def points(self) -> list[PointSummary]:
        return sorted(list_points(self.open()), key=lambda point: point.created)

    def thin_out(self) -> None:
        """Every second point goes, and what it alone needed: what is left of sparse packs moves, runs are merged."""
        for point in self.points()[::2]:
            retire(self.open(), point.session, point.key)
        assert collect(self.open()).repacked > 0
        assert collect(self.open()).merged_runs > 0

    def needed(self, point: PointSummary) -> set[bytes]:
        """The volume's data chunks."""
        repository = self.open()
        [volume] = load_manifest(repository, point).volumes
        return {piece.chunk.id for piece in VolumeReader(repository.access(), volume).pieces()}

    def standing(self) -> dict[Stretch, bytes]:
        """Each data chunk by where it lies, as the directories say: a map is a hint, older than a collection."""
        access = self.open().access()
        directories = [read_directory(access, pack) for pack in StandingPacks(self.small.store).listed]
        return {
            Stretch(names.pack(one.header.pack), entry.offset, entry.offset + entry.length): entry.id
            for one in directories
            if not one.header.holds_maps
            for entry in one.entries
        }


@pytest.fixture(scope="module")
def large_past() -> Past:
    """For those who only read."""
    return Past(LARGE_BYTES)


@dataclass(frozen=True)
class Reading:
    """What one restore fetched of data packs: `chunks` and `needed_bytes` are what it needed."""

    ranges: int
    fetched_bytes: int
    chunks: int
    needed_bytes: int


def reading_of(past: Past, point: PointSummary, *, sequential: bool = False) -> Reading:
    """A restore, which must give back the point; nothing that it needs may be missing, and nothing come twice."""
    store = AskedStore(past.small.store)
    repository = past.open(store)
    store.requests.clear()
    target = MemoryTarget(sequential=sequential)
    restore_volume(repository, point, target, Silence())
    assert target.volume is not None
    assert target.volume.content == past.contents[point.session]
    assert [request for request, times in Counter(store.requests).items() if times > 1] == []
    standing, needed = past.standing(), past.needed(point)
    data_packs = {at.pack for at in standing}
    fetched = sorted(one for one in store.came if one.pack in data_packs)
    inside = [
        sorted(at for at in standing if at.pack == one.pack and one.start <= at.start and at.end <= one.end)
        for one in fetched
    ]
    wanted = [[at for at in some if standing[at] in needed] for some in inside]
    assert Counter(standing[at] for some in wanted for at in some) == dict.fromkeys(needed, 1)
    for one, some in zip(fetched, wanted, strict=True):
        assert (one.start, one.end) == (some[0].start, some[-1].end)
        assert one.end - one.start <= RANGE_LIMIT_BYTES
        assert all(after.start - before.end <= GAP_LIMIT_BYTES for before, after in itertools.pairwise(some))
    for before, after in itertools.pairwise(fetched):
        assert before.pack != after.pack or before.end <= after.start
    return Reading(
        len(fetched),
        sum(one.end - one.start for one in fetched),
        len(needed),
        sum(at.end - at.start for some in wanted for at in some),
    )


@pytest.mark.parametrize("at", [0, POINTS - 1], ids=["full", "incremental"])
@pytest.mark.parametrize("sequential", [False, True])
def test_a_restore_fetches_what_it_needs_once(large_past, at, sequential):
    reading = reading_of(large_past, large_past.points()[at], sequential=sequential)
    assert reading.chunks == BLOCKS, "the block that is there twice is fetched once"
    assert reading.needed_bytes <= reading.fetched_bytes <= MOST_OF_NEEDED * reading.needed_bytes
    assert reading.ranges < reading.chunks


def test_so_it_does_when_collections_have_moved_chunks_and_merged_runs():
    past = Past(LARGE_BYTES)
    past.thin_out()
    assert len(past.points()) == POINTS // 2
    for point in past.points():
        reading = reading_of(past, point)
        assert reading.chunks == BLOCKS
        assert reading.needed_bytes <= reading.fetched_bytes <= MOST_OF_NEEDED * reading.needed_bytes


def test_what_was_moved_as_a_whole_is_fetched_in_as_few_ranges_but_for_the_packs_other_ends():
    past = Past(LARGE_BYTES)
    before = [reading_of(past, point).ranges for point in past.points()]
    rotate(past.open(), past.small.secret)
    rekey(past.open(), CollectionOrder(timedelta(0)), Silence(), lambda seconds: None)
    after = [reading_of(past, point).ranges for point in past.points()]
    assert all(now <= then + 2 for then, now in zip(before, after, strict=True)), (before, after)


def test_small_neighbours_are_fetched_together_whatever_lies_between():
    """A request costs more than a gap: so where chunks are small more may come than is needed."""
    past = Past(SMALL_BYTES)
    reading = reading_of(past, past.points()[-1])
    assert reading.ranges * 3 <= reading.chunks
    assert reading.fetched_bytes > MOST_OF_NEEDED * reading.needed_bytes
