"""Reports of workers: stored before they are done with, counted once, and only of tasks that are known."""

from dataclasses import replace

import pytest

from holdfast.domain.session import Session, SessionKind, State, Task, WorkerFacts
from holdfast.domain.workload import Workload, WorkloadKind
from holdfast.protocol.worker_messages import EventError, EventType, WorkerEvent, encode_event
from holdfast.testing.simulated_site import REGION, SimulatedSite

WORK = "ab" * 16
SESSION, TASK = "01" * 16, "02" * 16


def event(sequence, kind=EventType.PROGRESS, **fields):
    return encode_event(WorkerEvent(WORK, fields.pop("attempt", 1), sequence, "2026-03-02T09:00:00Z", kind, **fields))


@pytest.fixture
def site() -> SimulatedSite:
    site = SimulatedSite()
    workload = Workload(WorkloadKind.EC2_INSTANCE, "main", REGION, "i-1")
    workers = tuple(WorkerFacts("ec2", attempt=attempt, work=WORK) for attempt in (1, 2))
    task = Task(TASK, SESSION, workload, State.RUNNING, workers=workers)
    session = Session(SESSION, SessionKind.POLICY, "web", State.RUNNING, "person", site.loop.now())
    site.records.sessions.open(session, [task], {})
    return site


def store(site, *bodies):
    site.run(lambda appliance: appliance.pump.store(bodies))
    return site.records.sessions.task(TASK)


def test_figures_only_grow_and_repetitions_change_nothing(site):
    newest = event(5, done_bytes=500, total_bytes=900, attempt=2)
    once = store(site, newest)
    assert (once.progress.done_bytes, once.progress.total_bytes) == (500, 900)
    assert store(site, newest, event(3, done_bytes=300, total_bytes=900, attempt=2)) == once


def test_an_attempt_that_was_given_up_moves_no_figure(site):
    before = store(site, event(1, done_bytes=100, total_bytes=900, attempt=2))
    after = store(site, event(9, done_bytes=800, total_bytes=900, attempt=1))
    assert after.progress == before.progress
    assert after.workers[0].reports == 9


def test_the_last_word_counts_however_late_it_comes_and_only_once(site):
    failed = event(2, EventType.FAILED, error=EventError("throttled", "slow", "too much", "wait"))
    task = store(site, event(7), failed)
    assert task.workers[0].outcome == "failed"
    assert task.workers[0].error is not None
    assert task.workers[0].error.code == "throttled"
    assert store(site, event(8, EventType.DONE)).workers[0].outcome == "failed"


def test_lines_go_into_the_log_once(site):
    line = event(4, EventType.LOG, message="reading vol-1")
    store(site, line, line)
    messages = [one.message for one in site.records.sessions.lines(SESSION, 0, 10)]
    assert messages == ["reading vol-1"]


@pytest.mark.parametrize(
    "body", ["", "no JSON", "{}", '{"format": 9}', "[" * 10_000, event(1).replace(WORK, "cd" * 16)]
)
def test_what_is_no_report_of_ours_hinders_no_other(site, body):
    task = store(site, body, event(1, done_bytes=7, attempt=2))
    assert task.progress.done_bytes == 7


def test_a_task_that_has_ended_is_not_changed(site):
    ended = replace(site.records.sessions.task(TASK), state=State.FAILED)
    site.records.sessions.put_task(ended)
    assert store(site, event(1, EventType.DONE)) == ended


def test_messages_are_done_with_only_after_they_were_stored(site):
    site.cloud.worker_world.queues[REGION] = {"receipt": event(1, EventType.DONE)}
    book_change = []

    def break_it(appliance):
        def lose(task_id, change):
            book_change.append(task_id)
            raise OSError("the disk is full")

        appliance.workflows.book.change = lose
        with pytest.raises(OSError, match="full"):
            appliance.pump.pump(REGION, 0)

    site.run(break_it)
    assert book_change == [TASK]
    assert list(site.cloud.worker_world.queues[REGION]) == ["receipt"]
    site.run(lambda appliance: appliance.pump.pump(REGION, 0))
    assert site.cloud.worker_world.queues[REGION] == {}
    assert site.records.sessions.task(TASK).workers[0].outcome == "done"


def test_what_is_for_another_appliance_of_the_stack_stays_in_the_queue(site):
    """All appliances of a stack take from one queue: none may take away what another one waits for."""
    queue = site.cloud.worker_world.queues.setdefault(REGION, {})
    queue |= {
        "ours": event(1, appliance="ap-1"),
        "unsaid": event(2),
        "theirs": event(1, appliance="ap-2"),
        "no time": encode_event(WorkerEvent(WORK, 1, 1, "yesterday", EventType.PROGRESS, appliance="ap-2")),
        "nonsense": "{}",
    }
    site.run(lambda appliance: appliance.pump.pump(REGION, 0.0))
    assert set(queue) == {"theirs"}
    assert site.records.sessions.task(TASK).workers[0].reports == 2
    site.wait(2 * 3600)
    site.run(lambda appliance: appliance.pump.pump(REGION, 0.0))
    assert queue == {}, "nobody has taken it, and nobody will"
