"""The S3 store against the lab under faults: nothing is lost, nothing is written twice, nothing is made up."""

import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.domain.errors import ObjectExistsError, ObjectNotFoundError
from holdfast.patience import RetryPolicy
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.stores.location import open_store
from holdfast.testing.object_store_contract import keys, put
from tests.e2e.lab.account import Account
from tests.labs import start_lab

QUICK = RetryPolicy(attempts=30, first_delay_seconds=0.01, longest_delay_seconds=0.2)


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Account]:
    with start_lab() as lab:
        account = Account(lab.endpoint)
        account.s3.create_bucket(Bucket="bucket")
        yield account


@pytest.fixture
def lab(running_lab, monkeypatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_lab.endpoint)
    yield running_lab
    running_lab.faults("")


def bodies(seed: int, count: int) -> dict[str, bytes]:
    dice = random.Random(seed)
    return {
        f"packs/{number % 3:02x}/{number:03}": dice.randbytes(dice.randrange(1, 200_000)) for number in range(count)
    }


@pytest.mark.parametrize("fault", ["throttle=0.3", "error=0.3", "cut=0.3", "lost=0.3", "slow=2ms"])
def test_under_faults_every_object_is_written_once_and_read_whole(lab, fault):
    kind = fault.partition("=")[0]
    counts = RequestCounts()
    store = open_store(f"s3://bucket/{kind}", counts=counts, retry=QUICK)
    content = bodies(7, 40)
    lab.faults(f"s3:{fault},seed=11")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: put(store, key, content[key]), content))
        read = dict(zip(content, pool.map(store.get, content), strict=True))
    assert {key: bytes(body) for key, body in read.items()} == content
    assert keys(store, "packs/") == sorted(content)
    for key, body in content.items():
        found = store.head(key)
        assert (found.size_bytes, found.sha256) == (len(body), hashlib.sha256(body).digest())
        middle = len(body) // 2
        assert bytes(store.get(key, middle, 100)) == body[middle : middle + 100]
    with pytest.raises(ObjectExistsError):
        put(store, next(iter(content)), b"another")
    for key in content:
        store.delete(key)
    assert keys(store) == []
    with pytest.raises(ObjectNotFoundError):
        store.get(next(iter(content)))
    if kind != "slow":
        assert counts.requests["put"] > len(content)
    store.close()


def test_contended_names_have_one_winner_under_lost_answers(lab):
    store = open_store("s3://bucket/contended", retry=QUICK)
    lab.faults("s3:lost=0.3,seed=5")

    def race(number: int, name: int) -> bool:
        try:
            put(store, f"points/{name}", b"written by %d" % number)
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        for name in range(10):
            won = list(pool.map(lambda number, name=name: race(number, name), range(16)))
            assert won.count(True) == 1
            assert bytes(store.get(f"points/{name}")) == b"written by %d" % won.index(True)
    store.close()
