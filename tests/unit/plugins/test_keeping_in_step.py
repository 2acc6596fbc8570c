"""One turn of the process that keeps a mirror in step, whatever the appliance does."""

import json

import pytest

from holdfast.domain.errors import (
    CertificateError,
    ConflictError,
    NotAuthenticatedError,
    UnavailableError,
    UsageError,
)
from holdfast_aws.keeping_in_step import GOOD_PAGES, PAGE, TOLD_FOR_SECONDS, WAIT_SECONDS, KeepingInStep


class FakeServer:
    """Remembers how far the mirror goes."""

    def __init__(self):
        self.usn, self.states, self.pages = 0, [], []
        self.limit_bytes, self.trouble = 1 << 20, None

    def send(self, method, path, document=None):
        match method, path:
            case "GET", "/appliances/a/sync":
                return {"usn": self.usn}
            case "POST", "/appliances/a/sync":
                if self.trouble is not None:
                    raise self.trouble
                if len(json.dumps(document)) > self.limit_bytes:
                    raise UsageError("the body cannot be read", why="it is too large", cure="y")
                self.pages.append(document)
                self.usn = max(usns(document), default=document["newest"])
                return {"usn": self.usn}
            case "POST", "/appliances/a/state":
                self.states.append((document["state"], document["reason"], document["offered_certificate"]))
                return {}
        raise AssertionError((method, path))


class FakeAppliance:
    """Answers pages, or raises what it is told to."""

    def __init__(self):
        self.newest, self.trouble, self.queries = 0, None, []
        self.changes = {}

    def send(self, method, path, document=None, query=None):
        assert (method, path) == ("GET", "/changes")
        self.queries.append(query)
        if self.trouble is not None:
            raise self.trouble
        after, limit = int(query["after"]), int(query["limit"])
        found = [
            {"usn": usn, "kind": "point", "id": f"p{usn}", "document": "x" * size_bytes}
            for usn, size_bytes in sorted(self.changes.items())
            if usn > after
        ]
        return {"changes": found[:limit], "newest": max([self.newest, *self.changes])}

    def events(self, path):
        return iter(())

    def close(self):
        pass


class Kept:
    def __init__(self):
        self.server, self.appliance, self.seconds = FakeServer(), FakeAppliance(), 0.0
        self.offered = "NEW"
        self.step = KeepingInStep("a", self.server, self.appliance, lambda: self.look(), lambda: self.seconds)

    def look(self):
        if self.offered is None:
            raise UnavailableError("gone", why="x", cure="y")
        return self.offered


@pytest.fixture
def kept():
    return Kept()


def usns(page):
    return [change["usn"] for change in page["changes"]]


def error(kind):
    return kind("what", why="why", cure="cure")


def test_pages_go_on_from_where_the_server_is(kept):
    kept.appliance.newest = 7
    assert kept.step.turn()
    assert kept.step.turn()
    assert [query["after"] for query in kept.appliance.queries] == ["0", "7"]
    kept.server.usn = 0
    kept.step.turn()
    assert kept.appliance.queries[-1]["after"] == "0"


def test_the_first_turn_does_not_wait_and_the_mirror_is_never_older_than_two_minutes(kept):
    kept.step.turn()
    kept.step.turn()
    assert [query["wait_seconds"] for query in kept.appliance.queries] == ["0", str(WAIT_SECONDS)]
    assert WAIT_SECONDS <= 120


@pytest.mark.parametrize(
    ("kind", "state", "offered"),
    [
        (UnavailableError, "unavailable", None),
        (CertificateError, "certificate-changed", "NEW"),
        (ConflictError, "owned-by-another", None),
        (NotAuthenticatedError, "owned-by-another", None),
    ],
)
def test_what_stands_in_the_way_is_told_once(kept, kind, state, offered):
    kept.appliance.trouble = error(kind)
    assert not kept.step.turn()
    assert not kept.step.turn()
    assert kept.server.states == [(state, "what: why", offered)]
    kept.seconds += TOLD_FOR_SECONDS
    kept.step.turn()
    assert len(kept.server.states) == 2
    assert kept.server.pages == []


def test_back_again(kept):
    kept.appliance.trouble = error(UnavailableError)
    kept.step.turn()
    kept.appliance.trouble = None
    assert kept.step.turn()
    assert [state[0] for state in kept.server.states] == ["unavailable", "available"]
    assert len(kept.server.pages) == 1


def test_one_that_is_gone_before_its_certificate_is_seen_is_unavailable(kept):
    kept.appliance.trouble, kept.offered = error(CertificateError), None
    kept.step.turn()
    assert kept.server.states[0][0] == "unavailable"


def test_what_the_server_answers_goes_on(kept):
    kept.server.send = lambda *words: (_ for _ in ()).throw(error(NotAuthenticatedError))
    with pytest.raises(NotAuthenticatedError):
        kept.step.turn()


def test_a_page_that_is_too_large_is_asked_for_in_parts(kept):
    kept.appliance.changes = {usn: 150_000 if usn < 20 else 10 for usn in range(1, 800)}
    while kept.server.usn < 799:
        assert kept.step.turn()
    assert [usn for page in kept.server.pages for usn in usns(page)] == list(range(1, 800))
    assert [state for state, _, _ in kept.server.states] == ["available"]
    for _ in range(10 * GOOD_PAGES):
        kept.step.turn()
    assert kept.appliance.queries[-1]["limit"] == str(PAGE)


def test_a_change_that_the_server_cannot_take_is_told_and_goes_on_when_it_can(kept):
    kept.appliance.changes = {1: 10, 2: 2 << 20, 3: 10}
    while kept.step.turn():
        pass
    assert kept.server.usn == 1
    assert not kept.step.turn()
    state, reason, _ = kept.server.states[-1]
    assert state == "unavailable"
    assert "point p2" in reason
    assert "too large" in reason
    assert [state for state, _, _ in kept.server.states] == ["available", "unavailable"]
    kept.server.limit_bytes = 64 << 20
    while kept.server.usn < 3:
        assert kept.step.turn()
    assert kept.server.states[-1] == ("available", "", None)


def test_a_server_that_is_not_there_refuses_nothing(kept):
    kept.appliance.changes = dict.fromkeys(range(1, 10), 10)
    kept.server.trouble = error(UnavailableError)
    with pytest.raises(UnavailableError):
        kept.step.turn()
    kept.server.trouble = None
    assert kept.step.turn()
    assert [query["limit"] for query in kept.appliance.queries] == [str(PAGE), str(PAGE)]
    assert [state for state, _, _ in kept.server.states] == ["available"]
