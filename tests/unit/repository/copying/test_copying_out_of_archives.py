"""What a plan says is to be retrieved is what a copy out of an archive reads, whatever the copy builds upon."""

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
        source = self.source.open()
        estimates = plan_copy(source, self.target.open(), ALL).estimates
        packs = {row.pack: row for one in estimates for row in one.packs}
        plan = plan_for_packs(source, tuple(one.point.session for one in estimates), packs)
        return retrieve(source, Retrieval(source, plan), STANDARD, Silence(), self.clock.step)

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
