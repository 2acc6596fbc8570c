"""What others have hidden is brought back by a repair that is cut off at each write: another one finishes it."""

import contextlib

import pytest

from holdfast.domain.errors import HoldfastError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.testing.faulty_store import FaultyStore, SimulatedCrash
from tests.faults.immutable_site import Site
from tests.faults.mishaps import befallen, mishaps, share

CONTENT = b"content" * 100
SHARE = 17


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


def test_another_one_finishes_what_was_cut_off(hidden, count_crash_point):
    for request, mishap in share(mishaps(requests_of(hidden)), SHARE):
        site = hidden.copied()
        try:
            with contextlib.suppress(SimulatedCrash, HoldfastError):
                mended(site, befallen(site.store, request, mishap))
            assert site.restores(site.contents)
            assert mended(site, site.store).left == ()
            assert check_repository(site.open(), 100, Silence()).damage == ()
        except BaseException as error:
            error.add_note(f"{mishap.name} at {request}")
            raise
        count_crash_point()
