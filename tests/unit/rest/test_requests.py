"""Repeated where that does no harm, and nowhere else."""

import contextlib
import socket

import pytest

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    NotAuthenticatedError,
    ThrottledError,
    UnavailableError,
    UsageError,
)
from holdfast.lab.listening import port_for_later
from holdfast.rest.client import requests
from holdfast.rest.client.requests import BASE, LONG_TIMEOUT_SECONDS, TIMEOUT_SECONDS, checked_url
from holdfast.rest.client.server import HoldfastClient
from tests.unit.rest.small_appliance import SmallAppliance, running


class Counting(SmallAppliance):
    """Counts what is asked, and fails so often."""

    def __init__(self, folder, failures, error=None):
        super().__init__(folder)
        self.failures, self.asked = failures, 0
        self.error = error or UnavailableError("not now", why="why", cure="cure")

    def _begin(self):
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error


def patient(one):
    """A client that remembers its pauses."""
    pauses: list[float] = []
    client = one.client()
    client._requests._sleep = pauses.append
    return client, pauses


def test_a_get_is_repeated(tmp_path):
    small = Counting(tmp_path, failures=3)
    with running(tmp_path, small) as one:
        client, pauses = patient(one)
        assert client.send("GET", "/appliance")["api"] == 1
        client.close()
    assert pauses == [0.2, 0.6, 1.8]


def test_a_get_is_repeated_so_often_and_no_more(tmp_path):
    small = Counting(tmp_path, failures=99, error=ThrottledError("slow down", why="why", cure="cure"))
    with running(tmp_path, small) as one:
        client, pauses = patient(one)
        with pytest.raises(ThrottledError, match="slow down"):
            client.send("GET", "/appliance")
        client.close()
    assert (small.asked, len(pauses)) == (4, 3)


@pytest.mark.parametrize("error", [ConflictError("c", why="w", cure="c"), HoldfastError("f", why="w", cure="c")])
def test_what_will_not_change_is_not_asked_again(tmp_path, error):
    small = Counting(tmp_path, failures=99, error=error)
    with running(tmp_path, small) as one:
        client, pauses = patient(one)
        with pytest.raises(type(error)):
            client.send("GET", "/appliance")
        client.close()
    assert (small.asked, pauses) == (1, [])


def test_what_changes_something_is_sent_once(tmp_path):
    small = Counting(tmp_path, failures=1)
    with running(tmp_path, small) as one:
        client, pauses = patient(one)
        with pytest.raises(UnavailableError, match="not now"):
            client.send("PUT", "/accounts/a", {"name": "a"})
        client.close()
    assert (small.asked, pauses) == (1, [])


def test_who_was_not_reached_in_time_was_told_nothing_and_is_asked_again(tmp_path, monkeypatch):
    """What changes something, too: the server did not even shake hands."""
    monkeypatch.setattr(requests, "CONNECT_TIMEOUT_SECONDS", 1.0)
    small, listen, pauses = Counting(tmp_path, failures=0), f"127.0.0.1:{port_for_later()}", []
    with running(tmp_path, small, listen=listen) as one:
        client = one.client()
    with contextlib.ExitStack() as later:
        host, _, port = listen.partition(":")
        mute = later.enter_context(socket.create_server((host, int(port))))

        def wakes_up(seconds):
            pauses.append(seconds)
            if len(pauses) == 1:
                mute.close()
                later.enter_context(running(tmp_path, small, listen=listen))

        client._requests._sleep = wakes_up
        client.send("PUT", "/accounts/a", {"name": "a"})
        client.close()
    assert (small.asked, pauses[0]) == (1, 0.2)


def test_what_takes_long_is_waited_for_on_a_connection_that_stays_known(appliance, client):
    """A rescan reads each point that is found; routers forget a connection on which nothing is said."""
    waited, kept = {}, set()

    def note(answer):
        request, stream = answer.request, answer.extensions["network_stream"]
        waited[f"{request.method} {request.url.raw_path.decode()}"] = request.extensions["timeout"]["read"]
        kept.add(stream.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    client._requests._client.event_hooks["response"] = [note]
    vault = {"name": "vault", "location": "s3://bucket/x"}
    client.send("PUT", "/repositories/vault", {"repository": vault, "password": "secret"})
    client.send("POST", "/repositories/vault/accept")
    client.send("POST", "/repositories/vault/rescan", {})
    client.send("POST", "/points/rescan", {"account": "a", "region": "eu-central-1"})
    client.send("DELETE", "/repositories/vault", query={"forget_points": "true"})
    client.send("PUT", "/repositories/vault", {"repository": vault, "password": "secret"})
    client.send("DELETE", "/repositories/vault")
    assert {one.replace(BASE, "") for one, seconds in waited.items() if seconds == LONG_TIMEOUT_SECONDS} == {
        "POST /repositories/vault/accept",
        "POST /repositories/vault/rescan",
        "POST /points/rescan",
        "DELETE /repositories/vault?forget_points=true",
    }
    assert set(waited.values()) == {LONG_TIMEOUT_SECONDS, TIMEOUT_SECONDS}
    assert kept == {1}


@pytest.mark.parametrize(
    "url",
    ["", "http://host:1", "host:1", "https://", "https://host:x", "https://host/path", "ftp://host", "https://[::1"],
)
def test_addresses_that_are_none(url):
    with pytest.raises(UsageError):
        checked_url(url)


def test_an_address_is_taken_as_it_is():
    assert checked_url("https://host:1/") == "https://host:1"
    assert checked_url("https://[::1]:9443") == "https://[::1]:9443"


def test_a_token_goes_to_nobody_by_way_of_the_environment(server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with contextlib.closing(HoldfastClient(server.url, server.token(), server.certificate)) as client:
        assert client.send("GET", "/server")["api"] == 1


@pytest.mark.parametrize("token", ["", "hf_ü", "hf_1\n", "a\x00b"])
def test_what_no_token_looks_like_is_not_sent(token):
    with pytest.raises(NotAuthenticatedError):
        HoldfastClient("https://127.0.0.1:1", token, None)
