"""What others have hidden is brought back by a repair that is cut off at each write: another one finishes it."""

import contextlib

import pytest

from holdfast.domain.errors import HoldfastError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from tests.faults.immutable_site import Site

CONTENT = b"content" * 100


@pytest.fixture(scope="module")
def hidden():
    """A point, under a marker, under junk, or under both."""
    site = Site()
    site.contents = {site.back_up(CONTENT): CONTENT}
    for number, one in enumerate(site.bucket.listed()):
        if one.key.startswith(names.SESSIONS):
            continue
        if number % 3:
            site.bucket.put(one.key, b"junk")
        if number % 3 != 1:
            site.bucket.delete(one.key)
    return site


def mended(site, store):
    return repair(site.open(store), none, Silence())


def requests_of(site):
    store = FaultyStore(site.copied().store, {})
    mended(site, store)
    return store.requests


@pytest.mark.parametrize("fault", list(Fault))
def test_another_one_finishes_what_was_cut_off(hidden, fault, count_case):
    writing = [one for one in requests_of(hidden) if one.kind in ("reinstate", "create")]
    for request in writing[list(Fault).index(fault) :: len(Fault)]:  # each request meets one of the faults
        site = hidden.copied()
        with contextlib.suppress(SimulatedCrash, HoldfastError):
            mended(site, FaultyStore(site.store, {request.number: fault}))
        assert site.restores(site.contents)
        assert mended(site, site.store).left == ()
        assert check_repository(site.open(), 100, Silence()).damage == ()
        count_case()
