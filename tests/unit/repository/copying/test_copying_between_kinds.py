"""Copies between repositories that differ in more than their keys: suite, key epoch, class, what they promise."""

import dataclasses
from datetime import timedelta

import pytest

from holdfast.domain.errors import NeedsRetrievalError
from holdfast.domain.time import format_time
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.copying.copy import copy_points
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.repository import create_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point, load_manifest
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import SmallRepository
from tests.faults.immutable_site import Site
from tests.unit.repository.copying.copied import Place, archive_place, copy, third_place, two_places
from tests.unit.repository.copying.test_copying import DISK, noise, volume
from tests.unit.repository.delegation.delegated_copy import accepted, prepared, told, worker


class OtherSite(Site):
    """Another immutable repository: of other dice."""

    def surroundings(self):
        return dataclasses.replace(
            super().surroundings(), random_bytes=deterministic_surroundings(500 + self._seed).random_bytes
        )


def rotate_keys(place: Place) -> None:
    rotate(place.open(), place.small.secret)


def test_another_suite_and_newer_keys():
    source, target = two_places(400)
    store = MemoryStore()
    new = create_repository(store, deterministic_surroundings(9000), suite=1)
    target.small = SmallRepository(store, Secret(text=new.recovery_code.encode()))
    source.back_up(DISK, volume(1, 2, 3))
    rotate_keys(source)
    source.back_up(DISK, volume(1, 2, 4))
    copy(source, target, CopyOrder(workloads=[DISK]))
    rotate_keys(target)
    source.back_up(DISK, after := volume(1, 5, 4))
    [copied] = copy(source, target).copied
    assert copied.read_bytes == BLOCK_SIZE_BYTES
    assert target.contents()[copied.manifest.session] == after
    assert sorted(target.contents().values()) == sorted(source.contents().values())
    assert check_repository(target.open(), 100, Silence()).damage == ()


def test_an_archive_takes_copies_and_gives_none_before_they_are_retrieved():
    source, _target = two_places()
    archive = archive_place()
    source.back_up(DISK, noise(1, 3))
    copy(source, archive)
    source.back_up(DISK, noise(1, 2) + noise(2, 1))
    [copied] = copy(source, archive).copied
    assert copied.read_bytes == BLOCK_SIZE_BYTES
    assert copied.manifest.parent is not None
    with pytest.raises(NeedsRetrievalError):
        copy(archive, third_place())


def test_a_promise_is_kept_where_one_can_be_made():
    source, immutable, ordinary = Site(), OtherSite(), third_place()
    point = source.back_up(b"precious")
    repository = source.open()
    promised = load_manifest(repository, find_point(repository, point.hex(), None)).keep_until
    assert promised is not None
    for target, kept in ((immutable, promised), (ordinary, None)):
        [copied] = copy_points(source.open(), target.open(), CopyOrder(), Silence()).copied
        assert copied.manifest.keep_until == kept


def copied_by_worker(source, target, point, promise):
    order = prepared(source.open(), target.open(), point, keep_until=promise)
    worker(source.small.store, target.store, order)
    around = target.open()
    return accepted(source.open(), around, order.session, told(around, order.session))


def test_a_worker_s_copy_has_the_promise_that_was_ordered():
    source, target = third_place(), OtherSite()
    promise = target.clock() + timedelta(days=365)
    copied = copied_by_worker(source, target, source.back_up(DISK, noise(1, 2)), promise)
    assert copied.keep_until == format_time(promise)
    locks = target.locks("packs/")
    assert locks
    assert all(end >= promise for end in locks.values())


def test_another_copy_that_is_promised_more_stores_nothing_and_makes_the_locks_longer():
    source, target = third_place(), OtherSite()
    point, now = source.back_up(DISK, noise(1, 2)), target.clock()
    first = copied_by_worker(source, target, point, now + timedelta(days=90))
    second = copied_by_worker(source, target, point, now + timedelta(days=2557))
    assert (second.parent, second.packs) == (first.session, ())
    assert second.volumes[0].root == first.volumes[0].root
    target.renew()
    assert all(end >= now + timedelta(days=2557) for end in target.locks("packs/").values())
    assert all(end >= now + timedelta(days=2557) for end in target.locks("index/").values())
