"""A renewal of locks, cut off at every request and beside everything else: another one finishes it."""

import contextlib

import pytest

from holdfast.domain.errors import HoldfastError
from holdfast.repository.progress import Silence
from holdfast.repository.upkeep.renewal.renew import renew_locks
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.misleading_store import Lie
from tests.faults.immutable_site import Site
from tests.faults.mishaps import befallen, mishaps
from tests.faults.test_interleaving import MeanwhileStore

CONTENTS = [bytes([number]) * 1000 for number in range(1, 4)]


@pytest.fixture(scope="module")
def begun():
    """Two points of one promise that share packs, one without, one that was retired; nine days later."""
    site = Site()
    site.contents = {site.back_up(content): content for content in CONTENTS[:2]}
    site.contents[site.back_up(CONTENTS[2], keep=None)] = CONTENTS[2]
    site.retire(site.back_up(b"gone", keep=None))
    site.later(9)
    return site


def renew(site, store):
    return renew_locks(site.open(store), Silence())


def requests_of(site):
    store = FaultyStore(site.copied().store, {})
    renew(site, store)
    return store.requests


def everything_is_locked(site):
    """Another run does what is left, then nothing is short; after an attack nine days later every point restores."""
    renew(site, site.store)
    assert renew(site, site.store).extended <= 1  # the batch of the ledger that tells of the one before
    site.later(9)
    site.attack()
    assert site.restores(site.contents)


@pytest.mark.parametrize("mishap", [*Fault, *Lie])
def test_another_one_finishes_what_was_cut_off_or_lied_to(begun, mishap, count_crash_point):
    for request, one in mishaps(requests_of(begun)):
        if one is mishap:
            site = begun.copied()
            with contextlib.suppress(SimulatedCrash, HoldfastError):
                renew(site, befallen(site.store, request, mishap))
            everything_is_locked(site)
            count_crash_point()


def collect(site):
    site.collect()


def back_up(site):
    site.contents = {**site.contents, site.back_up(CONTENTS[0] + CONTENTS[2]): CONTENTS[0] + CONTENTS[2]}


def attack(site):
    site.attack()


@pytest.mark.parametrize("meanwhile", [collect, back_up, attack])
def test_beside_others(begun, meanwhile, count_case):
    for request in requests_of(begun):
        site = begun.copied()
        renew(site, MeanwhileStore(site.store, request.number, lambda site=site: meanwhile(site)))
        everything_is_locked(site)
        count_case()
