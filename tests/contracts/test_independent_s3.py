"""The S3 store against a server that is neither moto nor ours, and that keeps to Object Lock."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import botocore.session
import pytest

from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.object_store import ObjectStore, StorageTerms
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.stores.s3.store import S3Store
from holdfast.signed_http.transport import CurlTransport
from holdfast.testing.object_store_contract import ObjectStoreContract, keys, put
from holdfast.testing.server_processes import ministack_server

_bucket_numbers = itertools.count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ministack_server() as url:
        yield url


@pytest.fixture(scope="module")
def plain_client(endpoint) -> Any:
    return botocore.session.Session().create_client("s3", endpoint_url=endpoint, region_name="us-east-1")


@pytest.fixture
def store(endpoint, plain_client) -> Iterator[ObjectStore]:
    bucket = f"bucket-{next(_bucket_numbers)}"
    plain_client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    store = S3Store(S3Location(bucket, "p", "us-east-1", endpoint), AwsSession("us-east-1"), CurlTransport())
    yield store
    store.close()


class TestLocks:
    """Those parts of the contract that versions and locks touch."""

    strict_locks = atomic_creation = True
    now = ObjectStoreContract.now
    test_no_object_is_written_twice = ObjectStoreContract.test_no_object_is_written_twice
    test_one_of_many_writers_wins = ObjectStoreContract.test_one_of_many_writers_wins
    test_what_is_deleted_is_gone = ObjectStoreContract.test_what_is_deleted_is_gone
    test_what_was_deleted_has_no_version_left = ObjectStoreContract.test_what_was_deleted_has_no_version_left
    test_a_version_is_read_by_its_name = ObjectStoreContract.test_a_version_is_read_by_its_name
    test_a_lock_is_kept_or_refused = ObjectStoreContract.test_a_lock_is_kept_or_refused


def test_what_a_delete_marker_hides_is_read_and_deleted(store, plain_client):
    put(store, "packs/aa/1", b"some bytes")
    bucket = store.location.split("/")[2]
    plain_client.delete_object(Bucket=bucket, Key="p/packs/aa/1")
    assert keys(store) == []
    assert bytes(store.get("packs/aa/1", 5, 5)) == b"bytes"
    assert store.head("packs/aa/1").size_bytes == 10
    assert store.delete("packs/aa/1")
    left = plain_client.list_object_versions(Bucket=bucket)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")


def test_what_was_put_over_an_object_is_brought_under_it(store, plain_client):
    """Two markers are taken away; over another version comes a copy, locked as it is asked for."""
    put(store, "packs/aa/1", b"some bytes")
    bucket, until = store.location.split("/")[2], ObjectStoreContract().now() + timedelta(days=2)
    [good] = store.versions("packs/aa/1")
    assert good.version is not None
    for _twice in range(2):
        plain_client.delete_object(Bucket=bucket, Key="p/packs/aa/1")
    assert [one.shown for one in store.versions("")] == [False]
    store.reinstate("packs/aa/1", good.version)
    assert list(store.versions("")) == [good]
    assert "DeleteMarkers" not in plain_client.list_object_versions(Bucket=bucket)
    plain_client.put_object(Bucket=bucket, Key="p/packs/aa/1", Body=b"junk")
    for _twice in range(2):
        store.reinstate("packs/aa/1", good.version, StorageTerms(retain_until=until))
    assert bytes(store.get("packs/aa/1")) == b"some bytes"
    assert store.head("packs/aa/1").locked_until is not None
    assert [one.size_bytes for one in store.versions("")] == [10, 4, 10]
    assert keys(store) == ["packs/aa/1"]


def test_what_was_put_before_the_bucket_had_versions_is_deleted_all_the_same(endpoint, plain_client):
    bucket = f"bucket-{next(_bucket_numbers)}"
    plain_client.create_bucket(Bucket=bucket)
    store = S3Store(S3Location(bucket, "p", "us-east-1", endpoint), AwsSession("us-east-1"), CurlTransport())
    put(store, "keys/aa", b"opens all")
    put(store, "keys/bb", b"stays")
    plain_client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert store.delete("keys/aa")
    assert keys(store) == ["keys/bb"]
    with pytest.raises(ObjectNotFoundError):
        store.get("keys/aa")
    left = plain_client.list_object_versions(Bucket=bucket, Prefix="p/keys/aa")
    assert "Versions" not in left
    assert "DeleteMarkers" not in left
    store.close()
