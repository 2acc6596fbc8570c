"""What a person at a terminal is asked before a server does it: what it is about, after all that should be known."""

import io
import sys

import pytest

from holdfast.cli import main
from holdfast.domain.restore import Change, PlannedObject, RestorePlan
from holdfast.domain.session import State
from holdfast.protocol.appliance_answers import ChangePage
from holdfast.protocol.encoding import from_document
from holdfast.testing.sample_records import hex_id, point, session, task, workload

WEB = f"{workload(1).id} (machine-1)"
POINT = f"restore point {hex_id(10)[:12]} (image-backup of {WEB}, created 2026-"
WARNING = "the volumes are written over"


class Terminal(io.StringIO):
    """Where somebody types, or reads."""

    def isatty(self):
        return True


class Person:
    """Somebody at a terminal, who types words and an answer, and reads what is said."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch

    def call(self, *words, answer=""):
        said = Terminal()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", Terminal(answer))
            patch.setattr(sys, "stderr", said)
            return main.run(list(words)), said.getvalue()


@pytest.fixture
def person(monkeypatch, server, appliance, tmp_path):
    records = appliance.appliance.records
    records.points.add(point(10), b"")
    records.sessions.open(session(1), [task(2, 1)], {})
    owner = appliance.client()
    page = from_document(ChangePage, owner.send("GET", "/changes"), "the page")
    owner.close()
    server.small.server.sync("one", page)
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(server.certificate)
    monkeypatch.setenv("HOLDFAST_SERVER", server.url)
    monkeypatch.setenv("HOLDFAST_TOKEN", server.token())
    monkeypatch.setenv("HOLDFAST_SERVER_CERTIFICATE", str(certificate))
    return Person(monkeypatch)


def test_a_point_is_deleted_by_what_it_is_of_and_when_it_was_made(person, appliance):
    deleted = []

    def delete(point_id):
        deleted.append(point_id)
        return session(3)

    appliance.appliance.delete_point = delete
    words = ("point", "delete", hex_id(10)[:31], "--no-wait")
    status, said = person.call(*words, answer="n\n")
    assert (status, deleted) == (2, [])
    assert f"delete {POINT}" in said
    assert person.call(*words, answer="y\n")[0] == 0
    assert person.call(*words, "--yes")[0] == 0
    assert deleted == [hex_id(10)] * 2


def test_an_instance_is_stopped_when_everything_that_should_be_known_was_said(person, appliance):
    stop = PlannedObject(Change.STOP, "instance", workload(1).id)
    appliance.appliance.plan_restore = lambda order: RestorePlan((stop,), (WARNING,))
    words = ("restore", "instance", hex_id(10)[:31], "--no-wait")
    status, said = person.call(*words, answer="n\n")
    assert (status, appliance.appliance.orders) == (2, [])
    question = f"stop {workload(1).id} and exchange its volumes for those of {POINT}"
    assert 0 < said.index(WARNING) < said.index(question)
    assert person.call(*words, answer="y\n")[0] == 0
    (order,) = appliance.appliance.orders
    assert (order.point, order.replace) == (hex_id(10), True)


def test_runs_of_a_policy_are_cancelled_only_with_a_yes(person, appliance):
    stopped = []

    def stop(name):
        stopped.append(name)
        return [session(1, State.CANCELLING, name)]

    appliance.appliance.stop_policy = stop
    status, said = person.call("policy", "stop", "daily", answer="n\n")
    assert (status, stopped) == (2, [])
    assert "cancel all runs of policy daily that are under way? [y/N]" in said
    assert person.call("policy", "stop", "daily", answer="y\n")[0] == 0
    assert person.call("policy", "stop", "daily", "--yes")[0] == 0
    assert stopped == ["daily"] * 2


def test_a_session_is_cancelled_by_what_it_does(person, appliance):
    sessions = appliance.appliance.records.sessions
    status, said = person.call("session", "cancel", hex_id(1)[:31], answer="n\n")
    assert status == 2
    assert f"cancel session {hex_id(1)[:12]} (policy of daily, running, created 2026-" in said
    assert sessions.get(hex_id(1)).state == State.RUNNING
    assert person.call("session", "cancel", hex_id(1)[:31], answer="y\n")[0] == 0
    assert sessions.get(hex_id(1)).state == State.CANCELLING


def test_who_watches_a_session_that_there_is_not_reads_nothing_of_one_that_goes_on(person):
    status, said = person.call("session", "watch", "abcdef")
    assert status == 4
    assert "goes on" not in said
