"""The contract of jobs that retrieve, over the simulated ones and S3 Batch Operations of the lab."""

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import NotFoundError
from holdfast.repository.object_store import ObjectStore, StorageTerms
from holdfast.repository.retrieval_jobs import RetrievalJobs
from holdfast.repository.stores.location import open_retrieval_jobs, open_store
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.simulated_jobs import SimulatedJobs
from tests.labs import start_lab

TRUST = {"Effect": "Allow", "Principal": {"Service": "batchoperations.s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
RIGHTS = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:RestoreObject"], "Resource": "arn:aws:s3:::bucket/*"}
PACKS = ("packs/00/a", "packs/01/b with a space,and more")
LIST = f"sessions/{'ab' * 16}/retrieval"


class Simulated:
    def __init__(self) -> None:
        self.clock = SteppableClock()
        self.store = ColdStore(MemoryStore(self.clock), self.clock)
        self.jobs: RetrievalJobs = SimulatedJobs(self.store, self.clock)

    def step(self, seconds: float) -> None:
        self.clock.step(seconds)

    def now(self) -> datetime:
        return self.clock()


class InLab:
    def __init__(self, endpoint: str, role: str, name: str) -> None:
        self._endpoint = endpoint
        place = f"s3://bucket/{name}"
        self.store: ObjectStore = open_store(place)
        jobs = open_retrieval_jobs(place, role)
        assert jobs is not None
        self.jobs = jobs

    def step(self, seconds: float) -> None:
        self._clock({"advance_seconds": seconds})

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock({"advance_seconds": 0})["now"], UTC)

    def _clock(self, words: dict[str, float]) -> dict[str, float]:
        request = urllib.request.Request(f"{self._endpoint}/_lab/clock", json.dumps(words).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, float] = json.load(answer)
            return found


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[str, str]]:
    with start_lab() as lab:
        boto3.client("s3", endpoint_url=lab.endpoint, region_name="us-east-1").create_bucket(Bucket="bucket")
        iam = boto3.client("iam", endpoint_url=lab.endpoint, region_name="us-east-1")
        document = {"Version": "2012-10-17", "Statement": [TRUST]}
        role = iam.create_role(RoleName="retrieves", AssumeRolePolicyDocument=json.dumps(document))["Role"]
        rights = json.dumps({"Version": "2012-10-17", "Statement": [RIGHTS]})
        iam.put_role_policy(RoleName="retrieves", PolicyName="p", PolicyDocument=rights)
        yield lab.endpoint, role["Arn"]


@pytest.fixture(params=["simulated", "lab"])
def cold(request, monkeypatch) -> Simulated | InLab:
    if request.param == "simulated":
        return Simulated()
    endpoint, role = request.getfixturevalue("lab")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    return InLab(endpoint, role, request.node.name)


def put(cold, archive_class=ArchiveClass.GLACIER):
    for key in PACKS:
        body = key.encode()
        cold.store.create(key, body, hashlib.sha256(body).digest(), StorageTerms(archive_class))


def coldness(cold):
    return [cold.store.head(key).coldness for key in PACKS]


def until_ended(cold, job):
    cold.step(60)
    state = cold.jobs.look(job)
    assert state.ended
    return state.complaint


def test_a_job_asks_for_all_and_says_when_it_has(cold):
    put(cold)
    job = cold.jobs.begin(LIST, PACKS, 3)
    cold.step(1)  # for a moment it is not known
    assert not cold.jobs.look(job).ended
    assert not any(one.under_way for one in coldness(cold))
    assert until_ended(cold, job) is None
    assert all(one.under_way for one in coldness(cold))
    cold.step(29 * 60)
    assert all(one.under_way for one in coldness(cold))
    cold.step(60)
    assert all(one.readable_until is not None for one in coldness(cold))
    days = (coldness(cold)[0].readable_until - cold.now()).total_seconds() / 86400
    assert 2.9 < days <= 4
    assert bytes(cold.store.get(PACKS[1])) == PACKS[1].encode()


def test_a_class_without_that_speed_takes_its_time(cold):
    put(cold, ArchiveClass.DEEP_ARCHIVE)
    assert until_ended(cold, cold.jobs.begin(LIST, PACKS, 3)) is None
    cold.step(11 * 3600)
    assert all(one.under_way for one in coldness(cold))
    cold.step(3600)
    assert all(one.readable_until is not None for one in coldness(cold))


def test_begun_again_it_is_the_same(cold):
    put(cold)
    job = cold.jobs.begin(LIST, PACKS, 3)
    assert cold.jobs.begin(LIST, PACKS, 3) == job


def test_what_it_did_not_ask_for_is_told_and_the_rest_comes(cold):
    put(cold)
    cold.store.delete(PACKS[0])
    complaint = until_ended(cold, cold.jobs.begin(LIST, PACKS, 3))
    assert "1 objects were refused" in complaint
    assert cold.store.head(PACKS[1]).coldness.under_way


def test_without_its_list_it_asks_for_nothing(cold):
    put(cold)
    job = cold.jobs.begin(LIST, PACKS, 3)
    cold.store.delete(LIST)
    assert "the list is not there" in until_ended(cold, job)
    assert not any(one.under_way for one in coldness(cold))


def test_what_is_under_way_counts_as_refused(cold):
    put(cold)
    assert until_ended(cold, cold.jobs.begin(LIST, PACKS, 3)) is None
    assert "2 objects were refused" in until_ended(cold, cold.jobs.begin(LIST.replace("ab", "cd"), PACKS, 3))


def test_of_a_job_that_is_not_there_nothing_is_told(cold):
    with pytest.raises(NotFoundError):
        cold.jobs.look("0" * 32)
