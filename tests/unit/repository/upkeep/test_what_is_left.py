"""How much a collection leaves of what no point needs: at most a tenth of each pack, and one pack of each kind."""

import random

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.marking import Marking
from holdfast.testing.memory_volumes import MemoryTarget, MemoryVolume
from tests.faults.world import back_up
from tests.unit.repository.upkeep.test_collection import Site

POINTS, BLOCKS, CHANGED_BLOCKS = 20, 30, 6
# Ten chunks fill a pack, for they are less than the share of so large a volume that a pack may hold.
SIZE_BYTES = 8 << 30
STORED_BYTES, PACK_SIZE_BYTES = 6_000, 64_000
KINDS_OF_PACKS = 2


def volume_of(blocks: list[bytes]) -> MemoryVolume:
    return MemoryVolume(SIZE_BYTES, dict(enumerate(blocks)))


def new_block(dice: random.Random) -> bytes:
    return dice.randbytes(STORED_BYTES).ljust(BLOCK_SIZE_BYTES, b"\0")


@pytest.fixture(scope="module")
def volumes() -> tuple[MemoryVolume, ...]:
    """One volume at twenty moments; from each to the next a fifth of it changes."""
    dice, made = random.Random(1), []
    blocks = [new_block(dice) for _ in range(BLOCKS)]
    for _ in range(POINTS):
        made.append(volume_of(blocks))
        for _ in range(CHANGED_BLOCKS):
            blocks[dice.randrange(BLOCKS)] = new_block(dice)
    return tuple(made)


def backed_up(some: dict[int, MemoryVolume]) -> tuple[Site, dict[int, bytes]]:
    """A site with a point of each of these, and the points' ids."""
    site, points, earlier = Site(PACK_SIZE_BYTES), dict[int, bytes](), dict[str, MemoryVolume]()
    for number, volume in some.items():
        points[number] = back_up(site.open(), "a", volume, f"s{number}", earlier).finished.manifest.session
        earlier[f"s{number}"] = volume
        site.contents[points[number]] = b""
    return site, points


def dead_bytes(site: Site) -> dict[bytes, tuple[int, int]]:
    """Of each pack that stands: what no point needs of its chunks, by its directory, and its size."""
    repository = site.open()
    packs = StandingPacks(repository.store)
    marking = Marking(repository, newest_plan(repository.sealed), packs)
    for point in list_points(repository):
        marking.add(load_manifest(repository, point))
    found = {}
    for pack, size_bytes in packs.listed.items():
        entries = enumerate(read_directory(repository.access(), pack).entries)
        live = marking.uses[pack].numbers if pack in marking.uses else 0
        found[pack] = (sum(entry.length for number, entry in entries if not live >> number & 1), size_bytes)
    return found


def all_restore(site: Site, some: dict[bytes, MemoryVolume]) -> None:
    repository, found = site.open(), {}
    for point in list_points(repository):
        target = MemoryTarget()
        restore_volume(repository, point, target, Silence())
        found[point.session] = target.volume
    assert found == some
    assert check_repository(repository, 100, Silence()).damage == ()


def is_as_small(site: Site, lean: Site) -> None:
    """As a repository that never had the deleted points, but for what a collection may leave."""
    assert all(dead * 10 <= size_bytes for dead, size_bytes in dead_bytes(site).values())
    assert site.stored_bytes() * 9 <= (lean.stored_bytes() + KINDS_OF_PACKS * PACK_SIZE_BYTES) * 10


@pytest.mark.parametrize(
    "gone", [range(POINTS // 2), range(0, POINTS, 2)], ids=["the older half", "every second point"]
)
def test_half_of_twenty_points_gone_the_rest_is_as_small_as_if_they_had_never_been(volumes, gone):
    site, points = backed_up(dict(enumerate(volumes)))
    lean, _kept = backed_up({number: volume for number, volume in enumerate(volumes) if number not in gone})
    before_bytes = site.stored_bytes()
    for number in gone:
        site.delete(points[number])
    assert site.collect().freed_bytes > 0
    is_as_small(site, lean)
    assert site.stored_bytes() < before_bytes
    assert site.collect().condemned == 0, "one collection did all that there was to do"
    all_restore(site, {point: volumes[number] for number, point in points.items() if number not in gone})


def test_a_tenth_of_each_pack_may_stay_and_no_more():
    """Less than a tenth of every pack goes with a deleted point, and nothing is written anew for that; a fifth is."""
    dice = random.Random(2)
    first = [new_block(dice) for _ in range(BLOCKS)]

    def changed(every: int) -> MemoryVolume:
        return volume_of([new_block(dice) if n % every == 0 else one for n, one in enumerate(first)])

    for every, is_repacked in ((11, False), (5, True)):
        later = changed(every)
        site, points = backed_up({0: volume_of(first), 1: later})
        lean, _kept = backed_up({1: later})
        site.delete(points[0])
        assert (site.collect().repacked > 0) is is_repacked
        is_as_small(site, lean)
        assert (sum(dead for dead, _size in dead_bytes(site).values()) > 0) is not is_repacked
        all_restore(site, {points[1]: later})
