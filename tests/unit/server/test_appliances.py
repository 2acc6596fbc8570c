"""Appliances: deployed, connected, their states, removed; and what stays when it fails."""

from dataclasses import replace

import pytest

from holdfast.domain.errors import (
    CancelledError,
    CertificateError,
    ConflictError,
    NotFoundError,
    PluginMissingError,
    QuotaReachedError,
    UnavailableError,
    UsageError,
    WrongKeyError,
)
from holdfast.domain.infrastructure import ApplianceState, RepositoryDefinition
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.session import State
from holdfast.domain.workload import Workload, WorkloadKind
from holdfast.plugin_api import ConnectOrder, DeployOrder
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord, PointDetail, RepositoryOrder
from holdfast.protocol.certificates import fingerprint_of
from holdfast.protocol.encoding import to_document
from tests.unit.server.small_server import START, FakeConnection, owned_by_another, pem_of

ORDER = ConnectOrder("a", "https://a:11005", "ff", "code")


def policy_change(usn, name="p"):
    return ChangeRecord(usn, "policy", name, {"name": name})


def test_deploying_takes_the_name_at_once(ready):
    ready.plugin.gate.clear()
    session = ready.server.deploy_appliance(DeployOrder("a"))
    assert ready.server.get_appliance("a").state == ApplianceState.DEPLOYING
    with pytest.raises(ConflictError):
        ready.server.deploy_appliance(DeployOrder("a"))
    with pytest.raises(UnavailableError):
        ready.server.ask_appliance("a", "GET", "/policies")
    ready.plugin.gate.set()
    assert ready.wait(session).state == State.SUCCEEDED
    appliance = ready.server.get_appliance("a")
    assert (appliance.state, appliance.instance_id) == (ApplianceState.AVAILABLE, "i-a")
    assert ready.server.ask_appliance(None, "GET", "/policies") == {}


@pytest.mark.parametrize("error", [QuotaReachedError, CancelledError])
def test_a_deployment_that_fails_leaves_nothing(ready, error):
    ready.plugin.trouble["deploy"] = error("no room", why="VcpuLimitExceeded", cure="ask for more")
    session = ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    assert session.state == (State.CANCELLED if error is CancelledError else State.FAILED)
    assert session.error.cure == "ask for more"
    assert ready.plugin.cloud == {"stack"}
    assert ready.server.list_appliances() == []
    assert ready.records.ledger.open_rows() == []


def test_a_cancelled_deployment_hears_it(ready):
    heard = []
    ready.plugin.gate.clear()
    deploy = ready.plugin.deploy

    def listening(order, context):
        heard.append(context.cancelled)
        return deploy(order, context)

    ready.plugin.deploy = listening
    session = ready.server.deploy_appliance(DeployOrder("a"))
    ready.server.cancel_session(session.id)
    ready.plugin.gate.set()
    ready.wait(session)
    assert heard[0]()


def test_names_are_checked(ready):
    with pytest.raises(UsageError):
        ready.server.deploy_appliance(DeployOrder("../a"))


def test_connecting_pins_and_follows(connected):
    appliance = connected.server.get_appliance("a")
    assert (appliance.state, appliance.certificate) == (ApplianceState.AVAILABLE, pem_of("a"))
    connected.parts.supervisor.look()
    assert [one.arguments for one in connected.processes.running] == [("-m", "fake.sync", "--appliance", "a")]
    with pytest.raises(ConflictError):
        connected.server.connect_appliance(ORDER)


def test_a_certificate_that_changed_closes_the_way_until_it_is_accepted(connected):
    connected.server.report("a", ApplianceState.CERTIFICATE_CHANGED, "it changed", pem_of("new"))
    with pytest.raises(CertificateError) as refused:
        connected.server.ask_appliance("a", "GET", "/policies")
    assert "accept-certificate a" in refused.value.cure
    compared = fingerprint_of(pem_of("new"))
    assert connected.server.accept_certificate("a", compared.upper()).certificate == pem_of("new")
    assert connected.server.get_appliance("a").state == ApplianceState.AVAILABLE
    assert connected.server.ask_appliance("a", "GET", "/policies") == {}
    with pytest.raises(ConflictError, match="no other certificate"):
        connected.server.accept_certificate("a", compared)


def test_no_certificate_is_accepted_but_the_one_that_was_compared(connected):
    """Another one may be offered by the time that a person has compared the first."""
    connected.server.report("a", ApplianceState.CERTIFICATE_CHANGED, "it changed", pem_of("new"))
    connected.server.report("a", ApplianceState.CERTIFICATE_CHANGED, "it changed", pem_of("somebody"))
    with pytest.raises(ConflictError) as refused:
        connected.server.accept_certificate("a", fingerprint_of(pem_of("new")))
    assert fingerprint_of(pem_of("somebody")) in refused.value.why
    appliance = connected.server.get_appliance("a")
    assert (appliance.state, appliance.certificate) == (ApplianceState.CERTIFICATE_CHANGED, pem_of("a"))


def test_unavailable_is_told_and_left(connected):
    connected.server.report("a", ApplianceState.UNAVAILABLE, "no route", None)
    assert connected.server.get_appliance("a").reason == "no route"
    connected.server.report("a", ApplianceState.AVAILABLE, "", None)
    assert connected.server.get_appliance("a").state == ApplianceState.AVAILABLE


def test_one_that_obeys_another_server_can_be_connected_again(connected):
    connected.server.report("a", ApplianceState.OWNED_BY_ANOTHER, str(owned_by_another()), None)
    with pytest.raises(ConflictError):
        connected.server.ask_appliance("a", "GET", "/policies")
    again = replace(ORDER, fingerprint=fingerprint_of(pem_of("a")))
    assert connected.server.connect_appliance(again).state == ApplianceState.AVAILABLE


def test_an_appliance_has_one_name(connected):
    """Under another one each of its points would be there twice. It is not enrolled before that is found."""
    twin = replace(ORDER, name="b", fingerprint=fingerprint_of(pem_of("a")).upper())
    before = connected.plugin.calls.count("connect")
    with pytest.raises(ConflictError, match="is appliance a already"):
        connected.server.connect_appliance(twin)
    assert connected.plugin.calls.count("connect") == before

    # Where its certificate is not known here, it says itself who it is.
    connected.plugin.connect = lambda order, context: replace(connected.plugin.appliance("b"), appliance_id="aa")
    with pytest.raises(ConflictError, match="is appliance a already"):
        connected.server.connect_appliance(replace(twin, fingerprint="ff"))
    assert [one.name for one in connected.server.list_appliances()] == ["a"]


def test_another_appliance_is_not_enrolled_under_a_name_that_is_taken(connected):
    connected.server.report("a", ApplianceState.OWNED_BY_ANOTHER, str(owned_by_another()), None)
    before = connected.plugin.calls.count("connect")
    with pytest.raises(ConflictError, match="an appliance a already"):
        connected.server.connect_appliance(replace(ORDER, fingerprint=fingerprint_of(pem_of("b"))))
    assert connected.plugin.calls.count("connect") == before


def test_a_service_cannot_say_what_only_the_server_does(connected):
    with pytest.raises(UsageError):
        connected.server.report("a", ApplianceState.REMOVING, "", None)


def test_changes_are_mirrored_and_collected_anew(connected):
    server = connected.server
    assert server.sync("a", ChangePage((policy_change(1), policy_change(2, "q")), 2)) == 2
    assert server.synced_usn("a") == 2
    assert len(connected.records.mirror.documents("policy", "a")) == 2
    server.rescan_appliance("a")
    assert server.synced_usn("a") == 0
    assert connected.records.mirror.documents("policy", "a") == []


def test_an_appliance_that_counts_less_is_read_from_the_beginning(connected):
    connected.server.sync("a", ChangePage((policy_change(7),), 7))
    assert connected.server.sync("a", ChangePage((), 3)) == 0


def test_which_appliance_is_meant(connected):
    connected.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))
    with pytest.raises(UsageError, match="not said") as refused:
        connected.server.ask_appliance(None, "GET", "/policies")
    assert "a, b" in refused.value.why


def test_points_of_one_that_is_here_are_taken_over_by_nobody(connected):
    one = connected.server.get_appliance("a")
    assert one.appliance_id
    with pytest.raises(ConflictError, match="is not lost") as refusal:
        connected.server.check_is_lost(one.appliance_id)
    assert "appliance remove a" in refusal.value.cure
    connected.server.check_is_lost("f" * 32)


def test_removing_lets_go(connected):
    connected.parts.supervisor.look()
    token = connected.door.tokens["a", "sync"]
    assert connected.server.authenticate(token).appliance == "a"
    assert connected.wait(connected.server.remove_appliance("a", delete=False)).state == State.SUCCEEDED
    with pytest.raises(NotFoundError):
        connected.server.get_appliance("a")
    assert connected.processes.running == []
    assert connected.door.forgotten == ["a"]
    with pytest.raises(Exception, match="does not know"):
        connected.server.authenticate(token)


@pytest.mark.parametrize("delete", [True, False])
def test_an_instance_that_stays_is_named(ready, delete):
    ready.wait(ready.server.deploy_appliance(DeployOrder("a")))
    session = ready.server.remove_appliance("a", delete=delete)
    ready.wait(session)
    assert any("i-a stays" in line for line in ready.log(session)) != delete


def test_only_what_was_deployed_from_here_is_deleted(ready):
    ready.server.connect_appliance(ORDER)
    with pytest.raises(ConflictError):
        ready.server.remove_appliance("a", delete=True)
    ready.wait(ready.server.deploy_appliance(DeployOrder("b")))
    ready.wait(ready.server.remove_appliance("b", delete=True))
    assert ready.plugin.cloud == {"stack"}


def test_a_removal_that_fails_changes_nothing(connected):
    connected.plugin.trouble["disconnect"] = UnavailableError("no answer", why="AWS is away", cure="later")
    session = connected.wait(connected.server.remove_appliance("a", delete=False))
    assert session.state == State.FAILED
    assert connected.server.get_appliance("a").state == ApplianceState.AVAILABLE


def test_a_server_that_knows_no_cloud_says_so_of_points_too(small):
    with pytest.raises(PluginMissingError, match="plug-in aws is not installed"):
        small.server.get_point("a" * 32)


@pytest.mark.parametrize("trouble", [NotFoundError, UnavailableError, CertificateError, ConflictError])
def test_a_point_that_nobody_knows_is_not_found(connected, trouble):
    connected.plugin.answers["GET", f"/points/{'a' * 32}"] = trouble("not here", why="no row", cure="list them")
    with pytest.raises(NotFoundError):
        connected.server.get_point("a" * 32)


@pytest.mark.parametrize(("asked", "there"), [(None, True), ("a", True), ("b", False)])
def test_a_point_that_the_mirror_has_not_heard_of_is_asked_for(connected, asked, there):
    """A session that ended just now has told of it."""
    workload = Workload(WorkloadKind.EC2_INSTANCE, "own", "eu-central-1", "i-1")
    point = RestorePoint("b" * 32, PointKind.SNAPSHOT, workload, "p", START, 1)
    connected.plugin.answers["GET", f"/points/{point.id}"] = to_document(PointDetail(point, {"type": "t3.micro"}))
    if there:
        assert connected.server.get_point(point.id, asked) == ("a", PointDetail(point, {"type": "t3.micro"}))
    else:
        with pytest.raises(NotFoundError):
            connected.server.get_point(point.id, asked)


def test_an_id_is_no_path(connected):
    connected.plugin.answers["GET", "/points/..%2Faccounts%3Fx"] = NotFoundError("not here", why="no row", cure="list")
    with pytest.raises(NotFoundError):
        connected.server.get_point("../accounts?x")
    assert ("a", "GET", "/points/..%2Faccounts%3Fx", None) in connected.plugin.asked


def test_what_is_removed_while_it_is_told_something_does_not_come_back(connected, monkeypatch):
    """Pushing repositories takes its time; what is refused is said of an appliance that is still known."""
    connected.server.put_repository(RepositoryOrder(RepositoryDefinition("r", "s3://bucket/r"), "secret"))
    connected.server.report("a", ApplianceState.UNAVAILABLE, "no route", None)

    def refuse(*_words):
        connected.parts.register.forget("a")
        raise WrongKeyError("r does not open", why="no slot", cure="x")

    monkeypatch.setattr(FakeConnection, "send", refuse)
    with pytest.raises(NotFoundError):
        connected.server.report("a", ApplianceState.AVAILABLE, "", None)
    assert connected.server.list_appliances() == []
