"""Whoever may put objects may put them so that nobody reads them: into an archive class, or under a KMS key of his own.

What lies so over an object, or under a name that comes next, stops no restore.
"""

import pytest

from holdfast.domain.errors import IntegrityError, PermissionDeniedError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.stores.passing import PassingStore
from holdfast.testing.strict_bucket import Guise
from tests.faults.immutable_site import Site

FIRST, SECOND, THIRD, FOURTH = (bytes([seed]) * 1000 for seed in (1, 2, 3, 4))
ROTATED = str.maketrans("0123456789abcdef", "123456789abcdef0")
UNREADABLE = pytest.mark.parametrize("guise", [Guise.COLD, Guise.FOREIGN_KEY])


@pytest.fixture(scope="module")
def whole():
    """Two points, a third that is retired, a collection, and a renewal."""
    site = Site()
    site.contents = {site.back_up(FIRST): FIRST, site.back_up(SECOND): SECOND}
    site.retire(site.back_up(THIRD, keep=None))
    site.collect()
    site.renew()
    return site


@pytest.fixture(scope="module")
def keys(whole):
    return sorted({one.key for one in whole.bucket.listed()})


@UNREADABLE
def test_over_every_object_it_stops_nobody(whole, keys, guise, count_case):
    for key in keys:
        site = whole.copied()
        site.bucket.put(key, b"junk", guise=guise)
        assert site.restores(site.contents), key
        report = check_repository(site.open(), 100, Silence())
        assert {one.object for one in report.damage} == {key}
        assert not any(one.hurt for one in report.damage), key
        contents = {**site.contents, site.back_up(FOURTH): FOURTH}
        site.renew()
        site.collect()
        assert site.restores(contents), key
        count_case()


@UNREADABLE
def test_under_every_other_name_it_stops_no_restore_and_a_check_names_it(whole, keys, guise, count_case):
    for key in {invented(key) for key in keys if "/" in key}:
        site = whole.copied()
        site.bucket.put(key, b"junk", guise=guise)
        assert site.restores(site.contents), key
        if not key.startswith((names.LEDGER, names.PLANS)):
            site.collect()
        found = {one.object for one in check_repository(site.open(), 100, Silence()).damage}
        assert key in found or not key.startswith((names.KEYS, names.POINTS, names.LEDGER, names.PLANS, names.RETIRED))
        count_case()


@UNREADABLE
def test_under_the_ledgers_next_number_it_stops_writers_who_name_it(whole, guise):
    """It may be a record that this party alone must not read: who went on without it would lose what it says."""
    site = whole.copied()
    key = names.ledger(site.open().ledger.state.sequence + 1)
    site.bucket.put(key, b"junk", guise=guise)
    with pytest.raises(IntegrityError) as caught:
        site.back_up(FOURTH)
    assert caught.value.objects == (key,)
    assert site.restores(site.contents)


@UNREADABLE
def test_under_a_delete_marker_it_stops_nobody(whole, guise):
    site = whole.copied()
    key = names.ledger(site.open().ledger.state.sequence + 1)
    site.bucket.put(key, b"junk", guise=guise)
    site.bucket.delete(key)
    assert site.restores({**site.contents, site.back_up(FOURTH): FOURTH})


@pytest.mark.parametrize("percent", [None, 100])
def test_credentials_that_expire_meanwhile_are_no_damage(whole, percent):
    store = Expiring(whole.copied().store)
    repository = whole.open(store)
    store.expired = True
    with pytest.raises(PermissionDeniedError):
        check_repository(repository, percent, Silence())


class Expiring(PassingStore):
    """Nothing is read any more when the credentials have `expired`."""

    expired = False

    def get(self, key, offset=0, length=None, version=None):
        if self.expired:
            raise PermissionDeniedError(f"{key} was refused", why="ExpiredToken", cure="renew the session")
        return super().get(key, offset, length, version)


def invented(key):
    """A name of the same kind that nothing has: another id, or the third number from there."""
    folder, _slash, last = key.rpartition("/")
    other = f"{int(last) + 3:0{len(last)}}" if last.isdigit() else last.translate(ROTATED)
    return names.pack(bytes.fromhex(other)) if key.startswith(names.PACKS) else f"{folder}/{other}"
