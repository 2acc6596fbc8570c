"""A look at a point: what the store says of its packs, and what of a suspicion is true."""

import hashlib

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import names
from holdfast.repository.health.verification.look import PointLook
from holdfast.repository.object_store import ORDINARY, StorageTerms
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.testing.deterministic_surroundings import SteppableClock
from tests.faults.immutable_site import Site
from tests.faults.world import publish_plan
from tests.unit.repository.copying.copied import Place
from tests.unit.repository.copying.test_copying import DISK, noise

PACK_SIZE_BYTES = 600 * 1024


@pytest.fixture(params=[None, ArchiveClass.DEEP_ARCHIVE], ids=["standard", "archive"])
def place(request):
    """With a point of several packs, in an archive all of them cold."""
    made = Place(1, SteppableClock(), PACK_SIZE_BYTES, request.param)
    made.back_up(DISK, noise(1, 4))
    return made


def point_in(repository):
    (point,) = list_points(repository)
    return point


def look(place, suspected=()):
    repository = place.open()
    found = PointLook(repository, point_in(repository)).damage(dict.fromkeys(suspected, "y"))
    return {one.object: (one.why, bool(one.volumes)) for one in found}


def packs(place, *, holding_maps=False):
    rows = place.newest().packs
    return [names.pack(row.pack) for row in rows if row.holds_maps == holding_maps]


def put_over(store, key, data, terms=ORDINARY):
    store.delete(key)
    store.create(key, data, hashlib.sha256(data).digest(), terms)


def test_a_whole_point_has_no_damage_and_nothing_cold_is_read(place):
    assert len(packs(place)) > 2
    assert look(place) == {}


def test_what_is_gone_or_not_as_it_was_written_is_named_with_whom_it_hurts(place):
    gone, other, *_whole = packs(place)
    store = place.small.store
    store.delete(gone)
    put_over(store, other, b"something else", StorageTerms(archive_class=place.archive_class))
    found = look(place)
    assert set(found) == {gone, other}
    assert found[other] == ("it is not the pack that its manifest recorded", True)
    assert found[gone][1]


def test_a_map_that_does_not_open_hurts_its_volume(place):
    (pack,) = packs(place, holding_maps=True)
    data = bytearray(place.small.store.get(pack))
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    put_over(place.small.store, pack, bytes(data))
    assert look(place)[pack][1]


def test_a_suspicion_is_looked_into_where_that_can_be_read_and_stands_where_it_is_cold(place):
    pack = packs(place)[0]
    assert look(place, [pack]) == {pack: ("y", place.archive_class is not None)}
    flipped = bytearray(place.small.store.get(pack)) if place.archive_class is None else None
    if flipped is not None:
        flipped[len(flipped) // 3] ^= 1
        put_over(place.small.store, pack, bytes(flipped))
        assert look(place, [pack])[pack][1]


def test_a_cold_copy_in_a_pack_that_is_damaged_too_counts_for_nothing():
    """The chunk's own pack has gone; the only other one is another workload's."""
    place = Place(1, SteppableClock(), PACK_SIZE_BYTES, ArchiveClass.DEEP_ARCHIVE)
    point = place.back_up(DISK, noise(1, 1))
    (gone,) = packs(place)
    place.back_up("other", noise(1, 1))
    (copy,) = packs(place)
    publish_plan(place.open(), [], [bytes.fromhex(gone[-32:])], 1)
    store = place.small.store
    store.delete(gone)
    repository = place.open()
    of_point = PointLook(repository, find_point(repository, point.hex(), None))
    assert of_point.damage({}) == ()
    put_over(store, copy, b"something else", StorageTerms(archive_class=place.archive_class))
    assert [(one.object, bool(one.volumes)) for one in of_point.damage({})] == [(copy, True)]


def test_a_point_that_does_not_open_cannot_be_looked_at(place):
    repository = place.open()
    point = point_in(repository)
    put_over(place.small.store, point.key, b"junk")
    with pytest.raises(IntegrityError):
        PointLook(repository, point)


def test_what_somebody_has_put_over_packs_makes_nothing_of_them_damaged():
    site = Site()
    site.back_up(noise(1, 1))
    for one in site.bucket.listed():
        if one.key.startswith(names.PACKS):
            site.bucket.put(one.key, b"junk")
    repository = site.open()
    assert PointLook(repository, point_in(repository)).damage({}) == ()
