"""A worker copies a point into another repository, an archive too: the same copy as without one, and no more."""

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, NotFoundError, UsageError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import reprepare, write_task
from holdfast.repository.delegation.copy_side import CopyFrom
from holdfast.repository.delegation.needed_packs import needed_packs
from holdfast.repository.delegation.orders import scratch_of
from holdfast.repository.delegation.restore_side import finish_reading
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.parents import Method
from holdfast.testing.deterministic_surroundings import SteppableClock
from tests.unit.repository.copying.copied import Place, copy, two_places
from tests.unit.repository.copying.test_copying import DISK, DUMP, noise
from tests.unit.repository.delegation.delegated_copy import (
    READER,
    accepted,
    copy_by_worker,
    ordered,
    prepare_copy,
    prepared,
    told,
    worker,
)

FIRST = noise(1, 4)
SECOND = noise(2, 1) + noise(1, 4)[BLOCK_SIZE_BYTES:]


PACK_SIZE_BYTES = 600 * 1024


def archive() -> Place:
    return Place(3000, SteppableClock(), PACK_SIZE_BYTES, ArchiveClass.DEEP_ARCHIVE)


@pytest.fixture(params=["standard", "archive"])
def places(request) -> tuple[Place, Place]:
    source, target = two_places(PACK_SIZE_BYTES)
    return source, target if request.param == "standard" else archive()


def retrieved(place: Place) -> dict[bytes, bytes]:
    """What each point gives back, once its packs are retrieved."""
    store = place.small.store
    if place.archive_class is not None:
        for info in list(store.list(names.PACKS)):
            if store.head(info.key).coldness is not None:
                store.retrieve(info.key, 3, Tier.BULK)
        place.clock.step(3 * 24 * 3600)
    return place.contents()


def test_a_point_and_its_increment_are_copied(places):
    source, target = places
    first, second = source.back_up(DISK, FIRST), source.back_up(DISK, SECOND)
    whole, result = copy_by_worker(source, target, first)
    assert result.methods == (Method.FULL,)
    increment, result = copy_by_worker(source, target, second)
    assert result.methods == (Method.CHANGED_BLOCKS,)
    assert result.statistics["read_bytes"] == BLOCK_SIZE_BYTES
    assert increment.parent == whole.session
    for copied, point in ((whole, first), (increment, second)):
        original = source.manifest(point)
        assert copied.origin is not None
        assert (copied.origin.backup.point, copied.created) == (point, original.created)
        assert copied.origin.copied_from == source.open().config.repository
        assert (copied.statistics, copied.configuration) == (original.statistics, original.configuration)
        assert copied.volumes[0].source == original.volumes[0].source
    assert not target.open().access().read_index_run(whole.index_runs[0]).verified
    assert retrieved(target) == {whole.session: FIRST, increment.session: SECOND}
    assert check_repository(target.open(), 100, Silence()).damage == ()
    assert copy(source, target).copied == []


def test_the_command_line_goes_on_where_a_worker_was(places):
    source, target = places
    copy_by_worker(source, target, source.back_up(DISK, FIRST))
    source.back_up(DISK, SECOND)
    [copied] = copy(source, target).copied
    assert copied.read_bytes == BLOCK_SIZE_BYTES


def test_of_an_archive_data_packs_alone_are_cold_and_acceptance_reads_none():
    source, _target = two_places()
    target = archive()
    manifest, _result = copy_by_worker(source, target, source.back_up(DISK, FIRST))
    assert target.archive_class is ArchiveClass.DEEP_ARCHIVE
    for pack in manifest.packs:
        assert (target.small.store.head(names.pack(pack.pack)).coldness is None) == pack.holds_maps
    with pytest.raises(NeedsRetrievalError):
        target.contents()
    run = target.open().access().read_index_run(manifest.index_runs[0])
    assert {row.pack for row in run.packs} == {pack.pack for pack in manifest.packs}


@pytest.mark.parametrize("reader", [READER, b"s" * 16], ids=["same", "another"])
def test_what_an_earlier_attempt_stored_is_not_read_again(places, reader):
    """Also where another run goes on with the session, and has pinned the point anew."""
    source, target = places
    point = source.back_up(DISK, FIRST)
    there, here = source.open(), target.open()
    order = prepared(there, here, point)
    worker(source.small.store, target.small.store, order)
    if reader != READER:
        finish_reading(there, READER, Silence())
    again = prepared(there, here, point, 2, order.session, reader=reader)
    assert again.session == order.session
    worker(source.small.store, target.small.store, again, 2)
    result = told(here, order.session, 2)
    read, resumed = result.statistics["read_bytes"], result.statistics["resumed_bytes"]
    assert read + resumed == len(FIRST)
    assert resumed >= len(FIRST) // 2
    copied = accepted(there, here, order.session, result)
    assert accepted(there, here, order.session, told(here, order.session, 1)) == copied
    assert retrieved(target) == {copied.session: FIRST}


def test_a_further_attempt_builds_upon_the_same_and_reads_under_newer_keys(places):
    source, target = places
    copy_by_worker(source, target, source.back_up(DISK, FIRST))
    point = source.back_up(DISK, SECOND)
    first = prepared(source.open(), target.open(), point).task
    rotate(source.open(), source.small.secret)
    again = prepared(source.open(), target.open(), point, 2, first.session)
    task = worker(source.small.store, target.small.store, again, 2)
    assert (task.volumes, task.terms, task.parent) == (first.volumes, first.terms, first.parent)
    assert first.copied_from is not None
    assert task.copied_from is not None
    assert task.copied_from.owner.kid == 2
    assert task.copied_from.volumes == first.copied_from.volumes
    copied = accepted(source.open(), target.open(), first.session, told(target.open(), first.session, 2))
    assert retrieved(target)[copied.session] == SECOND


def test_a_session_that_was_never_ordered_is_ended_and_another_one_begun(places):
    source, target = places
    source.back_up(DISK, FIRST)
    [point] = list_points(source.open())
    order = CopyFrom(source.open(), "memory:", point, READER)
    session = bytes(range(16))
    assert prepare_copy(order, target.open(), session=session).session == session
    other = prepare_copy(order, target.open(), session=session)
    assert other.session != session
    write_task(other, 1)
    assert reprepare(target.open(), other.session).task.copied_from is not None


def test_a_copy_builds_upon_nothing_that_is_avoided(places):
    source, target = places
    first, second = source.back_up(DISK, FIRST), source.back_up(DISK, SECOND)
    whole, _result = copy_by_worker(source, target, first)
    bad = next(pack.pack for pack in whole.packs if not pack.holds_maps)
    order = prepared(source.open(), target.open(), second, avoided_packs=frozenset({bad}))
    assert (order.task.parent, bad in order.task.terms.condemned) == (None, True)
    worker(source.small.store, target.small.store, order)
    copied = accepted(source.open(), target.open(), order.session, told(target.open(), order.session))
    here = target.open()
    assert bad not in {row.pack for row in needed_packs(here, here.access(), copied.volumes)}
    assert retrieved(target)[copied.session] == SECOND


def test_of_two_copies_the_one_that_leads_to_nothing_avoided_is_built_upon(places):
    source, target = places
    first, second = source.back_up(DISK, FIRST), source.back_up(DISK, SECOND)
    whole, _result = copy_by_worker(source, target, first)
    avoided = frozenset(pack.pack for pack in whole.packs if not pack.holds_maps)
    order = prepared(source.open(), target.open(), first, avoided_packs=avoided)
    worker(source.small.store, target.small.store, order)
    again = accepted(source.open(), target.open(), order.session, told(target.open(), order.session))
    assert prepared(source.open(), target.open(), second, avoided_packs=avoided).task.parent == again.session


def test_what_workers_do_not_copy_is_refused(places):
    source, target = places
    source.dump(DUMP, FIRST)
    [stream] = list_points(source.open())
    with pytest.raises(UsageError, match="does not copy point"):
        prepare_copy(CopyFrom(source.open(), "memory:", stream, READER), target.open())


def test_a_point_that_is_deleted_before_the_copy_is_accepted_makes_none(places):
    source, target = places
    point = source.back_up(DISK, FIRST)
    order = prepared(source.open(), target.open(), point)
    worker(source.small.store, target.small.store, order)
    source.delete(point)
    with pytest.raises(NotFoundError):
        accepted(source.open(), target.open(), order.session, told(target.open(), order.session))
    with pytest.raises(NotFoundError):
        prepared(source.open(), target.open(), point, 2, order.session)
    assert list_points(target.open()) == []


def test_a_copy_is_accepted_as_one_and_nothing_else_is(places):
    source, target = places
    order = ordered(source, target, FIRST)
    worker(source.small.store, target.small.store, order)
    result = told(target.open(), order.session)
    with pytest.raises(UsageError, match="is a copy"):
        accept_backup(target.open(), order.session, result)
    assert list_points(target.open()) == []


def test_a_task_of_the_worker_s_own_is_not_believed(places):
    source, target = places
    order = ordered(source, target, FIRST)
    worker(source.small.store, target.small.store, order)
    key = names.task(order.session, 1)
    target.small.store.delete(key)
    here = target.open()
    scratch_of(here, order.session, order.task.owner.kid).write_task(order.task)
    with pytest.raises(IntegrityError, match="not of the appliance"):
        accepted(source.open(), here, order.session, told(here, order.session))
