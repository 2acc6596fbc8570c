"""Chunks that a collection has moved: their maps name packs that are gone, and damage where they lie now hurts."""

import pytest

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format import pack as form
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.small_repository import restored
from tests.faults.test_repair import spoil
from tests.faults.world import collect, publish_plan, volume_of
from tests.unit.repository.copying.copied import Place

PACK_SIZE_BYTES = 1200
DISK = "disk"


def place_with_a_repacked_pack():
    """One live point, and the only pack with data that a collection has made: it holds blocks of the point."""
    place = Place(1, SteppableClock(), PACK_SIZE_BYTES)
    first = place.back_up(DISK, volume_of(1, 2, 3).content)
    place.back_up(DISK, volume_of(1, 2, 4).content)
    place.delete(first)
    before = packs_of(place)
    collect(place.open())
    collect(place.open())
    assert before - packs_of(place)
    store = place.small.store
    (moved,) = [key for key in packs_of(place) - before if not form.read_header(store.get(key), key).holds_maps]
    return place, moved


def packs_of(place):
    return {info.key for info in place.small.store.list(names.PACKS)}


def condemn(place, key):
    repository = place.open()
    publish_plan(repository, [], [bytes.fromhex(key[-32:])], newest_plan(repository.sealed).epoch + 1)


def harmful(place, percent=100):
    report = check_repository(place.open(), percent, Silence())
    return {one.object: [hurt.volumes for hurt in one.hurt] for one in report.harmful}


def test_damage_where_they_lie_now_hurts_their_point():
    place, moved = place_with_a_repacked_pack()
    spoil(place.small.store, moved)
    with pytest.raises((IntegrityError, ObjectNotFoundError)):
        restored(place.open(), list_points(place.open())[0])
    assert harmful(place) == {moved: [("volume",)]}


def test_it_is_not_called_harmless_where_a_plan_condemns_that_pack():
    place, moved = place_with_a_repacked_pack()
    spoil(place.small.store, moved)
    condemn(place, moved)
    assert harmful(place) == {moved: [("volume",)]}


def test_a_pack_that_has_gone_hurts_them_too():
    place, moved = place_with_a_repacked_pack()
    place.small.store.delete(moved)
    assert [("volume",)] in harmful(place, None).values()


def test_where_another_copy_opens_nobody_is_hurt():
    """A backup of the same bytes stores them again when it may not build upon the damaged pack."""
    place, moved = place_with_a_repacked_pack()
    spoil(place.small.store, moved)
    condemn(place, moved)
    place.back_up("other", volume_of(1, 2, 4).content)
    report = check_repository(place.open(), 100, Silence())
    assert [(one.object, one.hurt, one.harmless) for one in report.damage] == [(moved, (), True)]
