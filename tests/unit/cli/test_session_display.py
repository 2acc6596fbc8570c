"""Sessions as people see them, and who stops looking."""

import subprocess
import sys
from typing import Any, cast

import pytest

from holdfast.cli.session_display import detail_table, follow, named_session, sessions_table
from holdfast.cli.voice import Output, Voice
from holdfast.domain.errors import HoldfastError, IntegrityError, NotAuthenticatedError, UnavailableError

ID = "7d6f1e01433b65bf2d233d95b48072f1"
GOES_ON = "session 7d6f1e01433b goes on; do not start it again: `holdfast session watch 7d6f1e01433b`"
# A command that is sent a signal in the middle, and its end as `main` has it.
INTERRUPTED = """
import contextlib, os, signal, sys, time
from holdfast.cli import interruption
from holdfast.cli.session_display import begun, finish
from holdfast.cli.voice import Output, Voice

when = sys.argv[1]

class Client:
    def send(self, method, path, document=None, query=None):
        if when == "asking" and method == "POST":
            os.kill(os.getpid(), signal.SIGINT)
        return {"id": "7d6f1e01433b65bf2d233d95b48072f1", "session": {"kind": "restore", "state": "running"}}

    def events(self, path):
        with contextlib.suppress(KeyboardInterrupt if when == "hanging" else OSError):
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(600)
        yield

interruption.take_signals()
interruption.UNWINDING_SECONDS.set(1 if when == "hanging" else 600)
try:
    if when == "before":
        os.kill(os.getpid(), signal.SIGINT)
    finish(Client(), Voice(Output.TABLE, no_progress=True), begun(Client(), "POST", "/restores/instance"), wait=True)
except KeyboardInterrupt:
    interruption.end_interrupted()
"""


class _Client:
    """A server that goes away."""

    def __init__(self, end):
        self.end = end

    def send(self, method, path):
        return {"session": {"kind": "policy", "state": "running"}, "tasks": []}

    def events(self, path):
        raise self.end
        yield


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("before", "nothing is half done that counts; the same command may be run again"),
        ("asking", "the server may have begun it: see `holdfast session list` before the same command is run again"),
        ("following", GOES_ON),
        ("hanging", GOES_ON),
    ],
)
def test_who_interrupts_a_command_reads_last_whether_to_run_it_again(when, words):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, when], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, f"interrupted: {words}\n")


@pytest.mark.parametrize("kind", [UnavailableError, NotAuthenticatedError, IntegrityError])
def test_an_error_that_ends_the_following_says_that_the_session_goes_on(kind):
    with pytest.raises(HoldfastError) as caught:
        _follow(kind("gone", why="no route", cure="wait"))
    assert (type(caught.value), caught.value.cure) == (kind, f"wait; {GOES_ON}")


def test_so_does_one_that_nobody_foresaw(capsys):
    with pytest.raises(ValueError, match="no JSON"):
        _follow(ValueError("no JSON"))
    assert capsys.readouterr().err == f"{GOES_ON}\n"


def _follow(end):
    return follow(cast(Any, _Client(end)), Voice(Output.TABLE, no_progress=True), ID)


def session(**changed):
    return {
        "id": ID,
        "kind": "restore",
        "subject": "bf26e9567b547e5b132488846ddbddc3",
        "state": "succeeded",
        "trigger": "person",
        "created_at": "2026-11-25T23:05:29.1Z",
        "ended_at": None,
        "error": None,
        "warnings": [],
        "counts": {},
    } | changed


def test_a_list_for_other_programs_has_whole_ids():
    assert f"restore  {session()['subject']}  succeeded" in sessions_table([session()])


def test_a_session_of_a_restore_point_is_asked_about_by_its_workload():
    task = {"workload": {"id": "i-1", "name": "web"}}
    assert named_session({"session": session(), "tasks": [task]}) == (
        "session 7d6f1e01433b (restore of i-1 (web), succeeded, created 2026-11-25T23:05:29Z)"
    )
    assert "(restore of bf26e9567b54, " in named_session({"session": session(), "tasks": []})


def test_a_state_that_nobody_could_ask_for_says_since_when():
    detail = {"session": session(state="running"), "tasks": [], "as_of": "2026-11-25T23:05:29.000001Z"}
    assert "running when heard of last, 2026-11-25T23:05:29Z: its appliance cannot be asked\n" in detail_table(detail)
    assert "state       running\n" in detail_table(detail | {"as_of": None})


def test_a_result_is_told_by_name_and_sizes_once():
    task: dict[str, Any] = {
        "workload": {"id": "", "name": "web"},
        "state": "succeeded",
        "progress": {"done_bytes": 0, "total_bytes": 0, "read_bytes": 0, "stored_bytes": 0},
        "error": None,
        "warnings": [],
        "workers": [],
        "result": {"restore_point": "bf26", "size_bytes": 9663676416, "volumes": {"sda": "vol-1", "sdb": "vol-2"}},
    }
    table = detail_table({"session": session(), "tasks": [task]})
    assert "task           web\n" in table
    assert "restore point  bf26\n" in table
    assert "volumes        sda vol-1, sdb vol-2\n" in table
    assert "9663676416" not in table
    assert "0 B of 0 B" not in table
