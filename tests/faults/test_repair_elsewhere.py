"""Repairs of all that a repository may be: streams, several tenants and key epochs, archives; and other repositories
that are hurt themselves, or cold.
"""

import io

import pytest

from holdfast.repository.format import names
from holdfast.repository.format.map_node import FANOUT
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import Quarries, of_another_repository, of_the_source
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.health.repair.report import RepairReport
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.backup import BackupOrder, backup_stream, backup_volume
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put, restored
from tests.faults.cold_world import DAY_SECONDS, Archive
from tests.faults.test_repair import lose, spoil
from tests.faults.world import DISK, DUMP, DUMP_BYTES, FIRST, PACK_SIZE_BYTES, SECOND, back_up, collect, volume_of
from tests.unit.repository.copying.copied import Place

TENANTS = ("123456789012", "210987654321")
CONTENT = {TENANTS[0]: volume_of(1, 2, 3), TENANTS[1]: volume_of(1, 4, 5)}
DAMAGES = {"lost": lose, "spoiled": spoil}


def made(seed: int) -> SmallRepository:
    return make_small_repository(MemoryStore(), deterministic_surroundings(seed), PACK_SIZE_BYTES)


def data_packs(small: SmallRepository) -> list[str]:
    keys = [info.key for info in small.store.list(names.PACKS)]
    return [key for key in keys if not read_header(small.store, bytes.fromhex(key.rsplit("/", 1)[1])).holds_maps]


def healed(small: SmallRepository, quarries: Quarries, seed: int = 40) -> RepairReport:
    report = repair(small.open(deterministic_surroundings(seed)), quarries, Silence())
    assert sum(pack.lost_chunks for pack in report.packs) == 0
    return report


def whole(small: SmallRepository) -> list[bytes]:
    """What the points give back; a check of everything finds nothing that hurts."""
    repository = small.open(deterministic_surroundings(41))
    assert check_repository(repository, 100, Silence()).harmful == ()
    return [restored(repository, point) for point in list_points(repository)]


def of(other: SmallRepository) -> Quarries:
    return of_another_repository(other.open(deterministic_surroundings(42)), bytes(16))


def dumped(seed: int, content: bytes = DUMP_BYTES) -> SmallRepository:
    small = made(seed)
    backup_stream(small.open(deterministic_surroundings(seed + 1)), io.BytesIO(content), BackupOrder(DUMP), Silence())
    return small


@pytest.mark.parametrize("damage", DAMAGES)
def test_data_of_a_stream_is_healed_from_the_file_that_it_was(damage):
    small = dumped(1)
    [point] = list_points(small.open(deterministic_surroundings(3)))
    for key in data_packs(small):
        DAMAGES[damage](small.store, key)
    source = MemorySource(MemoryVolume.of(DUMP_BYTES), "file")
    assert healed(small, of_the_source(source, point.session, "volume")).written_packs
    assert whole(small) == [DUMP_BYTES]


@pytest.mark.parametrize("damage", DAMAGES)
def test_data_of_a_stream_is_healed_from_a_longer_one(damage):
    small = dumped(1)
    for key in data_packs(small):
        DAMAGES[damage](small.store, key)
    healed(small, of(dumped(5, DUMP_BYTES + b"more")))
    assert whole(small) == [DUMP_BYTES]


def tenants(seed: int) -> SmallRepository:
    """One workload name of two tenants, each with a volume of its own, over two key epochs."""
    small = made(seed)
    for number, tenant in enumerate(TENANTS):
        repository = small.open(deterministic_surroundings(seed + 1 + number))
        source = MemorySource(CONTENT[tenant], f"of {tenant}")
        backup_volume(repository, source, BackupOrder(DISK, tenant=tenant), Silence())
        if not number:
            rotate(repository, small.secret)
    return small


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_tenants_packs_under_each_key_are_healed(damage):
    other, keys = tenants(11), [info.key for info in tenants(1).store.list(names.PACKS)]
    for key in keys:
        small = tenants(1)
        DAMAGES[damage](small.store, key)
        healed(small, of(other))
        assert sorted(whole(small)) == sorted(volume.content for volume in CONTENT.values())


def test_many_points_of_another_tenant_with_that_name_hide_none_of_the_own():
    small, other = tenants(1), made(11)
    for number, tenant in enumerate([TENANTS[1], *[TENANTS[0]] * 6]):
        source = MemorySource(CONTENT[tenant], f"{tenant} {number}")
        repository = other.open(deterministic_surroundings(12 - number))
        backup_volume(repository, source, BackupOrder(DISK, tenant=tenant, parent="none"), Silence())
    for key in data_packs(small):
        lose(small.store, key)
    healed(small, of(other))
    assert sorted(whole(small)) == sorted(volume.content for volume in CONTENT.values())


def disks(seed: int) -> SmallRepository:
    small = made(seed)
    repository = small.open(deterministic_surroundings(seed + 1))
    back_up(repository, DISK, FIRST, "s1")
    back_up(repository, DISK, SECOND, "s2", {"s1": FIRST})
    return small


def test_a_damaged_point_of_the_other_repository_is_passed_over():
    small, other = disks(1), disks(11)
    for key in data_packs(small):
        lose(small.store, key)
    first = list_points(other.open(deterministic_surroundings(13)))[0]
    back_up(other.open(deterministic_surroundings(14)), DISK, FIRST, "s3", {"s2": SECOND})
    put(other.store, first.key, bytes(other.store.get(first.key))[:-1])
    healed(small, of(other))
    assert whole(small) == [FIRST.content, SECOND.content]


def test_an_archive_is_healed_where_packs_are_gone():
    archive = Archive()
    for key in [info.key for info in archive.inner.list(names.PACKS)]:
        if not read_header(archive.inner, bytes.fromhex(key.rsplit("/", 1)[1])).holds_maps:
            archive.inner.delete(key)
    quarries = of(disks(11))
    report = repair(archive.open(20), quarries, Silence())
    assert sum(pack.lost_chunks for pack in report.packs) == 0
    assert check_repository(archive.open(21), None, Silence()).harmful == ()
    for number, content in enumerate((FIRST.content, SECOND.content)):
        archive.retrieve(number)
        assert restored(archive.open(22), archive.points[number]) == content


def test_an_archive_whose_packs_do_not_open_is_collected_after_its_repair():
    """What the repair put beside them is cold itself: what lies in it is known by its run."""
    archive = Archive()
    for key in [info.key for info in archive.inner.list(names.PACKS)]:
        if not read_header(archive.inner, bytes.fromhex(key.rsplit("/", 1)[1])).holds_maps:
            put(archive.inner, key, bytes(archive.inner.get(key))[:-1])
    repair(archive.open(20), of(disks(11)), Silence())
    for seed in (23, 25):
        archive.clock.step(200 * DAY_SECONDS)
        collect(archive.open(seed))
    for number, content in enumerate((FIRST.content, SECOND.content)):
        archive.retrieve(number)
        assert restored(archive.open(22), archive.points[number]) == content


def test_an_archive_from_which_nothing_was_retrieved_gives_nothing_and_stops_no_repair():
    small, archive = disks(1), Archive()
    lose(small.store, data_packs(small)[0])
    quarries = of_another_repository(archive.open(20), bytes(16))
    report = repair(small.open(deterministic_surroundings(40)), quarries, Silence())
    assert report.left
    for number in range(2):
        archive.retrieve(number)
    healed(small, of_another_repository(archive.open(21), bytes(16)), 43)
    assert whole(small) == [FIRST.content, SECOND.content]


def test_another_repository_heals_what_it_has_whole_though_part_of_its_map_is_damaged():
    clock, volume = SteppableClock(), volume_of(1, 2, *[0] * FANOUT, 3, 4).content
    place, twin = Place(1, clock, PACK_SIZE_BYTES), Place(1001, clock, PACK_SIZE_BYTES)
    point, other = place.back_up(DISK, volume), twin.back_up(DISK, volume)
    place.flip(place.leaves(point)[-1], 2)
    twin.flip(twin.root(other), 0)
    healed(place.small, of(twin.small))
    assert whole(place.small) == [volume]
