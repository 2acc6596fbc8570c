"""Single-writer mode (rule 8) over a store that ignores If-None-Match: every request × what may befall it, and two
parties at once.

A party that dies leaves its claim: the next one takes the lease over after an hour. What was committed stays, what was
not is not seen, and of two that write at once one is refused.
"""

import contextlib
import dataclasses
import functools

import pytest

from holdfast.domain.errors import HoldfastError, LeaseHeldError, NotFoundError
from holdfast.repository.format import config as config_form
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.single_writer.lease import Holder
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.testing.careless_store import CarelessStore
from holdfast.testing.deterministic_surroundings import FIRST_MOMENT, SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, Request, SimulatedCrash
from holdfast.testing.small_repository import SmallRepository, copy_to, restored
from tests.faults.judged import Judged
from tests.faults.mishaps import befallen, mishaps, share
from tests.faults.operations import ACTS, Attempt, run, spare_keys, world_with_a_spare_key
from tests.faults.test_crash_points import points_in_store
from tests.faults.test_interleaving import MeanwhileStore
from tests.faults.world import DISK, LATE, World, collect

HOUR_SECONDS = 3600.0
# Nobody has died here whom a backup could resume.
OPERATIONS = [name for name in ACTS if name != "resumed"]
SLOW = ("changed blocks", "collect")
SHARE = 7
EIGHT_DAYS_SECONDS = 8 * 24 * HOUR_SECONDS
BEGUN = FIRST_MOMENT.replace(year=2027)
JUDGED = Judged()


@functools.cache
def scene() -> World:
    """As the other campaigns have it, in single-writer mode; a collection has condemned what may go by now."""
    before = world_with_a_spare_key(with_plan=True)
    clock = SteppableClock(BEGUN)
    small = SmallRepository(copy_to(CarelessStore(clock), before.small.store), before.small.secret)
    ordinary = small.open(deterministic_surroundings(20, clock))
    small.store.delete(names.CONFIG)
    config = dataclasses.replace(ordinary.config, single_writer=True)
    ordinary.sealed.write(Kind.CONFIG, names.CONFIG, config_form.encode(config))
    repository = small.open(deterministic_surroundings(21, clock))
    point = next(point for point in list_points(repository) if point.workload == LATE)
    retire(repository, point.session, point.key)
    assert collect(repository).kept > 0
    repository.give_back()
    contents = {session: content for session, content in before.contents.items() if session != point.session}
    return World(small, contents, {name: one for name, one in before.newest.items() if name != LATE})


class SlowStore(FaultyStore):
    """Each request takes three minutes."""

    def __init__(self, inner: ObjectStore, clock: SteppableClock) -> None:
        super().__init__(inner, {})
        self._clock = clock

    def _arrive(self, kind: str, key: str):
        self._clock.step(180)
        return super()._arrive(kind, key)


class Site:
    """A copy of the scene, eight days later; `slow`: its store is, so that claims are renewed."""

    def __init__(self, *, slow: bool = False) -> None:
        self.clock = SteppableClock(BEGUN)
        self.store = copy_to(CarelessStore(self.clock), scene().small.store)
        self.clock.step(EIGHT_DAYS_SECONDS)
        self.slow = slow

    @property
    def way(self) -> ObjectStore:
        """The store as it is reached while the operation runs."""
        return SlowStore(self.store, self.clock) if self.slow else self.store

    def attempt(self, name: str, store, seed: int) -> tuple[Attempt, HoldfastError | SimulatedCrash | None]:
        attempt = Attempt()
        try:
            run(name, store, scene(), seed, attempt, self.clock)
        except (HoldfastError, SimulatedCrash) as error:
            return attempt, error
        return attempt, None

    def freed(self, holders: int = 1) -> None:
        """Where the lease was left behind it is taken over, an hour later, from so many at most."""
        if not list(self.store.list(names.LEASES)):
            return
        self.clock.step(HOUR_SECONDS + 1)
        assert 1 <= len(self.take_over(self.store, 900)) <= holders
        assert list(self.store.list(names.LEASES)) == []

    def take_over(self, store: ObjectStore, seed: int) -> tuple[Holder, ...]:
        heir = scene().small.open(deterministic_surroundings(seed, self.clock), store)
        holders = heir.take_over_lease()
        heir.give_back()
        return holders

    def spare_keys(self) -> list[str]:
        return spare_keys(scene().small.open(deterministic_surroundings(950, self.clock), self.store))

    def inspect(self, *attempts: Attempt) -> set[bytes]:
        """The points as a new process sees them at any time, every byte of which comes back; nothing is damaged."""
        if not JUDGED.is_new(*((one.adds, one.removes) for one in attempts), stores=(self.store,)):
            return points_in_store(self.store)
        repository = scene().small.open(deterministic_surroundings(1000, self.clock), self.store)
        seen = {point.session: point for point in list_points(repository)}
        assert set(seen) == points_in_store(self.store)
        assert set(scene().contents) - set(seen) <= {one.removes for one in attempts}
        added = [one.adds for one in attempts if one.adds is not None]
        for session, point in seen.items():
            content = restored(repository, point)
            assert content == scene().contents[session] if session in scene().contents else content in added
        assert check_repository(repository, 100, Silence()).damage == ()
        repository.give_back()
        return set(seen)


def requests_of(name: str, *, slow: bool = False) -> tuple[Request, ...]:
    site = Site(slow=slow)
    store = FaultyStore(site.way, {})
    attempt, error = site.attempt(name, store, 7)
    assert error is None
    assert attempt.outcome is not False
    assert list(site.store.list(names.LEASES)) == []
    return store.requests


@pytest.mark.parametrize("name", OPERATIONS)
def test_faults(name, count_crash_point):
    slow = name in SLOW
    requests = requests_of(name, slow=slow)
    renewed = {request.key for request in requests if request.kind == "create" and request.key.startswith(names.LEASES)}
    assert len(renewed) > 2 or not slow
    if name == "collect":
        assert any(request.kind == "delete" and request.key.startswith(names.PACKS) for request in requests)
    for request, mishap in share(mishaps(requests), SHARE):
        site = Site(slow=slow)
        try:
            attempt, _error = site.attempt(name, befallen(site.way, request, mishap), 7)
            site.freed()
            seen = site.inspect(attempt)
            if (attempt.removes is None or attempt.removes in seen) and (
                attempt.spare is not False or site.spare_keys()
            ):
                again, failed = site.attempt(name, site.store, 8)
                assert failed is None
                assert len(site.inspect(attempt, again) - seen) == (again.adds is not None)
        except BaseException as problem:
            problem.add_note(f"{name}: {mishap.name} at {request}")
            raise
        count_crash_point()


def left_behind() -> Site:
    """A backup has died that held the lease, an hour ago."""
    site = Site()
    requests = requests_of("full")
    claimed = next(one for one in requests if one.kind == "create" and one.key.startswith(names.PACKS))
    _attempt, error = site.attempt("full", befallen(site.store, claimed, Fault.CRASH_AFTER), 7)
    assert isinstance(error, SimulatedCrash)
    site.clock.step(HOUR_SECONDS + 1)
    return site


def test_taking_over(count_crash_point):
    """Who takes over dies or is lied to: another heir takes over from both; the dead one never writes again."""
    plain = left_behind()
    store = FaultyStore(plain.store, {})
    assert len(plain.take_over(store, 30)) == 1
    for request, mishap in mishaps(store.requests):
        site = left_behind()
        try:
            with contextlib.suppress(HoldfastError, SimulatedCrash):
                site.take_over(befallen(site.store, request, mishap), 30)
            site.freed(holders=2)
            seen = site.inspect()
            again, failed = site.attempt("full", site.store, 8)
            assert failed is None
            assert len(site.inspect(again) - seen) == 1
        except BaseException as problem:
            problem.add_note(f"{mishap.name} at {request}")
            raise
        count_crash_point()


@pytest.mark.parametrize(
    ("first", "second"),
    [("changed blocks", "delete"), ("delete", "collect"), ("delete", "restore")],
)
def test_two_parties(first, second, count_case):
    refused = 0
    for request in requests_of(first):
        site = Site()
        came: list[tuple[bool, Attempt, HoldfastError | SimulatedCrash | None]] = []

        def meanwhile(site: Site = site, came: list = came) -> None:
            held = bool(list(site.store.list(names.LEASES)))
            came.append((held, *site.attempt(second, site.store, 8)))

        attempt, error = site.attempt(first, MeanwhileStore(site.store, request.number, meanwhile), 7)
        ((held, other, other_error),) = came
        try:
            if second == "restore":  # a reader is not in anybody's way, and nobody in his
                assert other.outcome is True or isinstance(other_error, NotFoundError)
            else:
                assert isinstance(other_error, LeaseHeldError) == held
            if error is not None:
                # What one collection of two has done the other one meets; nothing else stops the first.
                assert not held
                assert isinstance(error, HoldfastError)
            refused += held
            assert list(site.store.list(names.LEASES)) == []
            site.inspect(attempt, other)
        except BaseException as problem:
            problem.add_note(f"{first} and {second} before {request}; {error!r}, {other_error!r}")
            raise
        count_case()
    assert refused > 3
    assert DISK in scene().newest
