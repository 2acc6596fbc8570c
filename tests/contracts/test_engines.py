"""One contract over both engines; and what only a real process can show: kill -9, the lease, the drain."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from holdfast.appliance.ports.engine import Lane
from holdfast.domain.errors import ConflictError, NotFoundError, SourceGoneError
from holdfast.engine.dbos_engine import DbosEngine
from holdfast.testing.memory_engine import EngineMemory, MemoryEngine


def eventually(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


class Work:
    """Workflows that a test can look into."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.now = 0
        self.peak = 0
        self.open = threading.Event()

    def note(self, text: str) -> str:
        self.seen.append(text)
        return text.upper()

    def refuse(self, text: str) -> None:
        raise SourceGoneError(f"{text} is gone", why="it was removed", cure="choose another")

    async def wait(self) -> None:
        self.now += 1
        self.peak = max(self.peak, self.now)
        while not self.open.is_set():  # noqa: ASYNC110 - the test opens it from another thread
            await asyncio.sleep(0.01)
        self.now -= 1

    async def simple(self, step, name):
        answer = await step(self.note, name)
        await step(self.note, answer + "!")

    async def failing(self, step, name):
        try:
            await step(self.refuse, name)
        except NotFoundError as error:
            await step(self.note, f"{error.code}|{error.what}|{error.why}|{error.cure}")

    async def waiting(self, step, name):
        await step(self.wait)
        await step(self.note, name)

    def named(self):
        return {"simple": self.simple, "failing": self.failing, "waiting": self.waiting}


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture(params=["memory", "dbos"])
def engine(request, work, tmp_path) -> Iterator[MemoryEngine | DbosEngine]:
    if request.param == "dbos":
        durable = DbosEngine(tmp_path / "engine", work.named(), poll_seconds=0.05)
        durable.open()
        yield durable
        work.open.set()
        durable.close()
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def make() -> MemoryEngine:
        return MemoryEngine(EngineMemory(), work.named())

    made = asyncio.run_coroutine_threadsafe(make(), loop).result()
    yield made
    asyncio.run_coroutine_threadsafe(made.die(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_workflow_runs_once_however_often_it_is_started(engine, work):
    for _ in range(3):
        engine.start("simple", "one", ("a",))
    eventually(lambda: not engine.running("one"))
    engine.start("simple", "one", ("a",))
    engine.start("simple", "two", ("b",))
    eventually(lambda: not engine.running("two"))
    assert work.seen == ["a", "A!", "b", "B!"]


def test_what_was_never_started_does_not_run(engine):
    assert not engine.running("nothing")


def test_an_error_of_ours_arrives_as_it_was(engine, work):
    engine.start("failing", "one", ("vol-1",))
    eventually(lambda: not engine.running("one"))
    assert work.seen == ["source-gone|vol-1 is gone|it was removed|choose another"]


def test_limits_of_queue_and_partition_hold(engine, work):
    engine.limit("workers", 3, 2)
    for number in range(8):
        engine.start("waiting", f"w{number}", (f"w{number}",), Lane("workers", "ab"[number % 2]))
    eventually(lambda: work.now == 3)
    time.sleep(0.5)
    states = {(one.queue, one.partition): one for one in engine.lane_states()}
    assert states["workers", ""].running == 3
    assert states["workers", ""].waiting == 5
    assert states["workers", ""].limit == 3
    assert {states["workers", name].running for name in "ab"} == {1, 2}
    assert states["workers", "a"].limit == 2
    work.open.set()
    eventually(lambda: len(work.seen) == 8)
    assert work.peak == 3


def test_a_queue_without_partitions_has_its_one_limit(engine, work):
    engine.limit("repository/main", 1)
    for number in range(3):
        engine.start("waiting", f"r{number}", (f"r{number}",), Lane("repository/main"))
    eventually(lambda: work.now == 1)
    engine.limit("repository/main", 2)
    eventually(lambda: work.now == 2)
    work.open.set()
    eventually(lambda: len(work.seen) == 3)
    assert work.peak == 2


def test_only_what_waits_can_be_dropped(engine, work):
    engine.limit("repository/main", 1)
    engine.start("waiting", "first", ("first",), Lane("repository/main"))
    eventually(lambda: work.now == 1)
    engine.start("waiting", "second", ("second",), Lane("repository/main"))
    assert not engine.drop_queued("first")
    assert engine.drop_queued("second")
    assert not engine.drop_queued("second")
    assert not engine.drop_queued("nobody")
    assert not engine.running("second")
    work.open.set()
    eventually(lambda: not engine.running("first"))
    assert work.seen == ["first"]


PROGRAM = """
import asyncio, json, sys, time
from pathlib import Path
from holdfast.engine.dbos_engine import DbosEngine
home, ends = Path(sys.argv[1]), sys.argv[2] == "end"
def note(name, number):
    with open(home / "effects", "a") as file:
        file.write(json.dumps([name, number]) + "\\n")
    return number * 10
async def forever():
    with open(home / "waiting", "a") as file:
        file.write("x")
    while not ends:
        await asyncio.sleep(0.02)
async def work(step, name):
    answers = [await step(note, name, number) for number in range(3)]
    await step(forever)
    await step(note, name, sum(answers))
engine = DbosEngine(home, {"work": work}, poll_seconds=0.05)
engine.open()
for number in range(5):
    engine.start("work", f"w{number}", (f"w{number}",))
print("up", flush=True)
while any(engine.running(f"w{number}") for number in range(5)):
    time.sleep(0.05)
engine.close()
print("ended", flush=True)
"""


def run(home: Path, how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), how], stdout=subprocess.PIPE, text=True, env=os.environ
    )


def effects(home: Path) -> list[tuple[str, int]]:
    path = home / "effects"
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def waiting(home: Path) -> int:
    """How many have come to the step that does not end: the answers of all before it are remembered."""
    path = home / "waiting"
    return path.stat().st_size if path.exists() else 0


def test_what_kill_9_cut_short_goes_on_behind_the_last_answer(tmp_path):
    first = run(tmp_path, "wait")
    try:
        eventually(lambda: waiting(tmp_path) == 5)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert {name for name, _ in effects(tmp_path)} == {f"w{number}" for number in range(5)}
    second = run(tmp_path, "end")
    output, _ = second.communicate(timeout=120)
    assert output.split() == ["up", "ended"]
    assert second.returncode == 0
    done = effects(tmp_path)
    assert len(done) == 20, "remembered steps are not done again"
    assert {name for name, number in done if number == 30} == {f"w{number}" for number in range(5)}


def test_killed_again_and_again_nothing_is_lost(tmp_path):
    for _ in range(3):
        process = run(tmp_path, "wait")
        goal = min(len(effects(tmp_path)) + 1, 15)
        eventually(lambda goal=goal: len(effects(tmp_path)) >= goal)  # type: ignore[misc]
        process.kill()
        process.wait()
    last = run(tmp_path, "end")
    assert last.communicate(timeout=120)[0].split() == ["up", "ended"]
    assert {name for name, number in effects(tmp_path) if number == 30} == {f"w{number}" for number in range(5)}


def test_a_second_executor_on_the_same_home_is_refused(tmp_path):
    process = run(tmp_path, "wait")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        with pytest.raises(ConflictError):
            DbosEngine(tmp_path, {}).open()
    finally:
        process.kill()
        process.wait()


def rows_left(path: Path) -> dict[str, int]:
    """Of workflows and their steps: how many rows each table still has, if any."""
    with sqlite3.connect(path) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {
            name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
            if name.startswith(("workflow", "operation"))
        }
    assert {"workflow_status", "operation_outputs"} <= counts.keys()
    return {name: count for name, count in counts.items() if count}


def test_a_graceful_end_cuts_waiting_short_and_the_next_one_goes_on(tmp_path, work):
    first = DbosEngine(tmp_path, work.named(), poll_seconds=0.05)
    first.open()
    first.start("waiting", "one", ("one",))
    eventually(lambda: work.now == 1)
    first.close(drain_seconds=1)
    assert work.seen == []
    work.open.set()
    second = DbosEngine(tmp_path, work.named(), poll_seconds=0.05)
    second.open()
    eventually(lambda: not second.running("one"))
    assert work.seen == ["one"]
    assert second.prune(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert second.prune(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert rows_left(tmp_path / "engine.sqlite") == {}
    second.close()
    assert oct((tmp_path / "engine.sqlite").stat().st_mode & 0o777) == "0o600"
