"""Damage to cold packs is told by size and checksum: it ends no check and no repair, and who needs it is named."""

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none, of_another_repository
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.repository.reading.retrieval.plan import plan_retrieval
from holdfast.repository.sessions.points import list_points
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.small_repository import put
from tests.faults.cold_world import Archive
from tests.faults.world import FIRST, back_up, volume_of
from tests.unit.repository.copying.copied import Place


def cut(data):
    return data[:-40]


def of_the_same_size(data):
    return bytes(len(data))


@pytest.fixture
def archive():
    return Archive()


def spoilt(archive, change):
    """A pack that both points need, still cold."""
    key = next(one.key for one in archive.plan(0).packs if one in archive.plan(1).packs)
    put(archive.inner, key, change(bytes(archive.inner.get(key))))
    assert key in archive.store.cold
    return key


def hurt(report):
    return {one.object: {hurt.point_id for hurt in one.hurt} for one in report.harmful}


@pytest.mark.parametrize(("change", "percent"), [(cut, None), (cut, 100), (of_the_same_size, 100)])
def test_a_check_names_a_cold_pack_that_is_not_as_it_was_written(archive, change, percent):
    key = spoilt(archive, change)
    found = check_repository(archive.open(9), percent, Silence())
    assert hurt(found) == {key: {point.id for point in archive.points}}


def test_a_cold_copy_elsewhere_counts(archive):
    """An archive stores the blocks of another workload once more."""
    key = spoilt(archive, cut)
    back_up(archive.open(8), "other", FIRST, "x")
    assert hurt(check_repository(archive.open(9), None, Silence())) == {key: set()}


def test_a_cold_copy_in_a_pack_that_is_spoilt_too_counts_for_nothing(archive):
    back_up(archive.open(8), "other", FIRST, "x")
    repository = archive.open(8)
    points = list_points(repository)
    needed = {point.id: {one.key for one in plan_retrieval(repository, point, (None,)).packs} for point in points}
    for key in set().union(*needed.values()):
        put(archive.inner, key, cut(bytes(archive.inner.get(key))))
    found = hurt(check_repository(archive.open(9), None, Silence()))
    assert len(points) == 3
    assert {point: {key for key, points in found.items() if point in points} for point in needed} == needed


def test_a_repair_goes_on_and_names_what_it_could_not_mend(archive):
    key = spoilt(archive, cut)
    report = repair(archive.open(9), none, Silence())
    assert [(one.object, one.lost_chunks > 0) for one in report.packs] == [(key, True)]
    assert key in report.left


def test_a_run_that_does_not_open_keeps_no_repair_from_healing_what_is_cold():
    """Where a pack was healed before, only that run could tell that its copy, which is cold, has the chunks."""
    clock = SteppableClock()
    place, twin = Place(1, clock, 400, ArchiveClass.DEEP_ARCHIVE), Place(1001, clock, 400)
    for name, content in {"d": volume_of(1, 2, 3, 4).content, "e": volume_of(9).content}.items():
        place.back_up(name, content)
        twin.back_up(name, content)
    store, (first, second) = place.small.store, list_points(place.open())
    one, another, *_ = [names.pack(pack.pack) for pack in place.manifest(first.session).packs if not pack.holds_maps]

    def healed(key):
        put(store, key, cut(bytes(store.head(key).size_bytes)))
        report = repair(place.open(), of_another_repository(twin.open(), bytes(16)), Silence())
        return {pack.object: (pack.mended_chunks > 0, pack.lost_chunks) for pack in report.packs}[key], report

    assert healed(one)[0] == (True, 0)
    (run,) = [info.key for info in store.list(names.INDEX) if names.session_of_run(info.key) == second.session]
    put(store, run, cut(bytes(store.get(run))))
    done, report = healed(another)
    assert done == (True, 0)
    assert report.epoch
    assert run in report.left
