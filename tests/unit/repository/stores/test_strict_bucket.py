"""The rules of S3 that Object Lock rests on, as AWS documents them, and what a store makes of them."""

import hashlib
from datetime import timedelta

import pytest

from holdfast.domain.errors import IntegrityError, ObjectExistsError, PermissionDeniedError, UsageError
from holdfast.repository.object_store import StorageTerms
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.object_store_contract import keys, put
from holdfast.testing.strict_bucket import StrictBucket
from holdfast.testing.strict_store import StrictStore

DAY = timedelta(days=1)


@pytest.fixture
def clock():
    return SteppableClock()


@pytest.fixture
def bucket(clock):
    return StrictBucket(clock)


@pytest.fixture
def store(bucket):
    return StrictStore(bucket)


def locked(bucket, clock, key="k", body=b"1", days=2):
    return bucket.put(key, body, retain_until=clock() + days * DAY)


def test_a_lock_holds_the_version_until_its_date(bucket, clock):
    version = locked(bucket, clock)
    with pytest.raises(PermissionDeniedError):
        bucket.delete_version("k", version)
    clock.step(2 * 86400)
    bucket.delete_version("k", version)
    assert bucket.every_version() == []


def test_a_plain_delete_of_what_is_locked_puts_a_marker_on_it(bucket, clock):
    version = locked(bucket, clock)
    bucket.delete("k")
    assert bucket.current("k") is None
    assert bucket.listed() == []
    assert bucket.version("k", version).body == b"1"


def test_if_none_match_looks_at_the_current_version_alone(bucket, clock):
    locked(bucket, clock)
    with pytest.raises(ObjectExistsError):
        bucket.put("k", b"2", if_none_match=True)
    bucket.delete("k")
    bucket.put("k", b"2", if_none_match=True)
    assert bucket.current("k").body == b"2"


def test_a_lock_keeps_no_new_version_off(bucket, clock):
    locked(bucket, clock)
    bucket.put("k", b"2")
    assert bucket.current("k").body == b"2"


def test_a_lock_is_extended_and_never_shortened(bucket, clock):
    version = locked(bucket, clock)
    bucket.retain("k", version, clock() + 3 * DAY)
    with pytest.raises(PermissionDeniedError):
        bucket.retain("k", version, clock() + DAY)
    with pytest.raises(UsageError):
        bucket.retain("k", version, clock() - DAY)


def test_a_wrong_checksum_is_refused(bucket):
    with pytest.raises(IntegrityError):
        bucket.put("k", b"1", sha256=bytes(32))


def test_a_bucket_may_lock_by_itself(clock):
    bucket = StrictBucket(clock, default_lock=DAY)
    store = StrictStore(bucket)
    put(store, "k")
    assert not store.delete("k")
    assert store.protection().default_lock


def test_what_a_marker_hides_is_read_all_the_same(store, bucket, clock):
    put(store, "k", b"1")
    bucket.delete("k")
    assert keys(store) == []
    assert bytes(store.get("k")) == b"1"
    assert store.head("k").size_bytes == 1


def test_deleting_frees_every_version_and_marker(store, bucket):
    put(store, "k", b"1")
    bucket.delete("k")
    bucket.put("k", b"2")
    assert store.delete("k")
    assert bucket.every_version() == []


def test_what_is_held_is_read_as_before(store, bucket, clock):
    store.create("k", b"1", put_sum(b"1"), StorageTerms(retain_until=clock() + DAY))
    bucket.put("k", b"forged")
    bucket.delete("k")
    assert not store.delete("k")
    assert [one.body for one in bucket.every_version()] == [b"1"]
    assert bytes(store.get("k")) == b"1"


def put_sum(body):

    return hashlib.sha256(body).digest()
