"""After a rotation all that points need is sealed under the newest key, in rounds that wait for who writes."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import UsageError
from holdfast.repository.format import names
from holdfast.repository.format.pack import read_header
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import end_without_point, open_session
from holdfast.repository.upkeep.collection.collect import CollectionOrder
from holdfast.repository.upkeep.rekeying import rekey, stored_by_epoch
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.small_repository import put, restored
from tests.unit.repository.upkeep.test_collection import Site

AT_ONCE = 500


@pytest.fixture
def site():
    site = Site()
    site.back_up("a", 1, 2, 3)
    site.back_up("b", 2, 4, 5)
    rotate(site.open(), site.small.secret)
    site.back_up("a", 1, 2, 6)
    return site


def sealed_anew(repository, at_once_bytes=AT_ONCE):
    return rekey(repository, CollectionOrder(timedelta(0)), Silence(), lambda _seconds: None, at_once_bytes)


def kids(site):
    return {read_header(site.store.get(info.key), "").kid for info in site.store.list(names.PACKS)}


def whole(site):
    repository = site.open()
    assert {point.session: restored(repository, point) for point in list_points(repository)} == site.contents
    assert check_repository(repository, 100, Silence()).damage == ()


def test_nothing_is_left_under_the_old_key(site):
    before = stored_by_epoch(site.open())
    assert before[1] > 0
    assert before[2] > 0
    done = sealed_anew(site.open())
    assert done.rounds > 2
    assert done.waiting == ()
    assert done.stored_bytes == stored_by_epoch(site.open())
    assert done.stored_bytes[1] == 0
    assert kids(site) == {2}
    whole(site)
    assert sealed_anew(site.open()).repacked == 0


def test_packs_that_do_not_open_hold_up_no_others(site):
    """However many of them come first: all else is sealed anew."""
    old = [info.key for info in site.store.list(names.PACKS) if read_header(site.store.get(info.key), "").kid == 1]
    data = sorted(key for key in old if not read_header(site.store.get(key), "").holds_maps)
    broken = data[0]
    put(site.store, broken, bytes(site.store.get(broken)[:100]) + b"damage" + bytes(site.store.get(broken)[106:]))
    done = sealed_anew(site.open(), 1)
    left = {info.key for info in site.store.list(names.PACKS) if read_header(site.store.get(info.key), "").kid == 1}
    assert left == {broken}
    assert done.stored_bytes[1] == site.store.head(broken).size_bytes


def test_who_writes_meanwhile_is_waited_for_and_the_next_run_goes_on(site):
    sealed_anew(site.open(), 1 << 30)  # a plan that writers must know
    writer = open_session(site.open(), "default", "c")
    rotate(site.open(), site.small.secret)
    done = sealed_anew(site.open())
    assert [one.session for one in done.waiting] == [writer.session]
    assert done.stored_bytes[2] > 0
    whole(site)
    end_without_point(site.open(), writer.session, writer.point_key)
    done = sealed_anew(site.open())
    assert (done.stored_bytes[1], done.stored_bytes[2]) == (0, 0)
    whole(site)


def test_without_an_older_key_there_is_nothing_to_do():
    site = Site()
    site.back_up("a", 1)
    with pytest.raises(UsageError, match="no older key"):
        sealed_anew(site.open())
    assert list(stored_by_epoch(site.open())) == [1]
