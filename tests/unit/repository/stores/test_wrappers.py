"""The wrappers, each with a store that fails as planned: what is retried, what is counted, what is remembered."""

import hashlib
from collections.abc import Callable

import pytest

from holdfast.domain.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    PermissionDeniedError,
    ThrottledError,
    UnavailableError,
)
from holdfast.patience import RetryPolicy, Waiting, told_to
from holdfast.repository.object_store import ObjectInfo
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.testing.faulty_store import Fault, FaultyStore, Request, SimulatedCrash
from holdfast.testing.object_store_contract import keys, put


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now(self) -> float:
        return sum(self.slept)


def patient(inner, clock: Clock, **policy) -> RetryingStore:
    return RetryingStore(inner, RetryPolicy(**policy), Waiting(clock.sleep, lambda: 1.0, clock.now))


def errors(kind: type[UnavailableError]) -> Callable[[Request], BaseException]:
    return lambda request: kind(f"{request.kind} failed", why="planned", cure="none")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


# ------------------------------------------------------------------------------------------------------------- retrying


def test_delays_double_up_to_their_bound(memory, clock):
    put(memory, "a")
    store = patient(
        FaultyStore(memory, dict.fromkeys(range(5), Fault.ERROR)), clock, attempts=6, longest_delay_seconds=0.5
    )
    assert store.get("a") == b"body"
    assert clock.slept == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_jitter_takes_any_share_of_the_delay(memory):
    put(memory, "a")
    slept: list[float] = []
    faulty = FaultyStore(memory, dict.fromkeys(range(3), Fault.ERROR))
    shares = iter([0.0, 0.5, 0.25])
    RetryingStore(faulty, waiting=Waiting(slept.append, lambda: next(shares), lambda: 0.0)).get("a")
    assert slept == [0.0, 0.1, 0.1]


def test_a_person_is_told_once_what_is_waited_for(memory, clock):
    put(memory, "a")
    lines: list[str] = []
    faulty = FaultyStore(memory, dict.fromkeys(range(7), Fault.ERROR), errors(UnavailableError))
    with told_to(lines.append):
        patient(faulty, clock).get("a")
    assert lines == ["get failed, which is tried again: planned"]
    assert sum(clock.slept) > 10


@pytest.mark.parametrize("kind", [UnavailableError, ThrottledError])
def test_attempts_are_bounded(memory, clock, kind):
    faulty = FaultyStore(memory, dict.fromkeys(range(50), Fault.ERROR), errors(kind))
    with pytest.raises(kind):
        patient(faulty, clock, attempts=4).get("a")
    assert len(faulty.requests) == 4


def test_time_is_bounded(memory, clock):
    faulty = FaultyStore(memory, dict.fromkeys(range(50), Fault.ERROR))
    with pytest.raises(UnavailableError):
        patient(faulty, clock, attempts=50, total_seconds=10).get("a")
    assert sum(clock.slept) <= 10


@pytest.mark.parametrize("kind", [PermissionDeniedError, ObjectNotFoundError])
def test_nothing_else_is_repeated(memory, clock, kind):
    faulty = FaultyStore(memory, {0: Fault.ERROR}, lambda request: kind("what", why="why", cure="cure"))
    with pytest.raises(kind):
        patient(faulty, clock).get("a")
    assert len(faulty.requests) == 1


def test_a_crash_is_not_survived(memory, clock):
    faulty = FaultyStore(memory, {0: Fault.CRASH_AFTER})
    store = patient(faulty, clock)
    with pytest.raises(SimulatedCrash):
        put(store, "a")
    with pytest.raises(SimulatedCrash):
        store.head("a")
    assert keys(memory) == ["a"]


class NoChecksums(MemoryStore):
    """A store that keeps no checksum, like a directory."""

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        found = super().head(key, version)
        return ObjectInfo(found.key, found.size_bytes, None, None, found.modified)


@pytest.mark.parametrize("kind", [MemoryStore, NoChecksums])
def test_a_lost_answer_is_told_from_a_taken_name(clock, kind):
    memory = kind()
    put(patient(FaultyStore(memory, {0: Fault.LOST_ANSWER}), clock), "a", b"ours")
    assert memory.get("a") == b"ours"
    for other in (b"other", b"OURS"):
        with pytest.raises(ObjectExistsError):
            put(patient(FaultyStore(memory, {0: Fault.ERROR}), clock), "a", other)
    with pytest.raises(ObjectExistsError):
        put(patient(FaultyStore(memory, {}), clock), "a", b"ours")


def test_faults_while_comparing_are_waited_out(clock):
    memory = NoChecksums()
    plan = {0: Fault.LOST_ANSWER, 2: Fault.ERROR, 4: Fault.ERROR}
    put(patient(FaultyStore(memory, plan), clock), "a", b"ours")
    assert len(clock.slept) == 3


def test_a_torn_list_goes_on_where_it_ended(memory, clock):
    names = [f"packs/{number:02}" for number in range(20)]
    for name in names:
        put(memory, name)
    faulty = FaultyStore(memory, dict.fromkeys(range(4), Fault.TORN))
    assert keys(patient(faulty, clock), "packs/") == names


# ------------------------------------------------------------------------------------------------------------- counting


def test_every_attempt_is_counted_with_its_bytes(memory, clock):
    counts = RequestCounts()
    faulty = FaultyStore(memory, {0: Fault.LOST_ANSWER, 4: Fault.ERROR})
    store = patient(CountingStore(faulty, counts), clock)
    put(store, "a", b"12345")  # put (lost), put (exists), head
    assert store.get("a", 1, 3) == b"234"
    assert store.get("a") == b"12345"  # once in vain
    store.delete("a")
    with pytest.raises(ObjectNotFoundError):
        store.head("a")
    assert counts.requests == {"get": 3, "put": 2, "list": 0, "head": 2, "delete": 1, "retrieve": 0}
    assert counts.snapshot() == {**counts.requests, "sent_bytes": 10, "received_bytes": 8}
    assert (counts.sent_bytes, counts.received_bytes) == (10, 8)


@pytest.mark.parametrize(("objects", "pages"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_list_counts_its_pages(memory, objects, pages):
    body_sha256 = hashlib.sha256(b"").digest()
    for number in range(objects):
        memory.create(f"packs/{number:05}", b"", body_sha256)
    counts = RequestCounts()
    assert len(keys(CountingStore(memory, counts))) == objects
    assert counts.requests["list"] == pages
