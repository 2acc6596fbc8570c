"""A retrieval by one job: what it asks for, what happens where it does not, and that nothing is paid for twice."""

import hashlib
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import PermissionDeniedError, ThrottledError, UnavailableError, UsageError
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.repository.progress import Silence
from holdfast.repository.reading.retrieval.by_job import LONGEST_JOB
from holdfast.repository.reading.retrieval.plan import plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import Retrieval, retrieve
from holdfast.repository.retrieval_jobs import JobState
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.simulated_jobs import SimulatedJobs
from holdfast.testing.small_repository import restored
from holdfast.wiring.delegated_retrieval import DelegatedRetrievals, Notes
from tests.faults.cold_world import Archive
from tests.faults.world import FIRST, collect
from tests.unit.repository.reading.test_retrieval_troubles import Wide

FAST = RetrievalOrder(Tier.ACCELERATED, 3)


class Troubled(SimulatedJobs):
    """`refused`: jobs are not begun; `away`: nothing is told of them; `stuck`: their turn never comes."""

    def __init__(self, store: ColdStore, clock) -> None:
        super().__init__(store, clock)
        self.refused = self.away = self.stuck = False
        self.lists: list[str] = []

    def begin(self, list_key, keys, days):
        if self.refused:
            raise PermissionDeniedError("s3:CreateJob was refused", why="the test says so", cure="")
        self.lists.append(list_key)
        return super().begin(list_key, keys, days)

    def look(self, job):
        if self.away:
            raise UnavailableError("away", why="the test says so", cure="")
        return JobState(ended=False) if self.stuck else super().look(job)


class World:
    def __init__(self) -> None:
        self.archive = Archive(ArchiveClass.GLACIER)
        self.clock, self.store = self.archive.clock, self.archive.store
        self.jobs = Troubled(self.store, self.clock)
        self.told: list[str] = []
        self.wanted = self.again()
        self.needed = sorted(pack.key for pack in self.wanted.plan.packs)

    def again(self) -> Retrieval:
        """As another process."""
        self.repository = self.archive.open(80)
        plan = plan_retrieval(self.repository, self.archive.points[0], (None,))
        return Retrieval(self.repository, plan, lambda: self.jobs)

    def wait(self, wanted: Retrieval | None = None) -> timedelta:
        began = self.clock()
        retrieve(self.repository, wanted or self.wanted, FAST, Notes(self.told.append), self.clock.step)
        return self.clock() - began

    @property
    def billed(self) -> list[tuple[str, Tier]]:
        return sorted((one.key, one.tier) for one in self.store.billed)

    def lists(self) -> list[str]:
        """Those that are there still."""
        return [one.key for one in self.store.list("sessions/") if one.key in self.jobs.lists]

    def all_at(self, tier: Tier) -> list[tuple[str, Tier]]:
        return [(key, tier) for key in self.needed]


@pytest.fixture
def world() -> World:
    return World()


def test_one_job_asks_for_all_and_its_list_goes(world):
    assert world.wait() < timedelta(minutes=45)
    assert world.billed == world.all_at(Tier.ACCELERATED)
    assert (world.jobs.count, len(world.jobs.lists)) == (1, 1)
    assert world.lists() == []
    assert restored(world.archive.open(9), world.archive.points[0]) == FIRST.content
    assert f"asked for {len(world.needed)} packs (accelerated, kept for 3 days)" in world.told


def test_while_it_is_at_work_nothing_is_asked_for_one_by_one(world):
    assert world.wanted.ask(FAST, Silence()) == len(world.needed)
    assert world.wanted.has_job
    assert world.wanted.tier_of(FAST) is Tier.ACCELERATED
    assert (world.wanted.ask(FAST, Silence()), world.wanted.look()) == (0, [])
    assert (world.billed, world.wanted.data.under_way_packs) == ([], len(world.needed))


def test_what_it_left_is_asked_for_one_by_one_and_once(world):
    world.wanted.ask(FAST, Silence())
    lacking = world.needed[0]
    body = bytes(world.archive.inner.get(lacking))
    world.archive.inner.delete(lacking)
    world.clock.step(60)
    world.jobs.advance()
    world.archive.inner.create(lacking, body, hashlib.sha256(body).digest())
    world.wait()
    assert world.billed == sorted([(lacking, Tier.STANDARD), *world.all_at(Tier.ACCELERATED)[1:]])
    assert [text for text in world.told if "1 objects were refused" in text]


def test_without_the_rights_packs_are_asked_for_one_by_one(world):
    world.jobs.refused = True
    assert timedelta(hours=5) <= world.wait() < timedelta(hours=6)
    assert world.billed == world.all_at(Tier.STANDARD)
    told = next(text for text in world.told if "S3 Batch Operations" in text)
    assert "s3:CreateJob was refused" in told
    assert "(standard, 3 to 5 hours)" in told
    assert (
        next(text for text in world.told if text.startswith("waiting")).count("standard retrievals: 3 to 5 hours") == 1
    )


def test_a_job_whose_turn_does_not_come_is_waited_for_no_longer_than_an_hour(world):
    world.jobs.stuck = True
    assert LONGEST_JOB + timedelta(hours=5) <= world.wait() < LONGEST_JOB + timedelta(hours=6)
    assert world.billed == world.all_at(Tier.STANDARD)


def test_a_job_of_which_nothing_is_told_for_a_while_goes_on(world):
    began = world.clock()

    def pause(seconds: float) -> None:
        world.clock.step(seconds)
        world.jobs.away = world.clock() - began < timedelta(minutes=20)

    retrieve(world.repository, world.wanted, FAST, Silence(), pause)
    assert world.billed == world.all_at(Tier.ACCELERATED)


def test_what_a_job_left_is_asked_for_though_the_look_at_it_is_cut_short():
    wide = Wide(ArchiveClass.GLACIER)
    jobs = Troubled(wide.archive.store, wide.archive.clock)
    wanted = Retrieval(wide.archive.open(71, wide.store), wide.retrieval.plan, lambda: jobs)
    wanted.ask(FAST, Silence())
    wide.store.delete(jobs.lists[0])  # so it asks for nothing
    wide.step(0.1)
    wide.store.heads = {1}
    with pytest.raises(ThrottledError):
        wanted.look()
    wanted.look()
    assert wanted.ask(FAST, Silence(), 5) == 5
    assert wanted.ask(FAST, Silence()) == len(wide.keys) - 5
    assert sorted(wide.billed) == sorted(wide.keys)


def test_whoever_is_killed_and_asks_again_gets_the_same_job(world):
    world.wanted.ask(FAST, Silence())
    world.clock.step(30)
    world.wait(world.again())
    assert world.jobs.count == 1
    assert world.billed == world.all_at(Tier.ACCELERATED)
    assert world.lists() == []


def test_a_second_job_finds_all_under_way_and_nothing_is_paid_for_twice(world):
    world.wanted.ask(FAST, Silence())
    late = world.again()
    world.clock.step(3600)
    world.wait(late)
    assert world.jobs.count == 2
    assert world.billed == world.all_at(Tier.ACCELERATED)
    assert not [text for text in world.told if "refused" in text]


def test_a_list_that_a_killed_process_has_left_goes_with_a_collection(world):
    world.wanted.ask(FAST, Silence())
    assert world.lists() == world.jobs.lists
    world.clock.step(25 * 3600)
    collect(world.archive.open(11))
    assert world.lists() == []


def test_one_that_nobody_waits_for_any_more_asks_for_nothing(world):
    world.wanted.ask(FAST, Silence())
    world.wanted.end()
    world.clock.step(60)
    world.jobs.advance()
    assert (world.billed, world.lists(), world.wanted.has_job) == ([], [], False)


@pytest.mark.parametrize("kind", [PermissionDeniedError, UnavailableError])
def test_where_nobody_says_who_asks_packs_are_asked_for_one_by_one(world, kind):
    def none():
        raise kind("no credentials", why="the test says so", cure="")

    world.wait(Retrieval(world.repository, world.wanted.plan, none))
    assert world.billed == world.all_at(Tier.STANDARD)
    assert [text for text in world.told if "no credentials" in text]


def test_a_role_that_is_none_is_told_before_anything_is_asked_for(world):
    def none():
        raise UsageError("no role", why="", cure="")

    wanted = Retrieval(world.repository, world.wanted.plan, none)
    with pytest.raises(UsageError):
        wanted.ask(FAST, Silence())
    assert world.billed == []


def test_another_tier_begins_no_job(world):
    world.wanted.ask(RetrievalOrder(Tier.EXPEDITED, 3), Silence())
    assert world.jobs.count == 0
    assert world.billed == world.all_at(Tier.EXPEDITED)


def test_of_which_a_certain_version_is_meant_no_list_could_say(world):
    first, *others = world.wanted.plan.packs
    plan = replace(world.wanted.plan, packs=(replace(first, version="v"), *others))
    wanted = Retrieval(world.repository, plan, lambda: world.jobs)
    assert wanted.ask(FAST, Silence()) == len(others)
    assert bytes(world.store.get(world.jobs.lists[0])).decode().split("\n") == [pack.key for pack in others]
    assert wanted.data.archived_packs == 1


def test_an_appliance_asks_for_all_in_one_call_and_goes_on_after_a_start(world):
    appliance = DelegatedRetrievals(lambda: nullcontext(world.repository), 1, lambda: world.jobs)
    words = ("12" * 16, world.archive.points[0].id, "default", ("volume",), FAST, world.clock(), world.told.append)
    first = appliance.go_on(*words)
    assert (first.under_way_packs, first.archived_packs) == (len(world.needed), 0)
    world.clock.step(60)
    assert appliance.go_on(*words).readable_packs == 0
    world.clock.step(30 * 60)
    assert appliance.go_on(*words).is_readable
    assert world.billed == world.all_at(Tier.ACCELERATED)
