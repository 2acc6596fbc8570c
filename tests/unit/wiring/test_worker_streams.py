"""A worker's task in one line, its events as lines, and a life line that ends it."""

import io
import json
import os
import sys
import threading

import pytest

import holdfast
from holdfast.domain.errors import FormatError, NotFoundError, UnavailableError
from holdfast.protocol.worker_messages import EventType, WorkerEvent, decode_event, encode_pointer
from holdfast.wiring import own_program
from holdfast.wiring.own_program import own_command
from holdfast.wiring.worker_streams import StreamTask
from tests.unit.worker.fakes import POINTER

KEY = bytes(range(32))
LINE = json.dumps({**json.loads(encode_pointer(POINTER)), "scratch_key": KEY.hex()}).encode() + b"\n"
EVENT = WorkerEvent(POINTER.session, 2, 1, "2026-01-02T03:04:05.000000Z", EventType.STARTED)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    ends = {reading, writing}

    def close(end):
        ends.discard(end)
        os.close(end)

    yield reading, writing, close
    if writing in ends:
        close(writing)
    for thread in threading.enumerate():
        if thread.name == "standard-input":
            thread.join(60)  # else it would go on with what the next test opens under that number
    if reading in ends:
        close(reading)


def test_task_and_key_come_in_the_first_line(pipe):
    reading, writing, _ = pipe
    task = StreamTask(reading, io.StringIO(), lambda: None)
    os.write(writing, LINE + b"rest")
    assert task.take(1) == POINTER
    assert task.unwrap(POINTER) == KEY
    assert task.of(POINTER) is task


def test_end_of_the_stream_stops_the_work(pipe):
    reading, writing, close = pipe
    stopped = threading.Event()
    task = StreamTask(reading, io.StringIO(), stopped.set)
    os.write(writing, LINE)
    task.take(1)
    assert not stopped.is_set()
    close(writing)
    assert stopped.wait(60)


def test_no_task_at_all(pipe):
    reading, writing, close = pipe
    close(writing)
    with pytest.raises(NotFoundError, match="no task came"):
        StreamTask(reading, io.StringIO(), lambda: None).take(1)


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b"[]\n",
        b"x\n",
        LINE.replace(b"scratch_key", b"key"),
        LINE.replace(KEY.hex().encode(), b"zz"),
        b"\xff\n",
    ],
)
def test_what_is_no_task_is_refused_without_quoting_it(pipe, line):
    reading, writing, _ = pipe
    os.write(writing, line)
    with pytest.raises(FormatError) as refused:
        StreamTask(reading, io.StringIO(), lambda: None).take(1)
    assert KEY.hex() not in f"{refused.value} {refused.value.why} {refused.value.__cause__}"
    assert refused.value.__suppress_context__


def test_events_are_lines(pipe):
    out = io.StringIO()
    task = StreamTask(pipe[0], out, lambda: None)
    task.send(EVENT)
    task.send(EVENT)
    assert [decode_event(line) for line in out.getvalue().splitlines()] == [EVENT, EVENT]


def test_nobody_reads_events(pipe):
    reading, writing, close = pipe
    out = os.fdopen(os.dup(writing), "w")
    close(reading)
    try:
        with pytest.raises(UnavailableError, match="nobody reads"):
            StreamTask(0, out, lambda: None).send(EVENT)
    finally:
        with pytest.raises(BrokenPipeError):
            out.close()


def test_own_program_is_this_python_with_this_holdfast():
    assert own_command("worker", "run") == [sys.executable, "-m", "holdfast.cli.main", "worker", "run"]


def test_own_program_of_a_bundle_is_its_launcher(tmp_path, monkeypatch):
    (tmp_path / "run.py").write_text("")
    monkeypatch.setattr(holdfast, "__file__", str(tmp_path / "site-packages" / "holdfast" / "__init__.py"))
    assert own_command("x")[1] == "-m", "a stray run.py is no bundle"
    monkeypatch.setattr(
        own_program, "sys", type("Sys", (), {"flags": type("F", (), {"no_site": 1}), "executable": "p"})
    )
    assert own_command("x") == ["p", "-I", "-S", str(tmp_path / "run.py"), "x"]
