"""The contract of object stores over every store that Holdfast has, bare and wrapped."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest

from holdfast.patience import Waiting
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.stores.s3.store import S3Store
from holdfast.repository.stores.stoppable import StoppableStore
from holdfast.signed_http.transport import CurlTransport
from holdfast.testing.faulty_store import Fault, FaultyStore
from holdfast.testing.object_store_contract import ObjectStoreContract
from holdfast.testing.server_processes import moto_server
from holdfast.testing.strict_bucket import StrictBucket
from holdfast.testing.strict_store import StrictStore

_bucket_numbers = itertools.count()


def all_wrappers(store: ObjectStore) -> ObjectStore:
    return StoppableStore(RetryingStore(CountingStore(store, RequestCounts())), lambda: False)


def losing_answers(store: ObjectStore) -> ObjectStore:
    """Every second request is done and its answer lost; patience must make that invisible."""
    plan = dict.fromkeys(range(0, 2000, 2), Fault.LOST_ANSWER)
    return RetryingStore(FaultyStore(store, plan), waiting=Waiting(sleep=lambda seconds: None))


@pytest.fixture(params=[lambda store: store, all_wrappers], ids=["bare", "wrapped"])
def wrap(request) -> Callable[[ObjectStore], ObjectStore]:
    return request.param


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, wrap) -> ObjectStore:
        return wrap(MemoryStore())


class TestMemoryStoreThatLosesAnswers(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return losing_answers(MemoryStore())


class TestStrictStore(ObjectStoreContract):
    """A bucket as AWS documents it."""

    @pytest.fixture(params=[True, False], ids=["locks", "plain"])
    def store(self, request, wrap) -> ObjectStore:
        return wrap(StrictStore(StrictBucket(self.now, versions=request.param, locks=request.param)))


class TestDirectoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, wrap, tmp_path) -> ObjectStore:
        return wrap(DirectoryStore(tmp_path / "not yet" / "repository"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def plain_client(server) -> Any:
    return botocore.session.Session().create_client("s3", endpoint_url=server)


@pytest.fixture(scope="module")
def session() -> AwsSession:
    return AwsSession("us-east-1")


@pytest.fixture(scope="module")
def transport() -> Iterator[CurlTransport]:
    transport = CurlTransport()
    yield transport
    transport.close()


class TestS3Store(ObjectStoreContract):
    strict_locks = atomic_creation = False  # moto

    @pytest.fixture(
        params=[("", lambda store: store, False), ("some/prefix", all_wrappers, True)],
        ids=["bare", "prefix-wrapped-locks"],
    )
    def store(self, request, server, plain_client, session, transport) -> ObjectStore:
        prefix, wrap, locks = request.param
        bucket = f"bucket-{next(_bucket_numbers)}"
        plain_client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=locks)
        if prefix:
            plain_client.put_object(Bucket=bucket, Key="another-prefix/x", Body=b"not ours")
        return wrap(S3Store(S3Location(bucket, prefix, "us-east-1", server), session, transport))
