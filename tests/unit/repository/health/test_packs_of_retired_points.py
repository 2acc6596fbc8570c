"""Most packs of a repository with retention belong to points that are retired: what their manifests recorded holds."""

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.format import names
from holdfast.repository.format import pack as form
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.health.verification.look import PointLook
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.counting import RequestCounts
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.small_repository import put
from tests.faults.world import collect, volume_of
from tests.unit.repository.copying.copied import Place

CHUNK_A_PACK_BYTES = 400
DISK = "disk"
SHARED, OLD, NEW = (1, 2), 3, 4


def place_with_a_retired_point(archive_class=None, pack_size_bytes=CHUNK_A_PACK_BYTES):
    """The newer point needs what the older one, which is retired, has stored; and the keys of such data packs."""
    place = Place(1, SteppableClock(), pack_size_bytes, archive_class)
    first = place.back_up(DISK, volume_of(*SHARED, OLD).content)
    place.back_up(DISK, volume_of(*SHARED, NEW).content)
    written = [names.pack(pack.pack) for pack in place.manifest(first).packs if not pack.holds_maps]
    place.delete(first)
    return place, written


def named(report):
    return {one.object: [hurt.volumes for hurt in one.hurt] for one in report.damage}


def look(place):
    repository = place.open()
    (point,) = list_points(repository)
    return {one.object: bool(one.volumes) for one in PointLook(repository, point).damage({})}


def emptied(data):
    return b""


def cut(data):
    return data[:-40]


def lengthened(data):
    return data + bytes(8)


@pytest.mark.parametrize("change", [emptied, cut, lengthened])
def test_a_pack_of_another_size_is_damage_that_hurts_who_needs_it(change):
    place, written = place_with_a_retired_point()
    before = bytes(place.small.store.get(written[0]))
    put(place.small.store, written[0], change(before))
    found = named(check_repository(place.open(), None, Silence()))
    # Without its end, or with something behind that, the pack has all its chunks still.
    assert found == {written[0]: [("volume",)] if change is emptied else []}
    assert look(place) == {written[0]: change is emptied}


def test_in_an_archive_such_a_pack_is_compared_by_size_and_checksum():
    place, written = place_with_a_retired_point(ArchiveClass.DEEP_ARCHIVE)
    put(place.small.store, written[0], bytes(place.small.store.head(written[0]).size_bytes))
    assert look(place) == {written[0]: True}


def test_a_repair_goes_by_what_they_recorded():
    """And mends what is not as it was written, where the bytes are still there."""
    place, written = place_with_a_retired_point()
    put(place.small.store, written[0], lengthened(bytes(place.small.store.get(written[0]))))
    report = repair(place.open(), none, Silence())
    assert [(one.object, one.mended_chunks > 0, one.lost_chunks) for one in report.packs] == [(written[0], True, 0)]
    assert check_repository(place.open(), 100, Silence()).harmful == ()
    assert look(place) == {written[0]: False}


def test_of_a_pack_that_no_manifest_recorded_the_least_size_is_known():
    """A collection has put what is left of the retired point's packs into others."""
    place, written = place_with_a_retired_point(pack_size_bytes=3 * CHUNK_A_PACK_BYTES)
    before = {info.key for info in place.small.store.list(names.PACKS)}
    collect(place.open())
    collect(place.open())
    store = place.small.store
    (moved,) = [info.key for info in store.list(names.PACKS) if info.key not in before and not holds_maps(store, info)]
    assert written[0] not in {info.key for info in store.list(names.PACKS)}
    put(store, moved, store.get(moved)[: -form.FOOTER.size])
    (found,) = check_repository(place.open(), None, Silence()).harmful
    assert found.object == moved
    assert "with what points need of it at least" in found.why


def holds_maps(store, info):
    return form.read_header(store.get(info.key), info.key).holds_maps


def gets_of_a_look(retired):
    """With so many retired points, none of whose packs the live one needs."""
    place = Place(1, SteppableClock(), CHUNK_A_PACK_BYTES)
    for number in range(1, retired + 1):
        place.delete(place.back_up(DISK, volume_of(10 * number, 10 * number + 1).content))
    place.back_up("other", volume_of(1, 2).content)
    counts = RequestCounts()
    repository = place.counted(counts)
    (point,) = list_points(repository)
    before = counts.requests
    assert PointLook(repository, point).damage({}) == ()
    return {kind: counts.requests[kind] - before[kind] for kind in before}


def test_retired_points_of_which_nothing_is_needed_cost_a_look_nothing():
    assert gets_of_a_look(retired=8) == gets_of_a_look(retired=1)
