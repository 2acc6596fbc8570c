"""Removals that fail, are asked for twice or were cut short: the appliance is never left half-way."""

from dataclasses import replace

import pytest

from holdfast.domain.errors import CancelledError, ConflictError, NotFoundError, UnavailableError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.domain.session import State
from holdfast.plugin_api import DeployOrder
from holdfast.protocol.appliance_answers import ChangePage

AWAY = UnavailableError("no answer", why="AWS is away", cure="later")


def half_way(small, state):
    """A record that a server has written last of all before it was killed: no session is at it."""
    small.records.appliances.put(replace(small.server.get_appliance("a"), state=state))


def test_a_second_removal_waits_for_the_end_of_the_first(connected):
    connected.plugin.trouble["disconnect"] = AWAY
    connected.plugin.gate.clear()
    session = connected.server.remove_appliance("a", delete=False)
    with pytest.raises(ConflictError, match="is being removed"):
        connected.server.remove_appliance("a", delete=False)
    connected.plugin.gate.set()
    assert connected.wait(session).state == State.FAILED
    assert connected.server.get_appliance("a").state == ApplianceState.AVAILABLE
    connected.plugin.trouble.clear()
    assert connected.wait(connected.server.remove_appliance("a", delete=False)).state == State.SUCCEEDED


def test_a_removal_that_ends_by_a_fault_changes_nothing_either(connected, monkeypatch):
    monkeypatch.setattr("threading.excepthook", lambda told: None)
    connected.plugin.trouble["disconnect"] = KeyError("what nobody foresaw")
    assert connected.wait(connected.server.remove_appliance("a", delete=False)).state == State.FAILED
    appliance = connected.server.get_appliance("a")
    assert appliance.state == ApplianceState.AVAILABLE
    assert appliance.reason == "not removed: KeyError: 'what nobody foresaw'"


def test_a_removal_whose_plugin_goes_meanwhile_changes_nothing_either(connected):
    answers = iter([connected.packages.found()])
    connected.packages.found = lambda: next(answers, [])
    assert connected.wait(connected.server.remove_appliance("a", delete=False)).error.code == "plugin-missing"
    assert connected.server.get_appliance("a").state == ApplianceState.AVAILABLE


def test_one_whose_removal_nobody_ended_can_be_removed_and_never_stays_so(connected):
    half_way(connected, ApplianceState.REMOVING)
    connected.plugin.trouble["disconnect"] = AWAY
    connected.wait(connected.server.remove_appliance("a", delete=False))
    appliance = connected.server.get_appliance("a")
    assert (appliance.state, appliance.reason) == (ApplianceState.UNAVAILABLE, "not removed: no answer")


def test_the_next_start_puts_right_what_no_session_is_at(connected):
    half_way(connected, ApplianceState.REMOVING)
    connected.records.appliances.put(Appliance("b", "aws", "", ApplianceState.DEPLOYING, ""))
    again = connected.again()
    again.parts.recovery.look()
    (appliance,) = again.server.list_appliances()
    shown = (appliance.name, appliance.state, appliance.reason)
    assert shown == ("a", ApplianceState.UNAVAILABLE, "its removal was cut short")


def told(small):
    """How often the appliance was told that it stays."""
    return small.plugin.calls.count("tell")


def test_one_whose_removal_is_cancelled_is_told_that_it_stays(ready):
    """It may have ended its work already, and begins nothing more until it hears so."""
    ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    ready.plugin.trouble["disconnect"] = CancelledError("the session was cancelled", why="asked for", cure="again")
    assert ready.wait(ready.server.remove_appliance("a", delete=True)).state == State.CANCELLED
    appliance = ready.server.get_appliance("a")
    assert (appliance.state, appliance.reason) == (ApplianceState.AVAILABLE, "not removed: the session was cancelled")
    assert told(ready) == 1


def test_one_whose_removal_was_cut_short_is_told_when_it_answers(connected):
    half_way(connected, ApplianceState.REMOVING)
    again = connected.again()
    again.parts.recovery.look()
    assert told(again) == 0
    again.server.report("a", ApplianceState.AVAILABLE, "", None)
    assert (told(again), again.server.get_appliance("a").reason) == (1, "")


def test_one_that_says_that_it_leaves_is_told_until_it_has_heard(connected):
    leaving = ChangePage((), 0, leaving=True)
    connected.plugin.trouble["tell"] = AWAY
    connected.server.sync("a", leaving)
    appliance = connected.server.get_appliance("a")
    assert (appliance.state, "may begin nothing more" in appliance.reason) == (ApplianceState.AVAILABLE, True)
    connected.plugin.trouble.clear()
    connected.server.sync("a", leaving)
    assert (told(connected), connected.server.get_appliance("a").reason) == (2, "")
    connected.server.sync("a", ChangePage((), 0))
    half_way(connected, ApplianceState.REMOVING)
    connected.server.sync("a", leaving)
    assert told(connected) == 2, "one that is removed leaves"


def test_what_has_no_session_is_not_begun(connected, monkeypatch):
    def no_session(*words):
        raise AWAY

    deployments = connected.parts.deployments
    monkeypatch.setattr(connected.parts.sessions, "start", no_session)
    with pytest.raises(UnavailableError):
        deployments.deploy(DeployOrder("b"), "aws", {})
    with pytest.raises(NotFoundError):
        connected.server.get_appliance("b")
    with pytest.raises(UnavailableError):
        deployments.remove("a", delete=False)
    assert connected.server.get_appliance("a").state == ApplianceState.AVAILABLE
