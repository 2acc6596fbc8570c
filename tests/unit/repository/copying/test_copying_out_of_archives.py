"""What a plan says is to be retrieved is what a copy out of an archive reads, whatever the copy builds upon."""

import random

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import NeedsRetrievalError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.copying.copy import copy_points, plan_copy
from holdfast.repository.format import names
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.repository.reading.retrieval.plan import plan_for_packs
from holdfast.repository.reading.retrieval.retrieving import Retrieval, retrieve
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.small_repository import put
from tests.faults.cold_world import CHUNK_A_PACK_BYTES, DAY_SECONDS, STANDARD
from tests.faults.world import volume_of
from tests.unit.repository.copying.copied import ALL, Place

DISK, DUMP = "disk", "dump"
OLDER, NEWER = volume_of(1, 2, 3, 4, 5, 6).content, volume_of(1, 2, 3, 4, 5, 7).content


def fetch(source: Place, target: Place) -> int:
    """Retrieve what the plan says, as a command does, where there is anything; how many packs that was."""
    there = source.open()
    plan = plan_copy(there, target.open(), ALL)
    assert plan.failed == []
    packs = {row.pack: row for one in plan.estimates for row in one.packs}
    wanted = plan_for_packs(there, tuple(one.point.session for one in plan.estimates), packs)
    if not wanted.packs:
        return 0
    return retrieve(there, Retrieval(there, wanted), STANDARD, Silence(), source.clock.step)


class Road:
    """From an archive, of which the older point was copied and is cold again, and which has a newer one by now."""

    def __init__(self) -> None:
        self.clock = SteppableClock()
        self.source = Place(1, self.clock, CHUNK_A_PACK_BYTES, ArchiveClass.DEEP_ARCHIVE)
        self.target = Place(1000, self.clock, CHUNK_A_PACK_BYTES)
        self.older = self.source.back_up(DISK, OLDER)
        self.retrieve()
        assert self.copied() == [6]
        self.clock.step(20 * DAY_SECONDS)
        self.newer = self.source.back_up(DISK, NEWER)

    def retrieve(self) -> int:
        """What the plan says, as a command does; how many packs that was."""
        return fetch(self.source, self.target)

    def copied(self) -> list[int]:
        """How many blocks were read of each point."""
        report = copy_points(self.source.open(), self.target.open(), ALL, Silence())
        assert report.failed == []
        return [one.read_bytes // BLOCK_SIZE_BYTES for one in report.copied]


@pytest.fixture
def road() -> Road:
    return Road()


def test_what_is_new_against_the_copy_is_retrieved_and_read(road):
    assert (road.retrieve(), road.copied()) == (1, [1])


def test_of_an_older_point_that_is_no_more_the_copy_remembers_the_maps(road):
    road.source.delete(road.older)
    assert (road.retrieve(), road.copied()) == (1, [1])


def test_where_the_copy_may_not_be_built_upon_all_is_retrieved(road):
    manifest, store = road.target.newest(), road.target.small.store
    key = names.pack(next(one.pack for one in manifest.packs if not one.holds_maps))
    body = bytearray(store.get(key))
    body[110] ^= 1
    put(store, key, bytes(body))
    repair(road.target.open(), none, Silence())
    assert (road.retrieve(), road.copied()) == (7, [6])  # of the last block there is but a half


def test_points_that_are_copied_in_one_run_build_upon_each_other(road):
    road.source.back_up(DISK, volume_of(1, 2, 3, 4, 8, 7).content)
    road.source.dump(DUMP, OLDER)
    road.source.dump(DUMP, OLDER + b"more")
    streams = plan_copy(road.source.open(), road.target.open(), ALL).estimates[2:]
    assert not streams[1].packs & streams[0].packs
    assert road.retrieve() == 2 + len(streams[0].packs) + len(streams[1].packs)
    assert road.copied()[:2] == [1, 1]


def test_what_was_not_planned_is_named(road):
    with pytest.raises(NeedsRetrievalError) as caught:
        road.copied()
    [named] = caught.value.packs
    [estimate] = plan_copy(road.source.open(), road.target.open(), ALL).estimates
    assert named in {names.pack(row.pack) for row in estimate.packs}


def test_what_another_run_has_copied_while_this_one_waited_is_not_copied_again():
    clock = SteppableClock()
    source = Place(1, clock, CHUNK_A_PACK_BYTES, ArchiveClass.DEEP_ARCHIVE)
    target = Place(1000, clock, CHUNK_A_PACK_BYTES)
    source.back_up(DISK, OLDER)
    there, here = source.open(), target.open()
    [estimate] = plan_copy(there, here, ALL).estimates
    plan = plan_for_packs(there, (estimate.point.session,), {row.pack: row for row in estimate.packs})
    retrieve(there, Retrieval(there, plan), STANDARD, Silence(), clock.step)
    assert len(copy_points(source.open(), target.open(), ALL, Silence()).copied) == 1
    report = copy_points(there, here, ALL, Silence())
    assert (report.copied, len(report.chosen.present)) == ([], 1)
    assert len(target.contents()) == 1


@pytest.mark.parametrize("archive_class", [None, ArchiveClass.DEEP_ARCHIVE])
def test_a_damaged_map_of_an_earlier_dump_stops_no_copy_of_a_later_one(archive_class):
    clock = SteppableClock()
    source, target = Place(1, clock, None, archive_class), Place(1000, clock)
    content = random.Random(3).randbytes(6 * 1024 * 1024)
    older = source.dump(DUMP, content)
    fetch(source, target)
    assert len(copy_points(source.open(), target.open(), ALL, Silence()).copied) == 1
    clock.step(20 * DAY_SECONDS)
    newer = source.dump(DUMP, content[: 3 * 1024 * 1024] + b"between" + content[3 * 1024 * 1024 :])
    maps = next(names.pack(pack.pack) for pack in source.manifest(older).packs if pack.holds_maps)
    body = bytearray(source.small.store.get(maps))
    body[150] ^= 1
    put(source.small.store, maps, bytes(body))
    fetch(source, target)
    report = copy_points(source.open(), target.open(), ALL, Silence())
    assert report.failed == []
    assert [one.point.session for one in report.copied] == [newer]
