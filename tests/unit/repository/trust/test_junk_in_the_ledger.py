"""Rule 9.7: junk under a number that the ledger has not reached stops nobody where locks prove that it is junk."""

import hashlib
from datetime import timedelta

import pytest

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.session import open_session
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository, put
from holdfast.testing.strict_store import StrictStore
from tests.faults.immutable_site import KEEP, Site
from tests.faults.world import DISK, FIRST, back_up

JUNK = b"junk, and visible"


def newer(key: str) -> bytes:
    """What says in the clear that it is of a newer structure."""
    body = b"HFOBJT\x00\x02" + key.encode() + bytes(200)
    return body + hashlib.sha256(body).digest()


@pytest.fixture
def site():
    return Site()


def block(seed: int) -> bytes:
    return bytes([seed]) * 1000


def next_number(site, further: int = 0) -> str:
    return names.ledger(site.open().ledger.state.sequence + 1 + further)


def litter(site, key: str, body: bytes = JUNK) -> None:
    """Locked, so that nobody can remove it."""
    site.bucket.put(key, body, retain_until=site.clock() + timedelta(days=3650))


def batches(site):
    return [one.key for one in site.bucket.listed() if one.key.startswith(names.LEDGER)]


@pytest.mark.parametrize("body", [JUNK, newer("ledger"), b""], ids=["junk", "newer", "empty"])
def test_the_next_batch_is_put_over_junk(site, body):
    session = site.back_up(block(1))
    for further in (0, 1, 4, 40):
        litter(site, next_number(site, further), body)
    running, key = site.open(), next_number(site)
    assert running.ledger.damage == []
    other = site.back_up(block(2))
    assert site.restores({session: block(1), other: block(2)})
    open_session(running, "default", "later")
    assert site.open().ledger.damage == []
    assert running.ledger.state.sequence == site.open().ledger.state.sequence
    site.collect()
    site.renew()
    assert key not in {one.object for one in check_repository(site.open(), 100, Silence()).damage}


def test_a_number_behind_which_a_batch_stands_is_no_end(site):
    """Its own versions can be gone where nobody renewed its lock: that is damage, whatever lies there now."""
    site.back_up(block(1))
    key = names.ledger(site.open().ledger.state.sequence)
    site.back_up(block(2))
    site.later(11)
    for one in [one for one in site.bucket.every_version() if one.key == key]:
        site.bucket.delete_version(key, one.id)
    litter(site, key)
    repository = site.open()
    assert [error.objects for error in repository.ledger.damage] == [(key,)]
    with pytest.raises(IntegrityError):
        open_session(repository, "default", "disk")


def test_of_two_that_put_a_batch_over_junk_the_first_counts(site):
    """The slower one hides what the quicker one has written between its look and its marker."""
    litter(site, key := next_number(site))
    quick = site.open()

    class Meanwhile(StrictStore):
        def hide(self, key):
            if not quick.ledger.state.open:
                sessions.append(open_session(quick, "default", "quick").session)
            super().hide(key)

    sessions: list[bytes] = []
    slow = site.open(Meanwhile(site.bucket))
    sessions.append(open_session(slow, "default", "slow").session)
    ledger = site.open().ledger
    assert ledger.damage == []
    assert ledger.state.open.keys() == set(sessions)
    assert ledger.state.sequence == slow.ledger.state.sequence == int(key[-20:]) + 1


class Rotten(StrictStore):
    """What was put under a name comes back changed."""

    def __init__(self, bucket, key):
        super().__init__(bucket)
        self._key = key

    def get(self, key, offset=0, length=None, version=None):
        found = bytes(super().get(key, offset, length, version))
        return found if key != self._key else found[:-1] + bytes([found[-1] ^ 1])


def test_what_does_not_come_as_it_was_put_is_no_junk(site):
    """The newest batch, by a store that tears it: another one in its place would forget a session."""
    session = open_session(site.open(), "default", "disk").session
    key = names.ledger(site.open().ledger.state.sequence)
    torn = site.open(Rotten(site.bucket, key))
    assert [error.objects for error in torn.ledger.damage] == [(key,)]
    before = batches(site)
    with pytest.raises(IntegrityError):
        open_session(torn, "default", "other")
    assert batches(site) == before
    assert session in site.open().ledger.state.open


def test_what_a_marker_hides_and_does_not_come_as_it_was_put_is_no_junk(site):
    session = open_session(site.open(), "default", "disk").session
    key = names.ledger(site.open().ledger.state.sequence)
    StrictStore(site.bucket).hide(key)
    torn = site.open(Rotten(site.bucket, key))
    assert [error.objects for error in torn.ledger.damage] == [(key,)]
    with pytest.raises(IntegrityError):
        open_session(torn, "default", "other")
    assert session in site.open().ledger.state.open


def test_a_batch_of_a_key_epoch_that_is_not_known_is_no_junk(site):
    """That epoch's object may be damaged, or gone: what was written under it would be forgotten without a word."""
    session = site.back_up(block(1))
    last = StrictStore(site.bucket).get(names.ledger(site.open().ledger.state.sequence))
    body = bytes(last[:12]) + (2).to_bytes(4, "big") + bytes(last[16:-32])  # the kid, format section 4
    litter(site, key := next_number(site), body + hashlib.sha256(body).digest())
    repository = site.open()
    assert [error.objects for error in repository.ledger.damage] == [(key, names.epoch(2))]
    with pytest.raises(IntegrityError):
        open_session(repository, "default", "disk")
    assert site.restores({session: block(1)})


class WithoutChecksums(StrictStore):
    """It keeps none."""

    def head(self, key, version=None):
        found = super().head(key, version)
        return type(found)(found.key, found.size_bytes, None, found.version, found.modified, found.locked_until)


class OthersWithoutChecksums(StrictStore):
    """Whoever put junk sent none."""

    def head(self, key, version=None):
        found = super().head(key, version)
        is_ours = not bytes(self.get(key, version=version)).startswith(JUNK)
        return found if is_ours else WithoutChecksums(self.bucket).head(key, version)


def test_what_has_no_checksum_is_junk_where_all_of_ours_have_one(site):
    litter(site, key := next_number(site))
    assert site.open(OthersWithoutChecksums(site.bucket)).ledger.damage == []
    unknown = site.open(WithoutChecksums(site.bucket))
    assert [error.objects for error in unknown.ledger.damage] == [(key,)]


def test_where_nothing_is_locked_junk_stops_who_writes_and_its_cure_says_what_helps():
    """A batch may have stood there: whoever may put here may replace it."""
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    repository = small.open(deterministic_surroundings(2))
    back_up(repository, DISK, FIRST, "s1")
    key = names.ledger(repository.ledger.state.sequence + 1)
    put(small.store, key, JUNK)
    with pytest.raises(IntegrityError) as caught:
        back_up(small.open(deterministic_surroundings(3)), DISK, FIRST, "s2")
    assert caught.value.objects == (key,)
    assert f"remove {key}" in caught.value.cure
    small.store.delete(key)
    back_up(small.open(deterministic_surroundings(4)), DISK, FIRST, "s2")


def test_a_renewal_and_an_old_promise_go_on_beside_junk(site):
    session = site.back_up(block(1), KEEP)
    litter(site, next_number(site))
    assert site.renew().not_renewed == ()
    site.later(9)
    assert site.renew().not_renewed == ()
    assert site.restores({session: block(1)})
