"""Which plug-ins are used, and what becomes of those that are not."""

import pytest

from holdfast.domain.errors import (
    ConflictError,
    PermissionDeniedError,
    PluginContractError,
    PluginMissingError,
    UnavailableError,
)
from holdfast.domain.infrastructure import ApplianceState
from holdfast.domain.session import State
from holdfast.plugin_api import DeployOrder
from tests.unit.server.small_server import FakePlugin


def only(reports):
    assert len(reports) == 1
    return reports[0]


def test_without_a_plugin_every_verb_says_how_to_install_it(small):
    for verb in (
        lambda: small.server.deploy_appliance(DeployOrder("a")),
        lambda: small.server.remove_plugin("aws"),
        lambda: small.server.ask_appliance(None, "GET", "/policies"),
        lambda: small.server.connect_appliance(DeployOrder("a")),
    ):
        with pytest.raises(PluginMissingError) as refused:
            verb()
        assert refused.value.cure == "run `holdfast plugin install aws`"


def test_one_that_is_there_is_available_until_it_is_installed(small):
    small.packages.put(small.plugin)
    assert only(small.server.list_plugins()).state == "available"
    with pytest.raises(PluginMissingError):
        small.server.deploy_appliance(DeployOrder("a"))
    session = small.wait(small.server.install_plugin("aws", None, {}))
    assert session.state == State.SUCCEEDED
    report = only(small.server.list_plugins())
    assert (report.state, report.version, report.contract) == ("installed", "1.0", 1)
    assert [thing.name for thing in report.things] == ["holdfast-1"]
    assert small.log(session)[-1] == "aws: stack holdfast-1"


def test_its_distribution_is_brought_and_the_checksum_shown(small):
    small.packages.shelf["aws"] = (small.plugin, 1)
    session = small.wait(small.server.install_plugin("aws", "folder", {}))
    assert session.state == State.SUCCEEDED
    assert small.log(session)[0] == f"holdfast-aws 1.0 from folder, SHA-256 {'ab' * 32}"
    assert only(small.server.list_plugins()).source == "folder"


@pytest.mark.parametrize("where", ["group", "facts"])
def test_one_for_another_contract_is_refused_and_never_called(small, where):
    plugin = FakePlugin(contract=2 if where == "facts" else 1)
    small.packages.put(plugin, contract=2 if where == "group" else 1)
    report = only(small.server.list_plugins())
    assert report.state == "refused"
    assert "version 2 of the plug-in contract, this server has version 1" in report.reason
    session = small.wait(small.server.install_plugin("aws", None, {}))
    assert session.state == State.FAILED
    assert session.error.code == PluginContractError.code
    assert plugin.calls == []
    assert small.packages.loaded == ([] if where == "group" else ["aws"])


def test_a_wheel_for_another_contract_is_not_even_installed(small):
    small.packages.shelf["aws"] = (small.plugin, 2)
    session = small.wait(small.server.install_plugin("aws", None, {}))
    assert session.error.code == "plugin-contract"
    assert small.packages.plugins == {}


def test_one_that_cannot_be_imported_is_listed_with_the_reason(small):
    def load():
        raise ImportError("no module named nothing")

    small.packages.put(small.plugin)
    entry = small.packages.plugins["aws"]
    small.packages.plugins["aws"] = type(entry)("aws", entry.distribution, "1.0", 1, load)
    report = only(small.server.list_plugins())
    assert (report.state, report.reason) == ("refused", "it cannot be loaded: ImportError: no module named nothing")


def test_an_installation_that_fails_leaves_nothing(small):
    small.packages.put(small.plugin)
    small.plugin.trouble["install"] = PermissionDeniedError("denied", why="iam:CreateRole", cure="allow it")
    session = small.wait(small.server.install_plugin("aws", None, {}))
    assert (session.state, session.error.code, session.error.cure) == (State.FAILED, "permission-denied", "allow it")
    assert small.records.plugins.all() == []
    assert only(small.server.list_plugins()).state == "available"


def test_an_upgrade_that_fails_leaves_the_old_one(ready):
    ready.plugin.trouble["install"] = PermissionDeniedError("denied", why="x", cure="y")
    ready.wait(ready.server.install_plugin("aws", None, {}))
    assert only(ready.server.list_plugins()).state == "installed"
    assert ready.records.plugins.get("aws").settings == {"stack": "holdfast-1"}


def told(ready):
    return [asked for asked in ready.plugin.asked if asked[1] == "tell"]


def test_appliances_are_told_of_an_upgrade_at_once_or_when_they_are_back(ready):
    for name in ("a", "b", "c"):
        ready.wait(ready.server.deploy_appliance(DeployOrder(name)))
    ready.server.report("b", ApplianceState.UNAVAILABLE, "no route", None)
    assert told(ready) == []
    ready.wait(ready.server.install_plugin("aws", None, {}))
    assert told(ready) == [("a", "tell", "", "holdfast-1"), ("c", "tell", "", "holdfast-1")]
    ready.server.report("b", ApplianceState.AVAILABLE, "", None)
    assert told(ready)[2:] == [("b", "tell", "", "holdfast-1")]


def test_what_an_appliance_refuses_to_hear_of_an_upgrade_is_shown(ready):
    ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    ready.plugin.trouble["tell"] = UnavailableError("it does not answer", why="timeout", cure="wait")
    session = ready.wait(ready.server.install_plugin("aws", None, {}))
    assert session.state == State.SUCCEEDED
    assert ready.server.get_appliance("a").reason == "it does not answer: timeout"
    assert any(
        "does not take on everything" in line.message for line in ready.records.sessions.lines(session.id, 0, 100)
    )


def test_removing_takes_everything_away(ready):
    assert ready.wait(ready.server.remove_plugin("aws")).state == State.SUCCEEDED
    assert ready.plugin.cloud == set()
    assert ready.server.list_plugins() == []


def test_removing_is_refused_while_an_appliance_needs_it(ready):
    ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    with pytest.raises(ConflictError, match="in use"):
        ready.server.remove_plugin("aws")


def test_what_it_put_into_the_cloud_may_not_be_seen_now(ready):
    ready.plugin.trouble["things"] = PermissionDeniedError(
        "cloudformation:DescribeStacks was refused", why="x", cure="y"
    )
    report = only(ready.server.list_plugins())
    assert (report.state, report.things) == ("installed", ())
    assert "DescribeStacks" in report.reason


def test_one_whose_distribution_has_gone_is_missing(ready):
    ready.packages.uninstall("holdfast-aws")
    assert only(ready.server.list_plugins()).state == "missing"
    with pytest.raises(PluginMissingError):
        ready.server.deploy_appliance(DeployOrder("a"))


def test_a_second_plugin_goes_through_the_same_door(ready):
    other = FakePlugin("tin")
    ready.packages.shelf["tin"] = (other, 1)
    assert ready.wait(ready.server.install_plugin("tin", None, {})).state == State.SUCCEEDED
    assert ready.wait(ready.server.deploy_appliance(DeployOrder("b"), plugin="tin")).state == State.SUCCEEDED
    assert ready.server.get_appliance("b").plugin == "tin"
    assert [report.name for report in ready.server.list_plugins()] == ["aws", "tin"]


@pytest.mark.parametrize(("source", "version"), [(None, "2.0"), ("folder", "1.0")])
def test_one_that_came_with_the_server_follows_the_server_s(small, source, version):
    small.packages.shelf["aws"] = (small.plugin, 1)
    small.wait(small.server.install_plugin("aws", source, {}))
    small.packages.version = "2.0"
    small.wait(small.server.install_plugin("aws", None, {}))
    assert small.packages.plugins["aws"].version == version
