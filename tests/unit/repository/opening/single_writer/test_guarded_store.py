"""Rules 8.3 and 8.5: written once in a store that ignores If-None-Match; what is condemned rests."""

import hashlib

import pytest

from holdfast.domain.errors import (
    IntegrityError,
    LeaseHeldError,
    ObjectExistsError,
    SecondWriterError,
    UnsupportedFormatError,
)
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.checking.scrub import scrub
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import open_session, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.trust.probe import require_conditional_writes
from holdfast.testing.careless_store import CarelessStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import copy_to, make_small_repository, put, restored
from tests.faults.world import DISK, FIRST, SECOND, back_up, collect, volume_of
from tests.unit.repository.opening.single_writer.parties import DAY_SECONDS, Site


@pytest.fixture
def site():
    return Site()


def written(store, key, body=b"mine"):
    store.create(key, body, hashlib.sha256(body).digest())


class Intruding(FaultyStore):
    """Somebody without a lease writes the same name, before or after this party does; told when."""

    def __init__(self, inner, key, *, before=False, body=b"another one's"):
        super().__init__(inner, {})
        self.wanted, self.before, self.body = key, before, body

    def create(self, key, body, sha256, terms=None):
        if key == self.wanted and self.before:
            put(self._inner, key, self.body)
        super().create(key, body, sha256)
        if key == self.wanted and not self.before:
            put(self._inner, key, self.body)


@pytest.mark.parametrize("key", [names.retired(b"r" * 16), names.plan(1), names.ledger(1), names.epoch(2)])
def test_a_name_that_is_taken_is_never_replaced(site, key):
    store = site.open(2).store
    written(store, key)
    with pytest.raises(ObjectExistsError):
        written(store, key, b"other")
    assert store.get(key) == b"mine"


@pytest.mark.parametrize("key", [names.retired(b"r" * 16), names.plan(1), names.ledger(1)])
def test_what_replaces_it_at_the_same_moment_is_a_conflict_by_name(site, key):
    store = site.open(2, Intruding(site.store, key)).store
    with pytest.raises(SecondWriterError, match=key):
        written(store, key)


def test_a_foreign_batch_is_found_at_the_next_append_and_at_the_end(site):
    writer = site.open(2)
    open_session(writer, "default", DISK)
    put(site.store, names.ledger(1), b"another one's")
    with pytest.raises(SecondWriterError, match=names.ledger(1)):
        open_session(writer, "default", DISK)
    with pytest.raises(SecondWriterError, match=names.ledger(1)):
        writer.give_back()
    assert site.claims() == []


def test_two_that_wrote_at_once_on_a_store_that_lists_late_do_not_stay_unseen(site):
    """Neither sees the other one's claim; whatever comes first, an error says so."""

    class ListsLate(FaultyStore):
        def list(self, prefix, start_after=""):
            return iter(()) if prefix == names.LEASES else super().list(prefix, start_after)

    one, two = (site.open(seed, ListsLate(site.store, {})) for seed in (2, 3))
    batches = names.ledger(1)

    class Between(ListsLate):
        def create(self, key, body, sha256, terms=None):
            if key == batches and not two.ledger.state.sequence:
                open_session(two, "default", DISK)  # after this one saw that the name is free
            super().create(key, body, sha256)

    one = site.open(2, Between(site.store, {}))
    open_session(one, "default", DISK)
    with pytest.raises(SecondWriterError, match=batches):
        two.give_back()
    one.give_back()


def test_a_chain_that_two_writers_broke_is_seen_by_whoever_opens_it(site):
    writer = site.open(2)
    open_session(writer, "default", DISK)
    earlier = bytes(site.store.get(names.ledger(1)))
    open_session(writer, "default", DISK)
    writer.give_back()
    other = make_small_repository(CarelessStore(site.clock), deterministic_surroundings(1, site.clock))
    foreign = other.open(deterministic_surroundings(9, site.clock))
    open_session(foreign, "default", DISK)
    put(site.store, names.ledger(1), bytes(foreign.store.get(names.ledger(1))))
    assert bytes(site.store.get(names.ledger(1))) != earlier
    reader = site.open(4)
    assert reader.ledger.damage
    with pytest.raises(IntegrityError):
        open_session(reader, "default", DISK)


def test_nothing_is_deleted_without_the_lease(site):
    writer, other = site.open(2), site.open(3)
    open_session(writer, "default", DISK)
    with pytest.raises(LeaseHeldError):
        other.store.delete(names.CONFIG)
    for key in site.claims():
        site.store.delete(key)
    with pytest.raises(SecondWriterError):
        writer.store.delete(names.CONFIG)
    assert site.store.head(names.CONFIG)


def test_condemned_packs_rest_for_seven_days_however_many_plans_follow(site):
    writer = site.open(2)
    gone = back_up(writer, DISK, FIRST, "s1").finished.manifest
    back_up(writer, DISK, SECOND, "s2")
    (point,) = [one for one in list_points(writer) if one.session == gone.session]
    retire(writer, point.session, point.key)
    packs = {info.key for info in site.store.list(names.PACKS)}
    first = collect(writer)
    assert (first.condemned > 0, first.deleted, first.kept) == (True, 0, first.condemned)
    for day in range(6):
        site.clock.step(DAY_SECONDS)
        newest = volume_of(20 + day, 40 + day)
        back_up(writer, DISK, newest, f"day {day}")
        older = list_points(writer)[-2]
        retire(writer, older.session, older.key)
        assert collect(writer).deleted == 0
    site.clock.step(DAY_SECONDS + 10)
    last = collect(writer)
    assert first.condemned <= last.deleted
    assert last.kept > 0  # what later plans condemned
    assert len(packs & {info.key for info in site.store.list(names.PACKS)}) < len(packs)
    assert restored(writer, list_points(writer)[-1]) == newest.content
    assert check_repository(writer, 100, Silence()).damage == ()


@pytest.mark.parametrize(("first_ahead", "second_ahead"), [(-30, 0), (0, 30), (30, 30), (-30, 30)])
def test_they_rest_whatever_clock_the_machines_have_that_publish_and_sweep(site, first_ahead, second_ahead):
    writer = site.open(2)
    gone = back_up(writer, DISK, FIRST, "s1").finished.manifest
    back_up(writer, DISK, volume_of(7, 8), "s2")
    (point,) = [one for one in list_points(writer) if one.session == gone.session]
    retire(writer, point.session, point.key)
    writer.give_back()
    publisher, _ = site.open_by(3, first_ahead * DAY_SECONDS)
    condemned = collect(publisher).condemned
    assert condemned
    publisher.give_back()
    site.clock.step(60)
    sweeper, _ = site.open_by(4, second_ahead * DAY_SECONDS)
    swept = collect(sweeper)
    assert (swept.deleted, swept.kept) == (0, condemned)


def test_a_repository_whose_store_lost_conditional_writes_is_not_collected():
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1))
    careless = copy_to(CarelessStore(), small.store)
    repository = small.open(deterministic_surroundings(2), careless)
    before = [info.key for info in careless.list("")]
    with pytest.raises(UnsupportedFormatError, match="does not keep write-once promises any more"):
        collect(repository)
    assert [info.key for info in careless.list("")] == before


def test_the_probe_asks_nothing_in_single_writer_mode(site):
    counting = FaultyStore(site.store, {})
    require_conditional_writes(counting, deterministic_surroundings(2), site.open(2).config)
    assert counting.requests == ()


def test_a_scrub_knows_claims(site):
    open_session(site.open(2), "default", DISK)
    surroundings = deterministic_surroundings(3)
    assert scrub(site.store, surroundings, 100, Silence()).damage == ()
    (key,) = site.claims()
    body = bytearray(site.store.get(key))
    body[100] ^= 1
    put(site.store, key, bytes(body))
    assert [one.object for one in scrub(site.store, surroundings, 100, Silence()).damage] == [key]
