"""Sessions as people see them, and who stops looking."""

from typing import Any, cast

import pytest

from holdfast.cli.session_display import detail_table, follow, sessions_table
from holdfast.cli.voice import Output, Voice
from holdfast.domain.errors import UnavailableError

ID = "7d6f1e01433b65bf2d233d95b48072f1"


class _Client:
    """A server that goes away, or a person who does."""

    def __init__(self, end):
        self.end = end

    def send(self, method, path):
        return {"session": {"kind": "policy", "state": "running"}, "tasks": []}

    def events(self, path):
        raise self.end
        yield


@pytest.mark.parametrize("end", [KeyboardInterrupt(), UnavailableError("gone", why="no route", cure="wait")])
def test_who_stops_looking_learns_that_the_session_does_not_end(end, capsys):
    with pytest.raises(type(end)):
        follow(cast(Any, _Client(end)), Voice(Output.TABLE, no_progress=True), ID)
    assert "`holdfast session watch 7d6f1e01433b`" in capsys.readouterr().err


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
