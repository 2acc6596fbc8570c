"""The contract of archive classes over the store in this process and over S3 as the lab has it."""

import itertools
import json
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import NeedsRetrievalError
from holdfast.patience import Waiting
from holdfast.repository.object_store import Coldness, ObjectStore
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.stores.s3.store import S3Store
from holdfast.signed_http.transport import CurlTransport
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.cold_store_contract import BODY, HOUR_SECONDS, KEY, ColdStoreContract, coldness, put_cold
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.faulty_store import Fault, FaultyStore
from holdfast.testing.object_store_contract import ObjectStoreContract
from holdfast.testing.strict_bucket import StrictBucket
from holdfast.testing.strict_store import StrictStore
from tests.labs import start_lab

_bucket_numbers = itertools.count()


@pytest.fixture
def clock() -> SteppableClock:
    return SteppableClock()


class TestColdStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, clock) -> ObjectStore:
        return ColdStore(MemoryStore(), clock)


class TestArchiveClassesInThisProcess(ColdStoreContract):
    @pytest.fixture
    def store(self, clock) -> ObjectStore:
        return ColdStore(MemoryStore(), clock)

    @pytest.fixture
    def advance(self, clock) -> Callable[[float], None]:
        return clock.step


class TestArchiveClassesOfVersions(TestArchiveClassesInThisProcess):
    @pytest.fixture
    def store(self, clock) -> ObjectStore:
        return ColdStore(StrictStore(StrictBucket(clock)), clock)


class TestArchiveClassesWhereAnswersAreLost(TestArchiveClassesInThisProcess):
    @pytest.fixture
    def store(self, clock) -> ObjectStore:
        plan = dict.fromkeys(range(0, 2000, 2), Fault.LOST_ANSWER)
        return RetryingStore(
            FaultyStore(ColdStore(MemoryStore(), clock), plan), waiting=Waiting(sleep=lambda seconds: None)
        )


@pytest.fixture(scope="module")
def lab() -> Iterator[str]:
    with start_lab() as lab:
        yield lab.endpoint


class TestArchiveClassesOfTheLab(ColdStoreContract):
    @pytest.fixture
    def store(self, lab) -> Iterator[ObjectStore]:
        bucket = f"cold-{next(_bucket_numbers)}"
        session = AwsSession("us-east-1")
        session.client("s3", endpoint=lab).create_bucket(Bucket=bucket)
        store = S3Store(S3Location(bucket, "p", "us-east-1", lab), session, CurlTransport())
        yield store
        store.close()

    def test_what_a_marker_hides_is_retrieved_and_read(self, store, lab, advance):
        client = AwsSession("us-east-1").client("s3", endpoint=lab)
        bucket = store.location.split("/")[2]
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        put_cold(store, ArchiveClass.DEEP_ARCHIVE)
        client.delete_object(Bucket=bucket, Key=f"p/{KEY}")
        assert coldness(store) == Coldness()
        with pytest.raises(NeedsRetrievalError):
            store.get(KEY)
        store.retrieve(KEY, 1, Tier.STANDARD)
        advance(13 * HOUR_SECONDS)
        assert bytes(store.get(KEY)) == BODY

    @pytest.fixture
    def advance(self, lab) -> Callable[[float], None]:
        def pass_by(seconds: float) -> None:
            body = json.dumps({"advance_seconds": seconds}).encode()
            urllib.request.urlopen(urllib.request.Request(f"{lab}/_lab/clock", body), timeout=60).close()

        return pass_by


class TestArchiveClassesOfVersionsInTheLab(TestArchiveClassesOfTheLab):
    @pytest.fixture
    def store(self, lab) -> Iterator[ObjectStore]:
        bucket = f"cold-{next(_bucket_numbers)}"
        session = AwsSession("us-east-1")
        client = session.client("s3", endpoint=lab)
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        store = S3Store(S3Location(bucket, "p", "us-east-1", lab), session, CurlTransport())
        yield store
        store.close()
