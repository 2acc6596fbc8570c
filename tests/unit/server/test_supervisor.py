"""Processes are kept running: restarts, each later than the one before, and the end of all."""

import time

import pytest

from holdfast.domain.errors import NotAuthenticatedError
from holdfast.plugin_api import ConnectOrder
from holdfast.server.supervisor import LONGEST_RESTART, STEADY, ServiceHealth


@pytest.fixture
def watched(ready):
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    ready.parts.supervisor.look()
    return ready


def state_of(small):
    return small.server.list_plugins()[0].services[0]


def test_it_runs_and_is_shown(watched):
    state = state_of(watched)
    assert (state.name, state.appliance, state.pid) == ("sync", "a", 100)
    assert (state.state, state.restarts) == (ServiceHealth.RUNNING, 0)


def test_one_that_ends_is_started_again_with_a_new_token(watched):
    first = watched.door.tokens["a", "sync"]
    watched.processes.started[0].status = -9
    watched.parts.supervisor.look()
    waiting = state_of(watched)
    assert (waiting.state, waiting.pid, waiting.reason) == (ServiceHealth.WAITING, None, "it ended with status -9")
    watched.later(1)
    watched.parts.supervisor.look()
    assert (state_of(watched).restarts, len(watched.processes.running)) == (1, 1)
    assert watched.server.authenticate(watched.door.tokens["a", "sync"]).appliance == "a"
    with pytest.raises(NotAuthenticatedError):
        watched.server.authenticate(first)


def test_it_waits_longer_each_time_and_forgets_what_was_long_ago(watched):
    gaps = []
    for _ in range(10):
        watched.processes.started[-1].status = 1
        watched.parts.supervisor.look()
        count, began = len(watched.processes.started), watched.now
        while len(watched.processes.started) == count:
            watched.later(0.25)
            watched.parts.supervisor.look()
        gaps.append((watched.now - began).total_seconds())
    assert gaps == sorted(gaps)
    assert gaps[0] == 0.5
    assert gaps[-1] == LONGEST_RESTART.total_seconds()
    watched.later(STEADY.total_seconds())
    watched.processes.started[-1].status = 1
    watched.parts.supervisor.look()
    watched.later(0.5)
    watched.parts.supervisor.look()
    assert len(watched.processes.running) == 1


def test_they_end_with_the_server(watched):
    watched.server.stop()
    assert watched.processes.running == []
    watched.later(60)
    watched.parts.supervisor.look()
    assert watched.processes.running == []


def test_a_new_start_of_the_server_takes_them_up(watched):
    old = watched.door.tokens["a", "sync"]
    again = watched.again()
    again.server.start()
    try:
        again.parts.supervisor.look()
        assert len(again.processes.running) == 1
        with pytest.raises(NotAuthenticatedError):
            again.server.authenticate(old)
    finally:
        again.server.stop()


def test_an_appliance_whose_plugin_has_gone_is_shown_so(watched):
    watched.packages.uninstall("holdfast-aws")
    again = watched.again()
    again.server.start()
    try:
        appliance = again.server.get_appliance("a")
        assert (appliance.state, "not installed" in appliance.reason) == ("unavailable", True)
    finally:
        again.server.stop()


def test_a_fault_of_one_is_said_put_off_and_keeps_no_other_waiting(watched, caplog):
    watched.processes.trouble["a-sync"] = RuntimeError("what nobody foresaw")
    watched.processes.started[0].status = 1
    watched.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))
    watched.parts.supervisor.look()
    watched.later(1)
    watched.parts.supervisor.look()
    ours, others = watched.server.list_plugins()[0].services
    assert (ours.state, ours.pid) == (ServiceHealth.WAITING, None)
    assert ours.reason == "a fault of the program: RuntimeError: what nobody foresaw"
    assert (others.appliance, others.state) == ("b", ServiceHealth.RUNNING)
    assert "service sync of appliance a" in caplog.text
    assert "what nobody foresaw" in caplog.text
    watched.processes.trouble.clear()
    watched.later(0.75)
    watched.parts.supervisor.look()
    assert state_of(watched).pid is None, "it waits longer each time"
    watched.later(1)
    watched.parts.supervisor.look()
    assert (state_of(watched).state, state_of(watched).reason) == (ServiceHealth.RUNNING, "")


def test_one_that_cannot_be_looked_at_is_not_shown_as_well(watched):
    process = watched.processes.started[0]
    looked, process.ended = process.ended, lambda: 1 / 0
    watched.parts.supervisor.look()
    shown = state_of(watched)
    assert (shown.state, shown.pid, "ZeroDivisionError" in shown.reason) == (ServiceHealth.WAITING, 100, True)
    process.ended = looked
    watched.later(1)
    watched.parts.supervisor.look()
    assert (state_of(watched).state, len(watched.processes.started)) == (ServiceHealth.RUNNING, 1)


def test_its_thread_outlives_what_nobody_foresaw(watched):
    watched.processes.trouble["a-sync"] = RuntimeError("what nobody foresaw")
    watched.processes.started[0].status = 1
    watched.parts.supervisor.start()
    try:
        while "nobody foresaw" not in state_of(watched).reason:
            watched.later(0.25)
            time.sleep(0.01)
        watched.processes.trouble.clear()
        while state_of(watched).state != ServiceHealth.RUNNING:
            watched.later(0.25)
            time.sleep(0.01)
    finally:
        watched.ending.set()
        watched.server.stop()
