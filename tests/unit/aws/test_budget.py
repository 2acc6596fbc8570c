"""The shared budget on a clock that only sleeping moves."""

import pytest

from holdfast.aws.ebs_blocks.budget import SLOWEST_REQUESTS_PER_SECOND, RequestBudget, shared_budget
from holdfast.patience import Waiting
from tests.unit.sleeping_clock import SleepingClock


@pytest.fixture
def clock() -> SleepingClock:
    return SleepingClock()


@pytest.fixture
def budget(clock) -> RequestBudget:
    return RequestBudget(100.0, Waiting(sleep=clock.sleep, monotonic=clock.now))


def take(budget: RequestBudget, count: int) -> None:
    for _ in range(count):
        budget.acquire()


def test_the_rate_is_kept_after_a_burst(budget, clock):
    take(budget, 10)
    assert clock.seconds == 0
    take(budget, 1000)
    assert clock.seconds == pytest.approx(10, rel=0.02)


def test_idle_time_is_not_saved_up(budget, clock):
    clock.seconds = 3600
    take(budget, 111)
    assert clock.seconds - 3600 == pytest.approx(1, rel=0.02)


def test_throttling_cuts_once_for_answers_that_come_together(budget, clock):
    for _ in range(64):
        budget.throttled()
    assert budget.requests_per_second == pytest.approx(70)


def test_throttling_again_and_again_never_stops_the_work(budget, clock):
    for _ in range(100):
        clock.sleep(0.3)
        budget.throttled()
    assert budget.requests_per_second >= SLOWEST_REQUESTS_PER_SECOND
    assert budget.requests_per_second < 10


def test_the_rate_comes_back(budget, clock):
    budget.throttled()
    clock.sleep(3)
    assert budget.requests_per_second == pytest.approx(85)
    clock.sleep(60)
    assert budget.requests_per_second == 100


def test_an_account_has_one_budget_for_each_action_and_region():
    one = shared_budget("account", "us-east-1", "ebs:GetSnapshotBlock")
    assert shared_budget("account", "us-east-1", "ebs:GetSnapshotBlock") is one
    others = [("account", "eu-central-1", "ebs:GetSnapshotBlock"), ("other", "us-east-1", "ebs:GetSnapshotBlock")]
    others.append(("account", "us-east-1", "ebs:PutSnapshotBlock"))
    assert all(shared_budget(*other) is not one for other in others)
