"""A machine's clock is wrong by years, and right again: that costs what was at work, never a point (rule 5)."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from holdfast.domain.errors import ConflictError, ObjectNotFoundError
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.pins import pin
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.repository.sessions.session import open_session, retire
from holdfast.repository.sessions.signs_of_life import living
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_volume
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget, MemoryVolume
from holdfast.testing.small_repository import make_small_repository, restored
from tests.faults.world import FIRST, LONG, PACK_SIZE_BYTES, SECOND, THIRD, back_up, collect

DISK, OTHER = "disk", "other"
DAY_SECONDS = 24 * 3600.0
YEARS = (-30, -5, 5, 30)


class MachineClock:
    """What a machine takes for the time; `wrong_years` is how far that is off."""

    def __init__(self) -> None:
        self.right = SteppableClock()
        self.wrong_years = 0

    def __call__(self):
        return self.right() + timedelta(days=365 * self.wrong_years)


class Place:
    """A repository with a point that lives and what one that was deleted has left."""

    def __init__(self, *, store_is_right: bool) -> None:
        self.clock = MachineClock()
        self.store = MemoryStore(clock=self.clock.right if store_is_right else self.clock)
        self.seed = 0
        self.small = make_small_repository(self.store, self.surroundings(), PACK_SIZE_BYTES)
        self.contents: dict[bytes, bytes] = {}
        gone = self.back_up(DISK, FIRST, "s1").finished.manifest.session
        self.back_up(DISK, SECOND, "s2")
        self.delete(gone)

    def surroundings(self):
        self.seed += 1
        return deterministic_surroundings(self.seed, self.clock)

    def open(self):
        return self.small.open(self.surroundings())

    def back_up(self, workload: str, volume: MemoryVolume, snapshot: str) -> BackupReport:
        report = back_up(self.open(), workload, volume, snapshot)
        self.contents[report.finished.manifest.session] = volume.content
        return report

    def delete(self, session: bytes) -> None:
        repository = self.open()
        retire(repository, session, find_point(repository, session.hex(), None).key)
        del self.contents[session]

    def collect(self):
        return collect(self.open())

    def all_is_there(self) -> None:
        repository = self.open()
        assert {point.session: restored(repository, point) for point in list_points(repository)} == self.contents
        assert check_repository(repository, 100, Silence()).damage == ()


class WatchedSource(MemorySource):
    """Something happens when half of it has been read."""

    def __init__(self, volume: MemoryVolume, happens: Callable[[], None]) -> None:
        super().__init__(volume)
        self._half, self._happens = len(volume.blocks) // 2, happens

    def read(self, blocks):
        for number, block in enumerate(super().read(blocks)):
            if number == self._half:
                self._happens()
            yield block


class WatchedTarget(MemoryTarget):
    """Something happens when the restore has begun."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = happens

    def begin(self, size_bytes):
        super().begin(size_bytes)
        self._happens()


@contextlib.contextmanager
def wrong_by(place: Place, years: int) -> Iterator[None]:
    place.clock.wrong_years = years
    yield
    place.clock.wrong_years = 0


def warned(report: BackupReport) -> list[str]:
    return [warning for warning in report.warnings if "yet to come" in warning]


@pytest.fixture(params=[True, False], ids=["the store's is right", "the store's is as wrong"])
def place(request):
    return Place(store_is_right=request.param)


@pytest.mark.parametrize("years", YEARS)
def test_a_collection_and_a_backup_under_a_wrong_clock_lose_nothing_that_lives(place, years):
    """Who reads or writes meanwhile ends well where the clock is behind; where it is ahead it is taken for dead."""

    def under_the_wrong_clock() -> None:
        with wrong_by(place, years):
            assert bool(warned(place.back_up(DISK, THIRD, "s3"))) == (years < 0), "points of later are yet to come"
            waiting = place.collect().waiting
            assert len(waiting) == len(place.open().ledger.state.open) == (years < 0)
            assert len(place.open().ledger.state.pins) == (years < 0)

    def back_up_meanwhile() -> None:
        source = WatchedSource(LONG, under_the_wrong_clock)
        with contextlib.nullcontext() if years < 0 else pytest.raises(ConflictError, match="was ended"):
            manifest = backup_volume(place.open(), source, BackupOrder(OTHER), Silence()).finished.manifest
            place.contents[manifest.session] = LONG.content

    target = WatchedTarget(back_up_meanwhile)
    repository = place.open()
    [point] = list_points(repository)
    restore_volume(repository, point, target, Silence())
    assert target.volume == SECOND
    assert len(place.contents) == (3 if years < 0 else 2)
    place.all_is_there()
    again = place.back_up(OTHER, LONG, "again")
    assert warned(again) == []
    [*dated] = warned(place.back_up(DISK, FIRST, "s4"))
    assert len(dated) == (years > 0), "the point of the wrong clock is yet to come"
    place.clock.right.step(DAY_SECONDS + 1)
    assert place.collect().waiting == ()
    place.all_is_there()
    assert not place.open().ledger.state.open


@pytest.mark.parametrize("years", YEARS)
def test_what_is_deleted_while_it_is_read_stays_unless_the_clock_runs_ahead(place, years):
    """Then its reader is taken for dead: the restore fails and leaves no target; what lives is not touched."""
    read = place.back_up(OTHER, LONG, "read").finished.manifest.session

    def it_is_deleted() -> None:
        place.delete(read)
        with wrong_by(place, years):
            place.collect()

    repository, target = place.open(), WatchedTarget(it_is_deleted)
    point = find_point(repository, read.hex(), None)
    with contextlib.nullcontext() if years < 0 else pytest.raises(ObjectNotFoundError):
        restore_volume(repository, point, target, Silence())
    assert target.volume == (LONG if years < 0 else None)
    assert target.aborted == (years > 0)
    place.all_is_there()


@pytest.mark.parametrize("knows_a_plan", [False, True])
@pytest.mark.parametrize("years", [5, 30])
def test_what_died_under_a_clock_that_ran_ahead_is_ended_a_day_after_it_was_met(place, years, knows_a_plan):
    """Not in the year that it is dated of: it would hold up every collection until then."""
    if knows_a_plan:
        place.collect()
    [point] = list_points(place.open())
    with wrong_by(place, years):
        repository = place.open()
        open_session(repository, DEFAULT_TENANT, OTHER)
        assert pin(repository, bytes(16), [point.session], Silence())
    for _met in range(2):
        place.collect()
        state = place.open().ledger.state
        assert (len(state.open), len(state.pins)) == (1, 1)
    place.clock.right.step(DAY_SECONDS + 3600)
    assert place.collect().waiting == ()
    state = place.open().ledger.state
    assert (len(state.open), len(state.pins)) == (0, 0)
    place.all_is_there()


def test_a_long_backup_on_a_machine_whose_clock_is_behind_is_not_taken_for_dead():
    """Its own signs are a year old, and the store's times of them a year ahead of who collects there: they count."""
    place = Place(store_is_right=True)
    with wrong_by(place, -1):
        repository = place.open()
        session = open_session(repository, DEFAULT_TENANT, OTHER).session
        progress = living(repository, session, Silence())
        for _hour in range(30):
            place.clock.right.step(3600)
            progress.advance(1)
        assert [one.session for one in place.collect().waiting] == [session]
    assert [one.session for one in place.collect().waiting] == [session]
