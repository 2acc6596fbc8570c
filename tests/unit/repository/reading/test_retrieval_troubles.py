"""A retrieval whose requests fail now and then: nothing is forgotten, and nothing is paid for twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import ThrottledError, UnavailableError
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.repository.object_store import Coldness, ObjectInfo, ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.reading.retrieval.plan import plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import LONGEST_SILENCE, KeepingProgress, Retrieval
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.passing import PassingStore
from tests.faults.cold_world import DAY_SECONDS, STANDARD, Archive
from tests.faults.world import back_up, volume_of

HOUR_SECONDS = 3600
WIDE = 20


class TroubledStore(PassingStore):
    """`heads`, `retrievals`: of which requests to come, counted from 0, the answer is an error; `slow`: packs that stay
    under way; `away`: nothing answers.
    """

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.heads: set[int] = set()
        self.retrievals: set[int] = set()
        self.slow: set[str] = set()
        self.away = False

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        self.heads = self._next(self.heads)
        found = super().head(key, version)
        if key in self.slow:
            return replace(found, coldness=Coldness(under_way=True))
        return found

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        self.retrievals = self._next(self.retrievals)
        super().retrieve(key, days, tier, version)

    def _next(self, planned: set[int]) -> set[int]:
        if self.away:
            raise UnavailableError("away", why="the test says so", cure="")
        if 0 in planned:
            planned.discard(0)
            raise ThrottledError("one refused", why="the test says so", cure="")
        return {number - 1 for number in planned}


class Wide:
    """A point of many cold packs, and a retrieval of it through a store with troubles."""

    def __init__(self, archive_class: ArchiveClass = ArchiveClass.DEEP_ARCHIVE) -> None:
        self.archive = Archive(archive_class)
        back_up(self.archive.repository, "wide", volume_of(*range(100, 99 + WIDE)), "w")
        self.archive.points = list_points(self.archive.repository)
        self.store = TroubledStore(self.archive.store)
        repository = self.archive.open(70, self.store)
        plan = plan_retrieval(repository, self.archive.points[-1], (None,))
        assert len(plan.packs) == WIDE
        self.keys = [pack.key for pack in plan.packs]
        self.retrieval = Retrieval(repository, plan)

    @property
    def billed(self) -> list[str]:
        return [one.key for one in self.archive.store.billed]

    def step(self, hours: float) -> None:
        self.archive.clock.step(hours * HOUR_SECONDS)


@pytest.fixture
def wide() -> Wide:
    return Wide()


@pytest.mark.parametrize("failing", range(WIDE))
def test_a_look_that_fails_forgets_nothing(wide, failing):
    wide.retrieval.ask(STANDARD, Silence())
    wide.step(13)
    wide.store.heads = {failing}
    with pytest.raises(ThrottledError):
        wide.retrieval.look()
    wide.retrieval.look()
    assert wide.retrieval.data.is_readable
    assert sorted(wide.billed) == sorted(wide.keys)
    for _hour in range(5 * 24):
        wide.step(1)
        wide.retrieval.keep(Silence())
        assert wide.archive.plan(-1).is_readable


@pytest.mark.parametrize("failing", range(WIDE))
def test_what_was_asked_for_is_not_asked_for_again_because_another_one_was_refused(failing):
    wide, fast = Wide(ArchiveClass.GLACIER), RetrievalOrder(Tier.EXPEDITED, 3)
    wide.store.retrievals = {failing}
    with pytest.raises(ThrottledError):
        wide.retrieval.ask(fast, Silence())
    assert wide.retrieval.data.archived_packs == WIDE - len(wide.billed)
    wide.step(1)  # those that were taken on are back by now, and a request for them would be one to keep them longer
    wide.retrieval.ask(fast, Silence())
    assert sorted(wide.billed) == sorted(wide.keys)


def test_what_has_gone_is_not_kept_but_asked_for_as_it_was_ordered(wide):
    wide.retrieval.ask(STANDARD, Silence())
    wide.step(13)
    assert len(wide.retrieval.look()) == WIDE
    wide.step(10 * 24)  # a machine that slept
    KeepingProgress(Silence(), wide.retrieval).advance(1)
    assert len(wide.billed) == WIDE
    assert (wide.retrieval.data.readable_packs, wide.retrieval.data.archived_packs) == (0, WIDE)
    wide.retrieval.ask(STANDARD, Silence())
    again = wide.archive.store.billed[WIDE:]
    assert sorted(one.key for one in again) == sorted(wide.keys)
    assert {(one.tier, one.days) for one in again} == {(STANDARD.tier, STANDARD.days)}
    wide.step(13)
    wide.retrieval.look()
    assert wide.retrieval.data.is_readable


def test_one_that_cannot_be_kept_longer_does_not_stop_the_others(wide):
    wide.retrieval.ask(RetrievalOrder(Tier.STANDARD, 1), Silence())
    wide.step(13)
    wide.retrieval.look()
    wide.step(30)
    wide.store.retrievals = {0}
    wide.retrieval.keep(Silence())
    assert len(wide.billed) == 2 * WIDE - 1
    wide.step(0.1)
    wide.retrieval.keep(Silence())
    assert sorted(wide.billed) == sorted(2 * wide.keys)


def test_a_copy_behind_many_that_are_slow_is_found_before_it_goes(wide):
    wide.store.slow = set(wide.keys[:-1])
    wide.retrieval.ask(STANDARD, Silence())
    wide.step(1)
    assert wide.retrieval.look() == []
    wide.step(12)
    assert [pack.key for pack in wide.retrieval.look()] == wide.keys[-1:]
    wide.store.slow = set()
    assert len(wide.retrieval.look()) == WIDE - 1


@pytest.mark.parametrize("slept", [False, True])
def test_a_wait_goes_on_after_an_outage(wide, slept):
    """Of half an hour; or of a moment when the machine wakes up, long after it last heard anything."""
    wide.retrieval.ask(STANDARD, Silence())
    began, outage = wide.archive.clock(), timedelta(hours=6)

    def pause(seconds: float) -> None:
        before = wide.archive.clock() - began
        wide.archive.clock.step(
            5 * HOUR_SECONDS if slept and before < outage <= before + timedelta(hours=5) else seconds
        )
        wide.store.away = outage <= wide.archive.clock() - began < outage + timedelta(minutes=30)

    wide.retrieval.wait(STANDARD, Silence(), pause)
    assert wide.retrieval.data.is_readable
    assert sorted(wide.billed) == sorted(wide.keys)


def test_a_wait_ends_where_nobody_answers_for_an_hour(wide):
    wide.retrieval.ask(STANDARD, Silence())
    wide.store.away = True
    began = wide.archive.clock()
    with pytest.raises(UnavailableError):
        wide.retrieval.wait(STANDARD, Silence(), wide.archive.clock.step)
    assert LONGEST_SILENCE <= wide.archive.clock() - began < LONGEST_SILENCE + timedelta(minutes=10)
    assert timedelta(seconds=DAY_SECONDS) > LONGEST_SILENCE
