"""Repositories: sealed here, known to every appliance, also to those that were away."""

import threading
from dataclasses import replace

import pytest

from holdfast.domain.errors import (
    ConflictError,
    NotFoundError,
    PluginMissingError,
    UnavailableError,
    UsageError,
    WrongKeyError,
)
from holdfast.domain.infrastructure import ApplianceState, RepositoryDefinition
from holdfast.plugin_api import ConnectOrder
from holdfast.protocol.appliance_answers import (
    ChangePage,
    ChangeRecord,
    RepositoryOrder,
    RepositoryRescanned,
    RepositoryRescanOrder,
)
from holdfast.protocol.encoding import to_document, to_json
from holdfast.rest.documents import BODY_LIMIT_BYTES
from holdfast.server.points_elsewhere import orders_without
from holdfast.testing.sample_records import hex_id, point
from tests.unit.server.small_server import FakeConnection

ORDER = RepositoryOrder(RepositoryDefinition("r", "s3://bucket/r"), "secret")


@pytest.fixture
def connected(ready):
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    return ready


def pushed(small, name="r"):
    return [asked[3] for asked in small.plugin.asked if asked[1:3] == ("PUT", f"/repositories/{name}")]


def test_a_password_is_kept_sealed_and_pushed(connected):
    kept = connected.server.put_repository(ORDER)
    assert kept.repository_id == "r" * 8
    assert connected.records.repositories.sealed_password("r") == b"repository password:terces"
    assert pushed(connected)[-1]["password"] == "secret"
    for file in connected.folder.glob("server.sqlite*"):
        assert b"secret" not in file.read_bytes()


def test_one_that_does_not_open_is_not_kept(connected):
    connected.plugin.answers["PUT", "/repositories/r"] = WrongKeyError(
        "wrong", why="no slot opens", cure="the right one"
    )
    with pytest.raises(WrongKeyError):
        connected.server.put_repository(ORDER)
    assert connected.server.list_repositories() == []


REFUSED = ConflictError("r is another one", why="points name it", cure="another name")


@pytest.mark.parametrize("trouble", [REFUSED, UnavailableError("b is away", why="no answer in time", cure="later")])
def test_what_one_refuses_is_taken_back_from_those_that_took_it(connected, trouble):
    connected.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))

    def told_since(begin):
        return [asked for asked in connected.plugin.asked[begin:] if asked[2] == "/repositories/r"]

    connected.plugin.trouble_of["b", "PUT", "/repositories/r"] = trouble
    with pytest.raises(type(trouble)):
        connected.server.put_repository(ORDER)
    away = [("b", "DELETE")] if isinstance(trouble, UnavailableError) else []
    assert [asked[:2] for asked in told_since(0)] == [("a", "PUT"), ("b", "PUT"), ("a", "DELETE"), *away]
    assert connected.server.list_repositories() == []

    del connected.plugin.trouble_of["b", "PUT", "/repositories/r"]
    connected.server.put_repository(ORDER)
    begin = len(connected.plugin.asked)
    connected.plugin.trouble_of["b", "PUT", "/repositories/r"] = trouble
    moved = RepositoryOrder(RepositoryDefinition("r", "s3://elsewhere/r"), "other")
    with pytest.raises(type(trouble)):
        connected.server.put_repository(moved)
    a_has = [asked[3] for asked in told_since(begin) if asked[0] == "a"][-1]
    assert (a_has["repository"]["location"], a_has["password"]) == ("s3://bucket/r", "secret")
    assert connected.server.get_repository("r").location == "s3://bucket/r"


def test_who_cannot_be_given_back_what_it_had_is_named(connected):
    connected.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))
    connected.plugin.trouble_of["b", "PUT", "/repositories/r"] = REFUSED
    connected.plugin.trouble_of["a", "DELETE", "/repositories/r"] = AWAY
    with pytest.raises(ConflictError, match="is another one") as refused:
        connected.server.put_repository(ORDER)
    assert refused.value.why.endswith("; appliance a may keep it: away")

    # The server does not know it, and lets it be removed where it is.
    del connected.plugin.trouble_of["a", "DELETE", "/repositories/r"]
    unknown = NotFoundError("no r", why="never added", cure="none")
    for method, path in (("POST", CHECK), ("DELETE", "/repositories/r")):
        connected.plugin.trouble_of["b", method, path] = unknown
    connected.server.remove_repository("r")
    assert [asked[0] for asked in connected.plugin.asked if asked[1] == "DELETE"] == ["a", "a", "b"]
    for method, path in (("POST", CHECK), ("DELETE", "/repositories/r")):
        connected.plugin.trouble_of["a", method, path] = unknown
    with pytest.raises(NotFoundError, match="repository r"):
        connected.server.remove_repository("r")


def test_an_appliance_that_comes_later_learns_of_it(ready):
    ready.server.put_repository(ORDER)
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    assert pushed(ready)[-1]["password"] == "secret"


def test_one_that_was_away_learns_of_it_when_it_is_back(connected):
    connected.server.report("a", ApplianceState.UNAVAILABLE, "no route", None)
    connected.server.put_repository(ORDER)
    assert pushed(connected) == []
    connected.server.report("a", ApplianceState.AVAILABLE, "", None)
    assert len(pushed(connected)) == 1


def test_editing_keeps_the_password(connected):
    connected.server.put_repository(ORDER)
    changed = RepositoryDefinition("r", "s3://bucket/r", description="of the north", task_limit=2)
    connected.server.put_repository(RepositoryOrder(changed))
    assert pushed(connected)[-1]["password"] == "secret"
    assert connected.server.get_repository("r").task_limit == 2


CHECK = "/repositories/r/check-removal"
IN_USE = ConflictError("repository r is in use", why="a policy names it", cure="change it first")
AWAY = UnavailableError("away", why="no route", cure="later")


@pytest.mark.parametrize("trouble", [IN_USE, AWAY])
def test_nothing_is_forgotten_before_all_appliances_agree(connected, trouble):
    """Points that one of them had forgotten would not come back with the repository."""
    connected.server.put_repository(ORDER)
    connected.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))
    before = len(connected.plugin.asked)
    connected.plugin.trouble_of["b", "POST", CHECK] = trouble
    with pytest.raises(type(trouble)):
        connected.server.remove_repository("r", forget_points=True)
    assert [asked[:3] for asked in connected.plugin.asked[before:]] == [(one, "POST", CHECK) for one in "ab"]
    assert connected.server.get_repository("r")
    del connected.plugin.trouble_of["b", "POST", CHECK]
    connected.server.remove_repository("r")
    with pytest.raises(NotFoundError):
        connected.server.get_repository("r")


@pytest.mark.parametrize(("method", "path"), [("POST", CHECK), ("DELETE", "/repositories/r")])
def test_an_appliance_that_does_not_know_it_is_no_obstacle_to_removing_it(connected, method, path):
    """It had refused it; or it forgot it, and the next appliance could not be asked."""
    connected.server.put_repository(ORDER)
    connected.plugin.answers[method, path] = PluginMissingError("no plug-in", why="gone", cure="install")
    with pytest.raises(PluginMissingError):
        connected.server.remove_repository("r")
    connected.plugin.answers[method, path] = NotFoundError("no r", why="never added", cure="none")
    connected.server.remove_repository("r")
    assert connected.server.list_repositories() == []


def test_one_that_is_needed_after_all_stays_with_all_of_them(connected):
    connected.server.put_repository(ORDER)
    connected.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))
    before = len(pushed(connected))
    connected.plugin.trouble_of["b", "DELETE", "/repositories/r"] = IN_USE
    with pytest.raises(ConflictError):
        connected.server.remove_repository("r")
    assert connected.server.get_repository("r")
    again = [asked for asked in connected.plugin.asked if asked[1:3] == ("PUT", "/repositories/r")][before:]
    assert [(asked[0], asked[3]["password"]) for asked in again] == [("a", "secret")], "a had forgotten it already"


def test_that_points_shall_be_forgotten_is_passed_on(connected):
    connected.server.put_repository(ORDER)
    connected.server.remove_repository("r", forget_points=True)
    assert connected.plugin.queries[-2:] == [{"forget_points": "true"}] * 2


def test_two_ways_in_are_refused(connected):
    with pytest.raises(UsageError):
        connected.server.put_repository(RepositoryOrder(RepositoryDefinition("r", "s3://b/r", kms=True), "secret"))


def test_what_an_appliance_refuses_is_shown_beside_it(ready):
    ready.server.put_repository(ORDER)
    ready.plugin.answers["PUT", "/repositories/r"] = WrongKeyError("r does not open", why="no slot", cure="x")
    appliance = ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    assert (appliance.state, appliance.reason) == (ApplianceState.AVAILABLE, "repository r: r does not open: no slot")


def test_what_an_appliance_refuses_stays_shown_until_it_takes_it(ready):
    ready.server.put_repository(ORDER)
    ready.plugin.answers["PUT", "/repositories/r"] = WrongKeyError("r does not open", why="no slot", cure="x")
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    ready.server.report("a", ApplianceState.AVAILABLE, "", None)
    assert ready.server.get_appliance("a").reason == "repository r: r does not open: no slot"
    ready.plugin.answers["PUT", "/repositories/r"] = to_document(replace(ORDER.repository, repository_id="7a"))
    ready.server.put_repository(ORDER)
    assert ready.server.get_appliance("a").reason == ""


def test_the_first_appliance_that_opens_it_says_which_it_is(ready):
    ready.server.put_repository(ORDER)
    assert ready.server.get_repository("r").repository_id == ""
    ready.plugin.answers["PUT", "/repositories/r"] = to_document(replace(ORDER.repository, repository_id="7a"))
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    assert ready.server.get_repository("r").repository_id == "7a"
    assert ready.parts.records.repositories.sealed_password("r") is not None


def test_the_server_is_a_witness_of_how_a_repository_was_seen(connected):
    def answer(seen):
        connected.plugin.answers["PUT", "/repositories/r"] = to_document(replace(ORDER.repository, seen=seen))

    answer("first")
    connected.server.put_repository(ORDER)
    assert connected.server.get_repository("r").seen == "first"
    answer("second")
    connected.server.put_repository(RepositoryOrder(replace(ORDER.repository, description="d", seen="a lie"), "secret"))
    assert pushed(connected)[-1]["repository"]["seen"] == "first"
    assert connected.server.get_repository("r").seen == "second"
    moved = RepositoryDefinition("r", "s3://elsewhere/r")
    connected.plugin.answers["PUT", "/repositories/r"] = to_document(moved)
    connected.server.put_repository(RepositoryOrder(moved, "secret"))
    assert pushed(connected)[-1]["repository"]["seen"] == ""


def test_accepting_a_ledger_forgets_what_was_seen(connected):
    connected.plugin.answers["PUT", "/repositories/r"] = to_document(replace(ORDER.repository, seen="first"))
    connected.server.put_repository(ORDER)
    rescanned = RepositoryRescanned("r", 0, 0, ())
    connected.plugin.answers["POST", "/repositories/r/rescan"] = to_document(rescanned)
    connected.plugin.answers["POST", "/repositories/r/accept"] = None
    connected.plugin.answers["PUT", "/repositories/r"] = to_document(replace(ORDER.repository, seen="set back"))
    assert connected.server.rescan_repository("r") == rescanned
    assert pushed(connected)[-1]["repository"]["seen"] == "first"
    connected.server.rescan_repository("r", accept_ledger=True)
    assert pushed(connected)[-1]["repository"]["seen"] == ""
    assert connected.server.get_repository("r").seen == "set back"


EDITED = RepositoryOrder(replace(ORDER.repository, description="of the north"))


@pytest.mark.parametrize(
    ("change", "descriptions", "told_last"),
    [
        (lambda server: server.remove_repository("r"), [], "DELETE"),
        (lambda server: server.put_repository(EDITED), ["of the north"], "PUT"),
    ],
    ids=["removed", "edited"],
)
def test_what_is_changed_while_an_appliance_is_told_does_not_come_back(
    connected, monkeypatch, change, descriptions, told_last
):
    """It opens the repository first, which takes seconds."""
    connected.server.put_repository(ORDER)
    opening, opened, send = threading.Event(), threading.Event(), FakeConnection.send

    def slow(self, method, path, document=None, query=None):
        if (self.appliance.name, method) != ("b", "PUT"):
            return send(self, method, path, document, query)
        if not opening.is_set():
            opening.set()
            assert opened.wait(120)
        return send(self, method, path, document, query) | {"seen": "by b"}

    def begun(work, *words):
        thread = threading.Thread(target=work, args=words, daemon=True)
        thread.start()
        return thread

    monkeypatch.setattr(FakeConnection, "send", slow)
    order = ConnectOrder("b", "https://b:11005", "ff", "code")
    connecting = begun(connected.server.connect_appliance, order)
    assert opening.wait(120)
    changing = begun(change, connected.server)
    changing.join(0.5)  # it waits for its turn; without one it would be done by now
    opened.set()
    connecting.join(120)
    changing.join(120)
    assert [one.description for one in connected.server.list_repositories()] == descriptions
    told_b = [asked for asked in connected.plugin.asked if asked[0] == "b" and asked[2] == "/repositories/r"]
    assert told_b[-1][1] == told_last
    assert told_last == "DELETE" or told_b[-1][3]["repository"]["description"] == "of the north"


def test_what_was_removed_since_it_was_listed_is_told_to_nobody(connected, monkeypatch):
    connected.server.put_repository(ORDER)
    connected.server.put_repository(RepositoryOrder(RepositoryDefinition("q", "s3://bucket/q"), "secret"))
    send = FakeConnection.send

    def removing(self, method, path, document=None, query=None):
        if (self.appliance.name, method, path) == ("b", "PUT", "/repositories/q"):
            connected.server.remove_repository("r")
        return send(self, method, path, document, query)

    monkeypatch.setattr(FakeConnection, "send", removing)
    connected.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))
    assert [asked[1:3] for asked in connected.plugin.asked if asked[0] == "b"][-1] == ("PUT", "/repositories/q")
    assert [one.name for one in connected.server.list_repositories()] == ["q"]


def left_to_others(small):
    """Each order to rescan `r` that an appliance was given, and who was."""
    return [(asked[0], asked[3]) for asked in small.plugin.asked if asked[1:3] == ("POST", "/repositories/r/rescan")]


@pytest.fixture
def beside_another(connected):
    """`a` beside `b`, which has two restore points in a repository and a snapshot; the server knows of them."""
    connected.server.put_repository(ORDER)
    connected.server.connect_appliance(ConnectOrder("b", "https://b:11005", "ff", "code"))
    has = (point(1), point(2), replace(point(3), repository=None))
    changes = tuple(ChangeRecord(usn, "point", one.id, to_document(one)) for usn, one in enumerate(has, 1))
    connected.server.sync("b", ChangePage(changes, 3))
    connected.plugin.changes["b"] = list(changes)
    answer = RepositoryRescanned("r", 5, 2, ("one is left out",), 1)
    connected.plugin.answers["POST", "/repositories/r/rescan"] = to_document(answer)
    return connected


def test_a_rescan_leaves_to_other_appliances_what_they_have(beside_another):
    """Also what the mirror has not heard of."""
    fourth = point(4)
    beside_another.plugin.changes["b"] += [
        ChangeRecord(4, "point", fourth.id, to_document(fourth)),
        ChangeRecord(5, "session", hex_id(5), None),
        ChangeRecord(6, "point", hex_id(1), None),
    ]
    found = beside_another.server.rescan_repository("r", "a")
    assert found == RepositoryRescanned("r", 5, 2, ("one is left out",), 1)
    assert left_to_others(beside_another) == [
        ("a", {"elsewhere": [hex_id(2), hex_id(4)], "after": "", "up_to": ""}),
    ]
    beside_another.server.rescan_repository("r", "b")
    assert left_to_others(beside_another)[-1] == ("b", {"elsewhere": [], "after": "", "up_to": ""})


def test_a_rescan_beside_one_that_does_not_answer_leaves_it_what_is_known_and_says_so(beside_another):
    beside_another.plugin.trouble_of["b", "GET", "/changes"] = AWAY
    found = beside_another.server.rescan_repository("r", "a")
    assert left_to_others(beside_another)[-1][1]["elsewhere"] == [hex_id(1), hex_id(2)]
    assert "appliance b cannot be asked for its newest restore points" in found.warnings[0]
    assert found.warnings[1:] == ("one is left out",)


def test_many_are_left_in_parts_that_bodies_have_room_for():
    ids = [f"{number:032x}" for number in range(45_000)]
    first, second, third = orders_without(ids)
    assert [*first.elsewhere, *second.elsewhere, *third.elsewhere] == ids
    assert (first.after, third.up_to) == ("", ""), "nothing is before or behind them"
    assert (first.up_to, second.up_to) == (second.after, third.after) == (ids[19_999], ids[39_999])
    assert len(to_json(first)) < BODY_LIMIT_BYTES
    assert list(orders_without(ids[:20_000])) == [RepositoryRescanOrder(tuple(ids[:20_000]))]
