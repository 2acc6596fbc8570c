"""Packs that nothing needs: which may be condemned, which are left alone, and which are too young to pay off."""

import dataclasses
from datetime import timedelta

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import NeedsRetrievalError, PermissionDeniedError
from holdfast.repository.format import names
from holdfast.repository.format.pack import PackHeader
from holdfast.repository.format.plan import NO_PLAN
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.planning import DeadPacks, Findings, dead_packs
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import make_small_repository, put

SESSION, PACK = b"s" * 16, b"p" * 16
NONE: frozenset[bytes] = frozenset()


class Cold(FaultyStore):
    """Of packs nothing is read before it is retrieved."""

    def get(self, key, offset=0, length=None, version=None):
        if key.startswith(names.PACKS):
            raise NeedsRetrievalError(key, why="it is cold", cure="wait")
        return super().get(key, offset, length, version)


class Foreign(FaultyStore):
    """Packs are put under a KMS key of another account."""

    def get(self, key, offset=0, length=None, version=None):
        if key.startswith(names.PACKS):
            raise PermissionDeniedError(key, why="AccessDenied", cure="ask for the key")
        return super().get(key, offset, length, version)


class Place:
    """A repository in whose store one pack stands."""

    def __init__(self, *, holds_maps=False):
        self.clock = SteppableClock()
        self.store = MemoryStore(clock=self.clock)
        self.small = make_small_repository(self.store, deterministic_surroundings(1, self.clock))
        header = PackHeader(holds_maps, 1, bytes(16), SESSION, PACK, bytes(32))
        put(self.store, names.pack(PACK), header.encode() + bytes(100))

    def dead(self, *, opened=NONE, needed=NONE, store=None, archive_class=None, plan=NO_PLAN):
        repository = self.small.open(deterministic_surroundings(2, self.clock), store)
        config = dataclasses.replace(repository.config, archive_class=archive_class)
        found = Findings(plan, {}, needed, StandingPacks(self.store), opened, NONE, NONE)
        return dead_packs(dataclasses.replace(repository, config=config), found)


IT = frozenset({PACK})
DEAD, YOUNG, UNFINISHED = DeadPacks(IT, NONE, NONE), DeadPacks(NONE, IT, NONE), DeadPacks(NONE, NONE, IT)
LEFT_ALONE = DeadPacks(NONE, NONE, NONE)


def test_what_nothing_needs_is_dead_once_its_session_has_ended():
    place = Place()
    assert place.dead() == place.dead(opened=frozenset({b"t" * 16})) == DEAD
    assert place.dead(opened=frozenset({SESSION})) == UNFINISHED
    assert place.dead(needed=frozenset({PACK})) == LEFT_ALONE
    plan = dataclasses.replace(NO_PLAN, epoch=1, condemned=frozenset({PACK}))
    assert place.dead(plan=plan) == LEFT_ALONE, "it was condemned before"


def test_a_pack_whose_header_is_damaged_says_not_whose_it_is():
    place = Place()
    put(place.store, names.pack(PACK), bytes(200))
    assert place.dead() == LEFT_ALONE


def test_a_cold_pack_is_dead_when_no_session_is_open():
    place = Place()
    assert place.dead(store=Cold(place.store, {})) == DEAD
    assert place.dead(store=Cold(place.store, {}), opened=frozenset({b"t" * 16})) == UNFINISHED


def test_a_pack_that_somebody_has_put_under_a_key_of_his_own_is_left_alone():
    place = Place()
    assert place.dead(store=Foreign(place.store, {})) == LEFT_ALONE


@pytest.mark.parametrize("archive_class", ArchiveClass)
def test_a_pack_of_data_in_an_archive_is_young_for_the_least_time_of_its_class(archive_class):
    place = Place()
    for store in (None, Cold(place.store, {})):
        assert place.dead(archive_class=archive_class, store=store) == YOUNG
    place.clock.step((archive_class.least_storage - timedelta(minutes=1)).total_seconds())
    assert place.dead(archive_class=archive_class) == YOUNG
    place.clock.step(120)
    assert place.dead(archive_class=archive_class) == DEAD


def test_a_pack_of_maps_is_never_young():
    assert Place(holds_maps=True).dead(archive_class=ArchiveClass.GLACIER) == DEAD
