"""Progress at most once a second, a sign of life every ten, everything in order, and an end to talking to nobody."""

import threading

import pytest

from holdfast.domain.errors import PermissionDeniedError, UnavailableError
from holdfast.protocol.worker_messages import EventType
from holdfast.worker.reporting import EventReporter
from tests.unit.worker.fakes import POINTER, Hand, Listener


@pytest.fixture
def hand():
    return Hand()


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def reporter(hand, listener):
    """Never begun: a test makes the steps of the thread itself."""
    return EventReporter(POINTER, listener, hand.now, hand.waiting)


def stepped(reporter, hand, seconds, advance_bytes=0):
    for _ in range(int(seconds * 4)):
        hand.seconds += 0.25
        if advance_bytes:
            reporter.advance(advance_bytes)
        reporter.step()


def test_progress_is_told_once_a_second(reporter, hand, listener):
    reporter.total(1000)
    stepped(reporter, hand, 10, advance_bytes=1)
    assert listener.types == ["progress"] * 10
    last = listener.events[-1]
    assert (last.done_bytes, last.total_bytes) == (40, 1000)
    assert {event.appliance for event in listener.events} == {"ap-1"}, "whose queue it is, others read, too"


def test_standstill_gives_a_sign_of_life(reporter, hand, listener):
    stepped(reporter, hand, 60)
    assert listener.types == ["progress"] * 6


def test_the_total_may_grow(reporter, hand, listener):
    reporter.total(10)
    stepped(reporter, hand, 1)
    reporter.total(15)
    stepped(reporter, hand, 1)
    assert [event.total_bytes for event in listener.events] == [10, 15]


def test_what_is_refused_comes_later_and_in_order(reporter, hand, listener):
    listener.refuse = lambda event: UnavailableError("queue", why="y", cure="c")
    reporter.note("one")
    stepped(reporter, hand, 30, advance_bytes=1)
    reporter.note("two")
    listener.refuse = lambda event: None
    stepped(reporter, hand, 2)
    assert [event.message for event in listener.events[:2]] == ["one", "two"]
    assert [event.sequence for event in listener.events] == list(range(1, len(listener.events) + 1))
    assert len(listener.events) < 5, "progress that nobody heard is not told afterwards"


def test_work_that_nobody_hears_of_stops(reporter, hand, listener):
    listener.refuse = lambda event: PermissionDeniedError("sqs:SendMessage was refused", why="y", cure="c")
    reporter.note("one")
    stepped(reporter, hand, 899)
    reporter.advance(1)
    stepped(reporter, hand, 10)
    with pytest.raises(UnavailableError, match="nobody has taken") as raised:
        reporter.advance(1)
    assert "SendMessage" in raised.value.why


def test_notes_for_nobody_are_bounded(reporter, listener):
    listener.refuse = lambda event: UnavailableError("queue", why="y", cure="c")
    for number in range(1000):
        reporter.note(str(number))
    listener.refuse = lambda event: None
    reporter.end(0)
    assert len(listener.events) == 201
    assert listener.events[-1].type is EventType.DONE


def test_the_thread_tells_by_itself(hand, listener):
    heard = threading.Event()

    def hear(event):
        heard.set()

    listener.refuse = hear
    reporter = EventReporter(POINTER, listener, hand.now, hand.waiting)
    reporter.begin()
    assert heard.wait(60)
    reporter.end(0)
    assert listener.types == ["started", "done"]
    assert not [thread for thread in threading.enumerate() if thread.name == "events"]
