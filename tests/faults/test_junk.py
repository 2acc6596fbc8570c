"""Junk under the ledger's next numbers: a backup that goes past it is cut off anywhere, and another one goes on."""

import contextlib
from datetime import timedelta

import pytest

from holdfast.domain.errors import HoldfastError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.faulty_store import FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from tests.faults.immutable_site import Site
from tests.faults.mishaps import befallen, mishaps, share

FIRST, SECOND, THIRD = (bytes([seed]) * 1000 for seed in (1, 2, 3))
SHARE = 7


@pytest.fixture(scope="module")
def littered():
    """A point, and locked junk under the next ten numbers: more than a backup writes."""
    site = Site()
    site.contents = {site.back_up(FIRST): FIRST}
    end = site.open().ledger.state.sequence
    for number in range(end + 1, end + 11):
        site.bucket.put(names.ledger(number), b"junk", retain_until=site.clock() + timedelta(days=3650))
    return site


def backed_up(site, store, content):
    source = MemorySource(MemoryVolume.of(content))
    report = backup_volume(site.open(store), source, BackupOrder("disk"), Silence())
    return report.finished.manifest.session


def requests_of(site):
    other = site.copied()
    store = FaultyStore(other.store, {})
    backed_up(other, store, SECOND)
    return store.requests


def test_who_comes_after_a_backup_that_was_cut_off_goes_on(littered, count_crash_point):
    asked = [one for one in requests_of(littered) if one.key.startswith(names.LEDGER) and one.kind != "list"]
    assert {"hide", "create", "versions", "head", "get"} <= {one.kind for one in asked}
    for request, mishap in share(mishaps(asked), SHARE):
        site = littered.copied()
        try:
            with contextlib.suppress(SimulatedCrash, HoldfastError):
                backed_up(site, befallen(site.store, request, mishap), SECOND)
            assert site.restores(site.contents)
            after = site.open()
            assert after.ledger.damage == []
            backed_up(site, site.store, THIRD)
            points = list_points(site.open())
            assert len(points) in (2, 3)
            damaged = {one.object for one in check_repository(site.open(), 100, Silence()).damage}
            assert all(int(key.removeprefix(names.LEDGER)) > site.open().ledger.state.sequence for key in damaged)
        except BaseException as error:
            error.add_note(f"{mishap.name} at {request}")
            raise
        count_crash_point()
