"""A server that is killed leaves nothing that the next one does not find."""

import threading
import time
from dataclasses import replace

from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import UnavailableError
from holdfast.domain.infrastructure import ApplianceState
from holdfast.domain.session import Session, SessionKind, State
from holdfast.patience import Patience, Waiting
from holdfast.plugin_api import ConnectOrder, DeployOrder
from tests.unit.server.small_server import START
from tests.unit.sleeping_clock import SleepingClock


def killed_while(small, begin):
    """Begin something that hangs in the plug-in, and kill the server."""
    small.plugin.gate.clear()
    calls = len(small.plugin.calls)
    session = begin()
    while len(small.plugin.calls) == calls:
        time.sleep(0.001)
    small.plugin.outlive()
    return session, small.again()


def running(small, kind, subject):
    """A session that a server has begun, and of which nothing else is written yet."""
    session = Session("a" * 32, kind, subject, State.RUNNING, "person", START)
    small.records.sessions.open(session, (), {"plugin": "aws"})
    return session


def recovered(again):
    again.parts.recovery.look()
    again.parts.recovery.run()


def test_what_a_session_waits_for_stands_in_its_log(ready):
    clock = SleepingClock()

    def work(voice):
        patience = Patience(waiting=Waiting(clock.sleep, lambda: 1.0, clock.now))
        for _ in range(7):
            patience.wait_or_raise(UnavailableError("ec2:DescribeImages failed", why="no route", cure="later"))

    session = ready.parts.sessions.start(SessionKind.DEPLOY, "a", work, {})
    ready.parts.sessions.stop()
    assert ready.log(session)[0] == "ec2:DescribeImages failed, which is tried again: no route"
    assert ready.records.sessions.get(session.id).state == State.SUCCEEDED


def test_a_deployment_cut_short_is_cleaned_and_its_session_has_failed(ready):
    session, again = killed_while(ready, lambda: ready.server.deploy_appliance(DeployOrder("a")))
    assert "a" in again.plugin.cloud
    recovered(again)
    assert again.plugin.cloud == {"stack"}
    assert again.server.list_appliances() == []
    ended = again.records.sessions.get(session.id)
    assert (ended.state, ended.error.what) == (State.FAILED, "the session was cut short")
    assert again.records.ledger.open_rows() == []


def test_one_that_was_cancelled_before_has_ended_as_cancelled(ready):
    session, again = killed_while(ready, lambda: ready.server.deploy_appliance(DeployOrder("a")))
    again.server.cancel_session(session.id)
    recovered(again)
    assert again.records.sessions.get(session.id).state == State.CANCELLED
    assert (again.plugin.cloud, again.server.list_appliances()) == ({"stack"}, [])


def test_a_fault_of_the_plugin_keeps_no_other_session_from_being_cleaned(ready, caplog):
    first, again = killed_while(ready, lambda: ready.server.deploy_appliance(DeployOrder("a")))
    second, again = killed_while(again, lambda: again.server.deploy_appliance(DeployOrder("b")))
    clean = again.plugin.clean

    def faulty(session_id, context):
        if session_id == first.id and "b" in again.plugin.cloud:
            raise KeyError("what nobody foresaw")
        clean(session_id, context)

    again.plugin.clean = faulty
    recovered(again)
    assert [again.records.sessions.get(one.id).state for one in (first, second)] == [State.FAILED] * 2
    assert "what nobody foresaw" in caplog.text
    assert again.plugin.cloud == {"stack"}


def test_cleaning_is_tried_until_the_cloud_answers(ready):
    session, again = killed_while(ready, lambda: ready.server.deploy_appliance(DeployOrder("a")))
    again.plugin.trouble["clean"] = UnavailableError("AWS is away", why="no route", cure="later")
    again.parts.recovery.look()
    again.parts.recovery.start()
    while not any("tried again" in line for line in again.log(session)):
        time.sleep(0.001)
    del again.plugin.trouble["clean"]
    again.wait(session)
    assert again.plugin.cloud == {"stack"}


def test_what_a_failed_session_could_not_remove_is_removed_at_the_next_start(ready):
    ready.plugin.trouble |= {
        "deploy": UnavailableError("no answer", why="x", cure="y"),
        "clean": UnavailableError("no answer", why="x", cure="y"),
    }
    ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    ready.plugin.trouble.clear()
    assert "a" in ready.plugin.cloud
    recovered(ready.again())
    assert ready.plugin.cloud == {"stack"}


def test_a_deployment_that_was_done_has_succeeded(ready):
    # All is written but the last line: the session's end.
    session = running(ready, SessionKind.DEPLOY, "a")
    voice = ready.parts.sessions.voice(session.id)
    appliance = ready.plugin.deploy(DeployOrder("a"), ready.parts.plugins.context("aws", voice))
    ready.records.appliances.put(appliance)
    again = ready.again()
    recovered(again)
    assert again.records.sessions.get(session.id).state == State.SUCCEEDED
    assert again.server.get_appliance("a").state == ApplianceState.AVAILABLE
    assert "a" in again.plugin.cloud


def test_an_installation_cut_short_can_be_done_again(small):
    small.packages.put(small.plugin)
    session, again = killed_while(small, lambda: small.server.install_plugin("aws", None, {}))
    recovered(again)
    assert again.records.sessions.get(session.id).state == State.FAILED
    assert again.records.plugins.all() == []
    again.with_plugin()
    assert again.records.plugins.get("aws").state == "installed"


def test_an_upgrade_cut_short_before_it_has_begun_has_not_succeeded(ready):
    """While its distribution is brought, what an earlier session installed stands in the records."""
    session = running(ready, SessionKind.INSTALL, "aws")
    again = ready.again()
    recovered(again)
    ended = again.records.sessions.get(session.id)
    assert (ended.state, ended.error.what) == (State.FAILED, "the session was cut short")
    assert again.records.plugins.get("aws").state == "installed"
    assert "clean" not in again.plugin.calls, "it would remove what the earlier one has made"


def test_an_upgrade_that_was_done_has_succeeded_and_appliances_are_told_of_it(ready):
    ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    install = ready.plugin.install

    def done(context):
        made = install(context)
        ready.plugin.gate.clear()
        return made

    ready.plugin.install = done
    session = ready.server.install_plugin("aws", None, {})
    while ready.plugin.calls[-1] != "tell":
        time.sleep(0.001)
    ready.plugin.outlive()
    ready.plugin.trouble["tell"] = UnavailableError("it does not answer", why="timeout", cure="wait")
    again = ready.again()
    recovered(again)
    assert again.records.sessions.get(session.id).state == State.SUCCEEDED
    assert again.log(session)[-1] == "appliance a does not take on everything: it does not answer: timeout"


def test_a_fault_while_appliances_are_told_keeps_no_session_from_ending(ready, caplog):
    ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    session = running(ready, SessionKind.INSTALL, "aws")
    ready.records.plugins.put(replace(ready.records.plugins.get("aws"), installed_by=session.id))
    ready.plugin.trouble["tell"] = KeyError("what nobody foresaw")
    again = ready.again()
    recovered(again)
    assert again.records.sessions.get(session.id).state == State.SUCCEEDED
    assert again.log(session) == ["appliances were not told of it: KeyError: 'what nobody foresaw'"]
    assert "what nobody foresaw" in caplog.text


def test_a_removal_cut_short_leaves_an_appliance_that_can_be_removed_again(ready):
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    session, again = killed_while(ready, lambda: ready.server.remove_appliance("a", delete=False))
    recovered(again)
    ended = again.records.sessions.get(session.id)
    assert (ended.state, ended.error.what) == (State.FAILED, "the removal of a was cut short")
    assert "removed" not in ended.error.why
    assert again.server.get_appliance("a").state == ApplianceState.UNAVAILABLE
    again.wait(again.server.remove_appliance("a", delete=False))
    assert again.server.list_appliances() == []


def failed(small, kind, subject):
    """A session of before that failed, and whose row is open."""
    session = Session("f" * 32, kind, subject, State.RUNNING, "person", START)
    small.records.sessions.open(session, (), {"plugin": "aws"})
    small.parts.sessions.end(session, UnavailableError("no answer", why="no route", cure="later"))
    return session


def test_what_a_later_installation_made_is_not_taken_for_what_a_failed_one_left(ready):
    session = failed(ready, SessionKind.INSTALL, "aws")
    ready.records.ledger.intend(
        LedgerRow("r" * 32, "stack", "", "eu-west-1", session.id, "stack", 1, "deployment", "t", "", START, None, None)
    )
    again = ready.again()
    recovered(again)
    assert again.plugin.cloud == {"stack"}
    assert "clean" not in again.plugin.calls


def test_what_is_asked_for_while_the_server_starts_is_not_taken_for_what_was_cut_short(ready):
    again = ready.again()
    again.server.prepare()
    again.plugin.gate.clear()
    session = again.server.deploy_appliance(DeployOrder("a"))
    again.server.start()
    while any(one.name == "recovery" for one in threading.enumerate()) and "clean" not in again.plugin.calls:
        time.sleep(0.01)
    assert "clean" not in again.plugin.calls
    again.plugin.gate.set()
    assert again.wait(session).state == State.SUCCEEDED
    again.server.stop()


def test_an_appliance_that_is_known_is_not_taken_for_what_its_failed_deployment_left(ready):
    session = failed(ready, SessionKind.DEPLOY, "a")
    voice = ready.parts.sessions.voice(session.id)
    ready.records.appliances.put(ready.plugin.deploy(DeployOrder("a"), ready.parts.plugins.context("aws", voice)))
    again = ready.again()
    recovered(again)
    assert "a" in again.plugin.cloud
    assert "clean" not in again.plugin.calls
    assert again.server.get_appliance("a").state == ApplianceState.AVAILABLE
