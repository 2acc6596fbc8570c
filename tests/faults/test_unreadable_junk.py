"""Whoever may put objects may put them so that nobody reads them: into an archive class, or under a KMS key of his own.

What lies so over an object, or under a name that comes next, stops no restore.
"""

import dataclasses
import random
from contextlib import suppress

import pytest

from holdfast.domain.errors import IntegrityError, PermissionDeniedError, UnreadableError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import open_session
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.trust.lock_terms import GENERATION
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.strict_bucket import Guise
from tests.faults.immutable_site import Site

FIRST, SECOND, THIRD, FOURTH = (bytes([seed]) * 1000 for seed in (1, 2, 3, 4))
OTHER = b"o" * 16
ROTATED = str.maketrans("0123456789abcdef", "123456789abcdef0")
UNREADABLE = pytest.mark.parametrize("guise", [Guise.COLD, Guise.FOREIGN_KEY, Guise.TOO_LARGE])
# What a check looks at one by one. Scratch, packs and index runs that nothing needs are left-overs.
NAMED = (names.KEYS, names.POINTS, names.PLANS, names.RETIRED, names.TENANTS)
# What may be a record that this party alone must not read: writers stop at it.
STOPS_WRITERS = (names.LEDGER, names.PLANS, names.EPOCHS, names.TENANTS, names.POINTS)


@pytest.fixture(scope="module")
def whole():
    """Two points, a third that is retired, a collection, a renewal, a checkpoint of the ledger, a second key epoch, and
    a session that is open.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ledger_form, "CHECKPOINT_EVERY", 5)
        site = Site()
        site.contents = {site.back_up(FIRST): FIRST, site.back_up(SECOND): SECOND}
        site.retire(site.back_up(THIRD, keep=None))
        site.collect()
        rotate(site.open(), site.secret)
        site.renew()
        open_session(site.open(), DEFAULT_TENANT, "disk")
    return site


@pytest.fixture(scope="module")
def keys(whole):
    found = sorted({one.key for one in whole.bucket.listed()})
    prefixes = (names.CHECKPOINTS, names.EPOCHS, names.PLANS, names.INDEX, names.PACKS, names.POINTS, names.RETIRED)
    assert all(any(key.startswith(prefix) for key in found) for prefix in (*prefixes, names.TENANTS, names.KEYS))
    return found


@UNREADABLE
def test_over_every_object_it_stops_nobody(whole, keys, guise, count_case):
    for key in keys:
        site = whole.copied()
        site.bucket.put(key, b"junk" * 100, guise=guise)
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
def test_between_an_object_and_the_copy_that_a_repair_has_put_over_it_all_it_stops_nobody(
    whole, keys, guise, count_case
):
    """There the newest version is read, and an older one is denied."""
    for key in keys:
        site = whole.copied()
        true = site.bucket.current(key).body
        site.bucket.put(key, b"junk" * 100, guise=guise)
        site.bucket.put(key, true)
        assert renewed(site), key
        assert site.restores(site.contents), key
        site.bucket.put(key, b"readable junk")
        assert not any(one.hurt for one in check_repository(site.open(), 100, Silence()).damage), key
        count_case()


def names_to_come(site, keys):
    """Names of every kind that nothing has: others, those of what lives, and those that come next."""
    live, state = next(iter(site.contents)), site.open().ledger.state
    [running] = state.open
    return {
        *(invented(key) for key in keys if "/" in key),
        names.retired(live),
        names.retired(running),
        *(str(record["point"]) for record in state.open.values()),
        names.checkpoint(state.sequence + 1),
        names.ledger(state.sequence + 1),
        names.ledger(10**20 - 1),
        names.plan(state.plan_epoch + 1),
        names.epoch(3),
        names.acknowledgement(running, 9),
        names.acknowledgement(OTHER, 1),
        names.alive(running, 1),
        names.session_checkpoint(OTHER, 1, 1),
        names.session_checkpoint(running, 1, 1),
    }


def renewed(site):
    """Whether a renewal a week later locks all points on, also where the ledger cannot be told of it."""
    site.later(7)
    with suppress(IntegrityError):
        site.renew()
    locks = site.locks(names.POINTS)
    return all(locks[point.key] >= site.clock() + GENERATION for point in list_points(site.open()))


@UNREADABLE
def test_under_every_other_name_it_stops_no_restore_and_no_renewal(whole, keys, guise, count_case):
    for key in sorted(names_to_come(whole, keys)):
        site = whole.copied()
        site.bucket.put(key, b"junk" * 100, guise=guise)
        assert site.restores(site.contents), key
        found = {one.object for one in check_repository(site.open(), 100, Silence()).damage}
        assert key in found or not key.startswith(NAMED), key
        assert renewed(site), key
        if not key.startswith(STOPS_WRITERS):
            contents = {**site.contents, site.back_up(FOURTH): FOURTH}
            site.later(2)
            site.collect()
            assert site.restores(contents), key
        count_case()


@pytest.mark.parametrize("guise", list(Guise))
def test_under_the_next_plans_name_it_hides_nothing_that_a_collection_moved(guise):
    """What has moved is found by the index runs that the plan before names."""
    site = Site()
    kept, changed = (random.Random(seed).randbytes(BLOCK_SIZE_BYTES) for seed in (1, 2))
    gone = site.back_up(kept + changed, keep=None)
    contents = {site.back_up(kept + FIRST): kept + FIRST}
    site.retire(gone)
    assert site.collect().repacked == 1
    site.later(60)
    assert site.collect().deleted == 2, "data and map"
    plan = newest_plan(site.open().sealed)
    site.bucket.put(names.plan(plan.epoch + 1), b"junk" * 100, guise=guise)
    assert site.restores(contents)


BUT_TOO_LARGE = pytest.mark.parametrize("guise", [Guise.COLD, Guise.FOREIGN_KEY])


@BUT_TOO_LARGE
def test_under_the_ledgers_next_number_it_stops_writers_who_name_it(whole, guise):
    """It may be a record that this party alone must not read: who went on without it would lose what it says."""
    site = whole.copied()
    key = names.ledger(site.open().ledger.state.sequence + 1)
    site.bucket.put(key, b"junk", guise=guise)
    with pytest.raises(UnreadableError) as caught:
        site.back_up(FOURTH)
    assert caught.value.objects == (key,)
    assert site.restores(site.contents)


@BUT_TOO_LARGE
def test_a_delete_marker_makes_it_no_junk_and_its_removal_frees_the_name(whole, guise):
    """Whoever put it can put the marker, too."""
    site = whole.copied()
    key = names.ledger(site.open().ledger.state.sequence + 1)
    version = site.bucket.put(key, b"junk", guise=guise)
    site.bucket.delete(key)
    with pytest.raises(UnreadableError):
        site.back_up(FOURTH)
    assert site.restores(site.contents)
    site.bucket.delete_version(key, version)
    assert site.restores({**site.contents, site.back_up(FOURTH): FOURTH})


@BUT_TOO_LARGE
def test_a_record_that_became_unreadable_is_never_written_over(guise):
    """A lifecycle rule, or another default key of the bucket: hidden by a marker, too, it is damage and no end."""
    site = Site()
    contents = {site.back_up(FIRST): FIRST}
    end = site.open().ledger.state.sequence
    [batch] = [one for one in site.bucket.every_version() if one.key == names.ledger(end)]
    for marker in (False, True):
        site.bucket.change(dataclasses.replace(batch, guise=guise))
        if marker:
            site.bucket.delete(batch.key)
        with pytest.raises(UnreadableError):
            site.back_up(FOURTH)
        assert site.restores(contents)
    assert [one for one in site.bucket.every_version() if one.key > batch.key and one.key < names.ledger(end + 9)] == []


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
