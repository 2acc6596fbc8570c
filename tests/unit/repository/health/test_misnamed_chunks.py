"""A block map that names what does not lie there (a worker's lie, a writer's defect), though every pack is whole: who
reads the data compares the two.
"""

import dataclasses

import pytest

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.places import Located
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.writing.map_builder import FixedMapBuilder
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.small_repository import restored
from tests.faults.world import collect, volume_of
from tests.unit.repository.copying.copied import Place
from tests.unit.repository.health.verification.verified import verify

SEVERAL_IN_A_PACK, ONE_IN_A_PACK = 1200, 400
LIED_ABOUT = 1
CONTENT = volume_of(1, 2, 3, 4).content


def misplaced(located, first):
    """The chunk of that block at the place of the volume's first one."""
    return located.at(first.place)


def invented(located, first):
    """Another chunk, which nobody has."""
    return Located(bytes(32), located.place)


def wrongly_numbered(located, first):
    return located.at(dataclasses.replace(located.place, number=99))


def place_with(monkeypatch, lie, pack_size_bytes=SEVERAL_IN_A_PACK):
    """A point whose map is untrue in one entry, and the pack that this entry names."""
    set_entry = FixedMapBuilder.set
    told: dict[int, Located] = {}

    def set_untruly(builder, block, located):
        told.setdefault(0, located)
        if block == LIED_ABOUT:
            located = told[LIED_ABOUT] = lie(located, told[0])
        set_entry(builder, block, located)

    place = Place(1, SteppableClock(), pack_size_bytes)
    with monkeypatch.context() as patched:
        patched.setattr(FixedMapBuilder, "set", set_untruly)
        place.back_up("disk", CONTENT)
    return place, names.pack(told[LIED_ABOUT].place.pack.pack)


def found(place, percent=100):
    report = check_repository(place.open(), percent, Silence())
    return {one.object: [hurt.volumes for hurt in one.hurt] for one in report.damage}


def restores(place):
    (point,) = list_points(place.open())
    try:
        return restored(place.open(), point) == CONTENT
    except (IntegrityError, ObjectNotFoundError):
        return False


@pytest.mark.parametrize("pack_size_bytes", [SEVERAL_IN_A_PACK, ONE_IN_A_PACK])
@pytest.mark.parametrize("lie", [misplaced, wrongly_numbered])
def test_what_lies_elsewhere_is_told_and_hurts_nobody(monkeypatch, lie, pack_size_bytes):
    place, pack = place_with(monkeypatch, lie, pack_size_bytes)
    assert restores(place)
    assert found(place) == {pack: []}


def test_what_lies_nowhere_hurts_its_volume(monkeypatch):
    place, pack = place_with(monkeypatch, invented)
    assert not restores(place)
    assert found(place) == {pack: [("volume",)]}


def test_without_the_data_nobody_can_tell(monkeypatch):
    place, _pack = place_with(monkeypatch, invented)
    assert found(place, None) == {}


@pytest.mark.parametrize("pack_size_bytes", [SEVERAL_IN_A_PACK, ONE_IN_A_PACK])
def test_a_repair_gives_all_that_is_needed_of_such_a_pack_another_place(monkeypatch, pack_size_bytes):
    place, pack = place_with(monkeypatch, misplaced, pack_size_bytes)
    report = repair(place.open(), none, Silence())
    assert [(one.object, one.lost_chunks) for one in report.packs] == [(pack, 0)]
    for _again in range(2):
        assert restores(place)
        assert check_repository(place.open(), 100, Silence()).harmful == ()
        collect(place.open())


def test_a_repair_calls_lost_what_lies_nowhere(monkeypatch):
    place, pack = place_with(monkeypatch, invented)
    report = repair(place.open(), none, Silence())
    assert [(one.object, one.lost_chunks, len(one.hurt)) for one in report.packs] == [(pack, 1, 1)]


def test_a_verification_finds_it_in_packs_that_are_drawn(monkeypatch):
    """Here all of them: there are fewer than are drawn."""
    place, pack = place_with(monkeypatch, invented)
    repository = place.open()
    (point,) = list_points(repository)
    assert [(one.object, one.volumes) for one in verify(repository, point.session).damage] == [(pack, ("volume",))]


def test_beside_the_packs_reading_all_data_asks_for_little_more():
    """Whose they may be; comparing them with the maps asks for nothing."""
    place = Place(1, SteppableClock(), SEVERAL_IN_A_PACK)
    place.back_up("disk", CONTENT)
    requests = []
    for percent in (None, 100):
        counts = RequestCounts()
        report = check_repository(place.counted(counts), percent, Silence())
        requests.append((counts.requests["get"] - report.packs_read, counts.requests["list"]))
        assert report.damage == ()
    (gets, lists), with_data = requests
    assert with_data == (gets, lists + 1)
