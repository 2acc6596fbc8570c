"""The routes of the server: what they ask of it, and what is asked of appliances over them."""

import pytest

from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import ConflictError, NotFoundError, UnavailableError, UsageError
from holdfast.domain.infrastructure import Account
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord, RepositoryRescanOrder
from holdfast.protocol.encoding import from_document, to_document
from holdfast.rest.documents import BODY_LIMIT_BYTES
from holdfast.server.ports.records import TokenKind
from holdfast.testing.sample_records import hex_id, moment, point, policy, session, workload


@pytest.fixture
def command(server):
    """A person's client of the server."""
    return server.client()


def mirror(server, *points):
    changes = tuple(ChangeRecord(n, "point", one.id, to_document(one)) for n, one in enumerate(points, 1))
    server.small.server.sync("one", ChangePage(changes, len(changes)))


def test_the_server_and_its_plugins(command):
    assert command.send("GET", "/server")["server_id"] == "5" * 32
    (aws,) = command.send("GET", "/plugins")
    assert (aws["name"], aws["state"], aws["things"][0]["kind"]) == ("aws", "installed", "stack")
    document = command.send("GET", "/openapi.json")
    assert document["openapi"] == "3.1.0"
    assert document["paths"]["/api/v1/policies/{name}"]["put"]["operationId"] == "apply_policy"


def test_appliances(server, command):
    (one,) = command.send("GET", "/appliances")
    assert one["name"] == "one"
    assert command.send("GET", "/appliances/one") == one
    order = {"name": "two", "url": "https://two:1", "fingerprint": "ab", "code": "c"}
    assert command.send("POST", "/appliances/connect", order)["name"] == "two"
    deployed = command.send("POST", "/appliances/deploy", {"name": "three", "allowed_sources": ["192.0.2.0/24"]})
    assert (deployed["kind"], deployed["subject"]) == ("deploy", "three")
    removed = command.send("DELETE", "/appliances/two", query={"delete": "false"})
    assert removed["kind"] == "remove"
    with pytest.raises(NotFoundError):
        command.send("GET", "/appliances/none")


def test_repositories_are_known_here_and_there(appliance, command):
    order = {"repository": {"name": "vault", "location": "s3://bucket/x"}, "password": "secret"}
    assert command.send("PUT", "/repositories/vault", order)["repository_id"] == "r" * 32
    assert ("vault", "secret") in appliance.appliance.orders
    (listed,) = command.send("GET", "/repositories")
    assert listed == command.send("GET", "/repositories/vault")
    assert "secret" not in str(listed)
    rescanned = command.send("POST", "/repositories/vault/rescan", query={"appliance": "one"})
    assert (rescanned["points"], rescanned["added"], rescanned["elsewhere"]) == (3, 2, 0)
    assert rescanned["warnings"] == ["one is left out"]
    assert appliance.appliance.orders[-2:] == [("vault", "secret"), ("rescan", RepositoryRescanOrder())]
    command.send("POST", "/repositories/vault/rescan", query={"appliance": "one", "accept_ledger": "true"})
    assert ("accept", "vault") in appliance.appliance.orders
    wish = {"wait_minutes": 0, "repack": False, "dry_run": False}
    session = command.send("POST", "/repositories/vault/collect-garbage", wish, {"appliance": "one"})
    assert (session["kind"], session["subject"]) == ("collect-garbage", "vault")
    assert appliance.appliance.orders[-1] == ("vault", CollectionWish(wait_minutes=0, repack=False))
    with pytest.raises(UsageError, match="-1 minutes"):
        command.send("POST", "/repositories/vault/collect-garbage", {"wait_minutes": -1})
    assert command.send("DELETE", "/repositories/vault", query={"forget_points": "true"}) is None
    assert appliance.appliance.orders[-2:] == [("check", "vault", True), ("vault", True)]
    assert appliance.appliance.list_repositories() == []


def test_what_is_passed_on_is_answered_by_the_appliance(appliance, command):
    records = appliance.appliance.records
    assert command.send("PUT", "/accounts/a%20b", {"name": "a b"}, {"appliance": "one"})["name"] == "a b"
    assert records.accounts.get("a b") == Account("a b")
    assert [one["name"] for one in command.send("GET", "/accounts")] == ["a b"]
    assert command.send("POST", "/accounts/a%20b/check")["missing"] == ["ec2:CreateSnapshots"]
    assert command.send("DELETE", "/accounts/a%20b") is None
    records.policies.put(policy(), moment(1))
    assert command.send("POST", "/policies/daily/disable")["enabled"] is False
    assert command.send("POST", "/policies/daily/enable")["enabled"] is True
    assert command.send("GET", "/policies/daily") == command.send("GET", "/policies")[0]
    document = {"apiVersion": "holdfast/v1", "kind": "EC2Policy", "metadata": {"name": "daily"}, "spec": {}}
    assert command.send("PUT", "/policies/daily", document, {"dry_run": "true"})["change"] == "unchanged"
    assert appliance.appliance.orders[-1] == (document, True)
    command.send("POST", "/policies/daily/run", {"targets": ["backup"]})
    assert appliance.appliance.orders[-1] == ("daily", ("backup",))
    assert command.send("POST", "/policies/daily/stop")[0]["state"] == "cancelling"
    assert command.send("DELETE", "/policies/daily") is None
    assert command.send("GET", "/limits", query={"appliance": "one"})[0]["queue"] == "repository"
    order = {"account": "a", "region": "us-east-1", "instance_id": "i-1"}
    assert command.send("POST", "/snapshots", order)["kind"] == "manual-snapshot"
    assert command.send("GET", "/history") == {"keep_days": 90}
    assert command.send("PUT", "/history", {"keep_days": 7}) == {"keep_days": 7}
    assert command.send("GET", "/history") == {"keep_days": 7}
    with pytest.raises(UsageError, match="0 days"):
        command.send("PUT", "/history", {"keep_days": 0})


def test_snapshots_are_rescanned_unless_their_appliance_is_here(server, appliance, command):
    order = {"account": "a", "region": "eu-central-1", "lost_appliance": "f" * 32}
    answer = command.send("POST", "/points/rescan", order)
    assert (answer["points"], answer["added"], answer["incomplete"]) == (3, 2, 1)
    assert appliance.appliance.orders[-1] == ("a", "eu-central-1", "f" * 32)
    command.send("POST", "/points/rescan", {"account": "a", "region": "eu-central-1"})
    assert appliance.appliance.orders[-1] == ("a", "eu-central-1", None)
    here = server.small.records.appliances.get("one").appliance_id
    with pytest.raises(ConflictError, match="is not lost"):
        command.send("POST", "/points/rescan", {**order, "lost_appliance": here})
    assert appliance.appliance.orders[-1] == ("a", "eu-central-1", None)


def test_which_appliance_is_meant(server, command):
    with pytest.raises(NotFoundError):
        command.send("GET", "/limits", query={"appliance": "none"})
    server.small.records.appliances.put(server.small.plugin.appliance("two"))
    with pytest.raises(UsageError) as caught:
        command.send("GET", "/limits")
    assert "one, two" in caught.value.why
    with pytest.raises(UsageError):
        command.send("GET", "/limits", query={"applaince": "one"})


def test_what_concerns_a_point_goes_where_the_point_is(appliance, server, command):
    server.small.records.appliances.put(server.small.plugin.appliance("two"))
    appliance.appliance.records.points.add(point(10), b"")
    mirror(server, point(10))
    found = command.send("GET", f"/points/{hex_id(10)[:31]}")
    assert found["configuration"] == {"instance_type": "t3.micro"}
    assert (found["appliance"], found["point"]["id"]) == ("one", hex_id(10))
    order = {"point": hex_id(10)[:31], "place": "new", "new": {"region": "eu-west-1"}}
    assert command.send("POST", "/restores/instance/plan", order)["objects"][0]["change"] == "create"
    assert appliance.appliance.orders[-1].point == hex_id(10)
    assert appliance.appliance.orders[-1].new.region == "eu-west-1"
    assert command.send("POST", "/restores/volumes", {"point": hex_id(10)})["kind"] == "restore"
    assert command.send("POST", f"/points/{hex_id(10)[:31]}/verify", {"worker_mode": "local"})["kind"] == "verify"
    assert appliance.appliance.orders[-1] == (hex_id(10), "local")
    with pytest.raises(UsageError):
        command.send("POST", f"/points/{hex_id(10)}/verify", {"worker": "local"})
    assert command.send("DELETE", f"/points/{hex_id(10)}")["subject"] == hex_id(10)
    with pytest.raises(UsageError):
        command.send("POST", "/restores/instance", {"place": "new"})
    with pytest.raises(NotFoundError):
        command.send("POST", "/restores/instance", {"point": "abcdef"})


def test_lists_come_in_pages_and_say_whose_each_is(server, command):
    mirror(server, *(point(number, number % 2) for number in range(5)))
    found, before = [], None
    while True:
        query = {"limit": "2"} | ({"before": before} if before else {})
        page = command.send("GET", "/points", query=query)
        found += page["items"]
        before = page["next"]
        if before is None:
            break
    assert [one["id"] for one in found] == [hex_id(number) for number in (4, 3, 2, 1, 0)]
    assert {one["appliance"] for one in found} == {"one"}
    odd = command.send("GET", "/points", query={"workload": workload(1).id, "appliance": "one"})
    assert [one["id"] for one in odd["items"]] == [hex_id(3), hex_id(1)]
    sessions = command.send("GET", "/sessions", query={"kind": "install"})
    assert [(one["subject"], one["appliance"]) for one in sessions["items"]] == [("aws", "")]


def test_sessions_while_the_appliance_is_away(appliance, server, command):
    records = appliance.appliance.records
    records.sessions.open(session(7), [], {})
    changes = appliance.client()
    server.small.server.sync("one", from_document(ChangePage, changes.send("GET", "/changes"), "the page"))
    changes.close()
    listed = command.send("GET", "/sessions", query={"subject": "daily"})["items"]
    assert [(one["id"], one["appliance"]) for one in listed] == [(hex_id(7), "one")]
    assert command.send("POST", f"/sessions/{hex_id(7)}/cancel")["session"]["state"] == "cancelling"
    assert command.send("GET", f"/sessions/{hex_id(7)}/log") == []
    appliance.appliance.trouble = UnavailableError("it ends", why="why", cure="cure")
    detail = command.send("GET", f"/sessions/{hex_id(7)[:31]}")
    assert (detail["appliance"], detail["session"]["state"]) == ("one", "running")


def test_a_service_tells(server):
    service = server.client(server.token(TokenKind.SERVICE, "one"))
    assert service.send("GET", "/appliances/one/sync") == {"usn": 0}
    page = to_document(ChangePage((ChangeRecord(3, "point", hex_id(1), to_document(point(1))),), 3))
    assert service.send("POST", "/appliances/one/sync", page) == {"usn": 3}
    large = to_document(ChangePage((ChangeRecord(4, "policy", "p", {"text": "x" * BODY_LIMIT_BYTES}),), 4))
    assert service.send("POST", "/appliances/one/sync", large) == {"usn": 4}
    report = {"state": "unavailable", "reason": "no answer"}
    assert service.send("POST", "/appliances/one/state", report)["state"] == "unavailable"
