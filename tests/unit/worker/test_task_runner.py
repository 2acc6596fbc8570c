"""One task and no second one, however it ends."""

import pytest

from holdfast.domain.errors import (
    FormatError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    WrongKeyError,
)
from holdfast.patience import Patience
from holdfast.protocol.worker_messages import EventType
from holdfast.worker.task_runner import TaskRunner
from tests.unit.worker.fakes import POINTER, Hand, Listener, ScriptedQueue, surface


class World:
    def __init__(self, *answers):
        self.hand, self.listener, self.lines = Hand(), Listener(), []
        self.queue = ScriptedQueue(self.hand, list(answers))
        self.moved = []

    def run(self, move=lambda pointer, progress: (), **settings):
        def counted(pointer, progress):
            self.moved.append(pointer)
            return move(pointer, progress)

        return TaskRunner(surface(self.hand, self.queue, self.listener, self.lines), counted, **settings).run()


def refused(message="sqs:ReceiveMessage was refused"):
    return PermissionDeniedError(message, why="AccessDenied", cure="wait")


def test_task_is_done_and_told():
    world = World(None, POINTER, POINTER)
    assert world.run() == 0
    assert world.moved == [POINTER]
    assert world.queue.answers == [POINTER], "the second message is somebody else's"
    assert world.listener.types == ["started", "done"]
    assert [event.sequence for event in world.listener.events] == [1, 2]
    assert world.listener.events[-1].exit_status == 0


def test_warnings_are_told_and_counted():
    world = World(POINTER)
    assert world.run(lambda pointer, progress: ("everything was read",)) == 3
    assert world.listener.types == ["started", "log", "done"]
    assert world.listener.events[1].message == "warning: everything was read"


def test_what_the_work_waits_for_is_told_to_the_session():
    world = World(POINTER)

    def move(pointer, progress):
        patience = Patience(waiting=world.hand.waiting)
        for _ in range(7):
            patience.wait_or_raise(UnavailableError("GET request to http://s3 failed", why="no route", cure="wait"))
        return ()

    assert world.run(move) == 0
    assert world.listener.types == ["started", "log", "done"]
    assert world.listener.events[1].message == "GET request to http://s3 failed, which is tried again: no route"


def test_no_task_ends_the_worker():
    world = World()
    with pytest.raises(NotFoundError, match="no task came within 300 s"):
        world.run()
    assert world.hand.seconds == 300
    assert NotFoundError.exit_status == 4
    assert not world.listener.events


def test_patience_can_be_chosen():
    world = World()
    with pytest.raises(NotFoundError):
        world.run(idle_timeout_seconds=30)
    assert world.hand.seconds == 30


def test_error_is_told_with_cause_and_cure():
    world = World(POINTER)

    def move(pointer, progress):
        raise IntegrityError("pack x is damaged", why="its hash", cure="restore another point")

    assert world.run(move) == 6
    last = world.listener.events[-1]
    assert (last.type, last.exit_status) == (EventType.FAILED, 6)
    assert last.error is not None
    assert (last.error.code, last.error.what, last.error.why) == ("damaged", "pack x is damaged", "its hash")
    assert "error: pack x is damaged [damaged]" in world.lines


def test_anything_at_all_is_told_as_a_defect():
    world = World(POINTER)

    def move(pointer, progress):
        raise ZeroDivisionError("x")

    assert world.run(move) == 1
    told = world.listener.events[-1].error
    assert told is not None
    assert told.what == "unexpected ZeroDivisionError: x"
    assert any("Traceback" in line for line in world.lines)


def test_being_stopped_is_told_and_not_swallowed():
    world = World(POINTER)

    def move(pointer, progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(move)
    told = world.listener.events[-1]
    assert told.error is not None
    assert (told.error.code, told.exit_status) == ("interrupted", 130)


def test_rights_that_come_late_are_waited_for():
    world = World(refused(), refused(), POINTER)
    assert world.run() == 0
    assert len(world.hand.slept_seconds) == 2


def test_rights_that_never_come_are_the_error():
    world = World(*[refused("sqs:ReceiveMessage was refused")] * 100)
    with pytest.raises(PermissionDeniedError, match="ReceiveMessage"):
        world.run()


def test_message_that_is_no_pointer_is_the_error():
    world = World(FormatError("a task pointer cannot be read", why="x"))
    with pytest.raises(FormatError):
        world.run()


def test_wrong_key_is_not_asked_for_again():
    world = World(WrongKeyError("w", why="y", cure="c"), POINTER)
    with pytest.raises(WrongKeyError):
        world.run()
    assert not world.hand.slept_seconds


def test_nobody_takes_the_last_event():
    world = World(POINTER)
    world.listener.refuse = lambda event: UnavailableError("queue", why="y", cure="c") if event.is_last else None
    with pytest.raises(UnavailableError, match="nobody has taken an event"):
        world.run()
    assert world.hand.seconds > 15 * 60


def test_failure_that_nobody_hears_keeps_its_exit_code():
    world = World(POINTER)
    world.listener.refuse = lambda event: UnavailableError("queue", why="y", cure="c")

    def move(pointer, progress):
        raise IntegrityError("w", why="y", cure="c")

    assert world.run(move) == 6
    assert any("nobody has taken" in line for line in world.lines)
