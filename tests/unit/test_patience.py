"""Who waits for a fault to pass is told for what, once, and seldom where many wait."""

import threading

import pytest

from holdfast.domain.errors import ThrottledError, UnavailableError
from holdfast.patience import Patience, RetryPolicy, SeldomTold, Waiting, in_turn, told_to
from tests.unit.sleeping_clock import SleepingClock

AWAY = UnavailableError("ebs:ListSnapshotBlocks failed", why="no route", cure="look at the network")


def test_a_request_that_fails_for_a_while_is_told_once():
    clock, lines = SleepingClock(), list[str]()
    patience = Patience(RetryPolicy(attempts=6, first_delay_seconds=0.5), Waiting(clock.sleep, lambda: 1.0, clock.now))
    told = []
    with told_to(lines.append, clock.now):
        for _ in range(5):
            patience.wait_or_raise(AWAY)
            told.append(len(lines))
    assert told == [0, 0, 1, 1, 1], "0.5 s, 1.5 s, 3.5 s, …"
    assert lines == ["ebs:ListSnapshotBlocks failed, which is tried again: no route"]
    with pytest.raises(UnavailableError):
        patience.wait_or_raise(AWAY)


def test_who_is_asked_for_patience_has_more_of_it():
    clock = SleepingClock()
    policy = RetryPolicy(attempts=3, total_seconds=30.0, throttled_attempts=50, throttled_seconds=900.0)
    patience = Patience(policy, Waiting(clock.sleep, lambda: 1.0, clock.now))
    slow_down = ThrottledError("s3:GetObject was refused", why="SlowDown", cure="wait")
    slow_down.in_words = True
    for _ in range(40):
        patience.wait_or_raise(slow_down)
    assert 600 < clock.seconds < 900
    for _ in range(2):
        patience.wait_or_raise(AWAY)  # another kind of failure, which has had no time yet
    with pytest.raises(UnavailableError):
        patience.wait_or_raise(AWAY)


def test_a_gateway_with_nothing_behind_it_asks_for_no_patience():
    clock = SleepingClock()
    patience = Patience(RetryPolicy(attempts=3, throttled_attempts=50), Waiting(clock.sleep, lambda: 1.0, clock.now))
    for _ in range(2):
        patience.wait_or_raise(ThrottledError("s3:GetObject was refused", why="HTTP status 503", cure="wait"))
    with pytest.raises(ThrottledError):
        patience.wait_or_raise(ThrottledError("s3:GetObject was refused", why="HTTP status 503", cure="wait"))


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_who_waits_for_another_s_turn_is_told(make):
    lock, lines, had = make(), list[str](), []
    told = threading.Event()

    def tell(text):
        lines.append(text)
        told.set()

    def wait():
        with told_to(tell), in_turn(lock, "another task is at work in vault", 0.0):
            had.append(True)

    waiter = threading.Thread(target=wait)
    with in_turn(lock, "nobody waits for this"):
        waiter.start()
        assert told.wait(60)
        assert had == []
    waiter.join(60)
    assert had == [True]
    assert lines == ["another task is at work in vault"]
    assert lock.acquire(timeout=0), "it is free again"


def test_of_many_that_wait_a_line_a_minute_is_told():
    clock, lines = SleepingClock(), list[str]()
    tell = SeldomTold(lines.append, clock.now)
    for seconds in (0, 1, 59, 1, 1):
        clock.sleep(seconds)
        tell(f"at {clock.seconds:.0f}")
    assert lines == ["at 0", "at 60"]
