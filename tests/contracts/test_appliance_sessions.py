"""Sessions, tasks and their lines, in an appliance's records over every database that may hold them."""

import threading
from dataclasses import replace

import pytest

from holdfast.database.appliance_records import appliance_records
from holdfast.domain.errors import NotFoundError
from holdfast.domain.session import State, TaskProgress
from holdfast.testing.sample_records import (
    hex_id,
    ledger_row,
    line,
    moment,
    point,
    session,
    task,
)
from tests.contracts.calls import pages, run_all


@pytest.fixture
def records(open_database):
    return appliance_records(open_database("appliance"))


def test_session_opened_again_stays_as_it_is(records):
    records.sessions.open(session(1), [task(10, 1), task(9, 1)], {"targets": ["backup"]})
    records.sessions.put(session(1, State.SUCCEEDED))
    records.sessions.open(session(1), [task(11, 1)], {})
    assert records.sessions.get(hex_id(1)).state is State.SUCCEEDED
    assert [one.id for one in records.sessions.tasks(hex_id(1))] == [hex_id(10), hex_id(9)]
    assert records.sessions.details(hex_id(1)) == {"targets": ["backup"]}


def test_final_states_are_never_left(records):
    records.sessions.open(session(1), [task(2, 1)], {})
    records.sessions.put_task(task(2, 1, State.FAILED))
    records.sessions.put_task(task(2, 1, State.RUNNING))
    records.sessions.put(session(1, State.CANCELLED))
    records.sessions.put(session(1, State.SUCCEEDED))
    assert records.sessions.task(hex_id(2)).state is State.FAILED
    assert records.sessions.get(hex_id(1)).state is State.CANCELLED
    assert records.sessions.unfinished() == []
    assert records.sessions.running_tasks() == []


def test_unfinished_come_oldest_first(records):
    for number, state in [(3, State.RUNNING), (1, State.QUEUED), (2, State.WARNING)]:
        records.sessions.open(session(number, state), [task(number + 10, number, state)], {})
    assert [one.id for one in records.sessions.unfinished()] == [hex_id(1), hex_id(3)]
    assert [one.id for one in records.sessions.running_tasks()] == [hex_id(13), hex_id(11)]


def test_tasks_added_later_come_last_and_those_there_stay(records):
    records.sessions.open(session(1), [task(5, 1)], {})
    records.sessions.put_task(task(5, 1, State.RUNNING))
    records.sessions.add_tasks(hex_id(1), [task(5, 1), task(4, 1)])
    assert [(one.id, one.state) for one in records.sessions.tasks(hex_id(1))] == [
        (hex_id(5), State.RUNNING),
        (hex_id(4), State.QUEUED),
    ]


def test_cancelling(records):
    records.sessions.open(session(1), [], {})
    assert not records.sessions.cancel_requested(hex_id(1))
    assert records.sessions.request_cancel(hex_id(1)) is State.CANCELLING
    assert records.sessions.cancel_requested(hex_id(1))
    records.sessions.put(session(1, State.RUNNING))
    assert records.sessions.get(hex_id(1)).state is State.CANCELLING
    records.sessions.put(session(1, State.CANCELLED))
    assert records.sessions.request_cancel(hex_id(1)) is State.CANCELLED
    records.sessions.open(session(2, State.SUCCEEDED), [], {})
    assert records.sessions.request_cancel(hex_id(2)) is State.SUCCEEDED
    assert not records.sessions.cancel_requested(hex_id(2))
    with pytest.raises(NotFoundError):
        records.sessions.request_cancel(hex_id(3))


@pytest.mark.parametrize("call", ["get", "details", "task"])
def test_what_is_not_there_is_not_found(records, call):
    with pytest.raises(NotFoundError):
        getattr(records.sessions, call)(hex_id(1))


def test_lines_are_numbered_within_their_session(records):
    records.sessions.open(session(1), [], {})
    records.sessions.open(session(2), [], {})
    for message in ("one", "two", "three"):
        records.sessions.log(line(1, message))
    records.sessions.log(line(2, "other"))
    assert [(one.sequence, one.message) for one in records.sessions.lines(hex_id(1), 1, 10)] == [
        (2, "two"),
        (3, "three"),
    ]
    assert [one.sequence for one in records.sessions.lines(hex_id(2), 0, 10)] == [1]
    assert len(records.sessions.lines(hex_id(1), 0, 2)) == 2


def test_session_pages_cut_nothing_at_equal_times(records):
    for number in range(10):
        records.sessions.open(replace(session(number), created_at=moment(number // 4)), [], {})
    found = pages(records.sessions.page, 3)
    assert [one.id for one in found] == [hex_id(number) for number in range(9, -1, -1)]


def test_session_pages_can_be_of_one_subject(records):
    for number in range(6):
        records.sessions.open(session(number, subject="odd" if number % 2 else "even"), [], {})
    found = records.sessions.page(before=hex_id(5), limit=10, kind="policy", subject="odd")
    assert [one.id for one in found] == [hex_id(3), hex_id(1)]
    assert records.sessions.page(before=None, limit=10, kind="restore") == []
    with pytest.raises(NotFoundError):
        records.sessions.page(before=hex_id(99), limit=10)


def test_old_sessions_are_forgotten_with_all_that_is_theirs_and_the_change_is_told(records):
    for number, state in enumerate([State.SUCCEEDED, State.FAILED, State.RUNNING, State.WARNING, State.CANCELLED]):
        records.sessions.open(session(number, state), [task(10 + number, number, state)], {})
        records.sessions.log(line(number, "a line"))
    # Its session was broken off, and it goes on.
    records.sessions.open(session(5, State.FAILED), [task(15, 5, State.RUNNING)], {})
    records.points.add(replace(point(7), session_id=hex_id(0)), b"sealed")
    newest = records.changes.newest()

    def forget(limit):
        return records.sessions.forget(moment(4), [hex_id(3)], limit)

    assert [forget(1), forget(9), forget(9)] == [1, 1, 0], "0 and 1: the oldest first"
    assert records.sessions.forget(moment(6), [hex_id(3)], 9) == 1
    assert [one.id for one in records.sessions.page(before=None, limit=9)] == [hex_id(n) for n in (5, 3, 2)]
    for call in (records.sessions.get, records.sessions.details):
        with pytest.raises(NotFoundError):
            call(hex_id(0))
    with pytest.raises(NotFoundError):
        records.sessions.task(hex_id(10))
    told = {(one.kind, one.id): one.document for one in records.changes.after(newest, 99)}
    assert told == {
        (kind, hex_id(n)): None for kind, n in zip(["session"] * 3 + ["task"] * 3, [0, 1, 4, 10, 11, 14], strict=True)
    }
    assert records.points.get(hex_id(7)).session_id == hex_id(0), "a point outlives its session"
    records.sessions.open(session(0), [], {})
    assert records.sessions.lines(hex_id(0), 0, 9) == []


def test_sixteen_threads_write_at_once_and_none_is_refused(open_database):
    """Through two openings of one database, as two processes have it; numbers stay in order and none is given twice."""
    sides = [appliance_records(open_database("appliance")) for _ in range(2)]
    sides[0].sessions.open(session(1), [task(100 + n, 1) for n in range(16)], {})

    def work(number):
        records = sides[number % 2]
        for step in range(10):
            progress = TaskProgress(step, 10)
            records.sessions.put_task(replace(task(100 + number, 1, State.RUNNING), progress=progress))
            records.sessions.log(line(1, f"{number} {step}"))
            records.ledger.intend(ledger_row(1000 + number * 10 + step))

    run_all([lambda number=number: work(number) for number in range(16)])
    assert [one.sequence for one in sides[1].sessions.lines(hex_id(1), 0, 1000)] == list(range(1, 161))
    assert len(sides[0].ledger.open_rows()) == 160
    assert sides[0].changes.newest() == 1 + 16 + 160
    assert {one.progress.done_bytes for one in sides[0].sessions.tasks(hex_id(1))} == {9}


def test_a_reader_of_changes_misses_nothing_while_others_write(records):
    records.sessions.open(session(1), [task(100 + n, 1) for n in range(8)], {})
    stop = threading.Event()
    seen: dict[str, int] = {}

    def read():
        usn = 0
        while True:
            ended = stop.is_set()
            page = records.changes.after(usn, 5)
            for one in page:
                usn = one.usn
                if one.kind == "task":
                    seen[one.id] = one.document["progress"]["done_bytes"]
            if ended and not page:
                return

    def write(number):
        for step in range(1, 16):
            records.sessions.put_task(replace(task(100 + number, 1, State.RUNNING), progress=TaskProgress(step)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        run_all([lambda number=number: write(number) for number in range(8)])
    finally:
        stop.set()
        reader.join()
    assert seen == {hex_id(100 + number): 15 for number in range(8)}
