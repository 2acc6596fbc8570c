"""A socket that is taken, let go, and ended while somebody asks."""

import contextlib
import socket
import ssl
import threading
import time

import pytest

from holdfast.domain.errors import ConflictError, UnavailableError, UsageError
from holdfast.rest import listening, patient_protocol
from holdfast.rest.listening import split_address
from holdfast.rest.tls import client_context
from tests.unit.rest.small_appliance import SmallAppliance, running


def test_a_free_port_is_told(appliance):
    assert int(appliance.url.rpartition(":")[2]) > 0


def test_an_address_in_use_is_a_conflict(tmp_path, appliance):
    listen = appliance.url.removeprefix("https://")
    with pytest.raises(ConflictError, match="cannot listen"), running(tmp_path, appliance.appliance, listen=listen):
        pass


@pytest.mark.parametrize("listen", ["", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_what_is_no_address(listen):
    with pytest.raises(UsageError):
        split_address(listen)


def test_addresses():
    assert split_address("[::1]:80") == ("::1", 80)
    assert split_address("127.0.0.1:0") == ("127.0.0.1", 0)


def test_a_host_that_is_none(tmp_path):
    with pytest.raises(UsageError), running(tmp_path, SmallAppliance(tmp_path), listen="no-such-host.invalid:0"):
        pass


def test_a_request_that_runs_is_answered_before_the_end(tmp_path):
    small = SmallAppliance(tmp_path)
    entered, answers = threading.Event(), []

    def slow(name):
        entered.set()
        time.sleep(0.4)
        return []

    small.list_policies = lambda: slow("policies")  # type: ignore[method-assign]
    with running(tmp_path, small, end_seconds=120) as one:
        client = one.client()
        thread = threading.Thread(target=lambda: answers.append(client.send("GET", "/policies")))
        thread.start()
        assert entered.wait(60)
    thread.join()
    assert answers == [[]]
    with pytest.raises(UnavailableError):
        client.send("POST", "/policies/x/stop")
    client.close()


def test_an_idle_client_holds_nobody_up(tmp_path):
    with running(tmp_path, SmallAppliance(tmp_path), end_seconds=120) as one:
        client = one.client()
        client.send("GET", "/appliance")
        started = time.monotonic()
    assert time.monotonic() - started < 60
    client.close()


def test_an_answer_does_not_wait_for_an_acknowledgement(tmp_path, monkeypatch):
    """Header and body go out in two pieces; without TCP_NODELAY each answer would take 40 ms."""
    taken, bound = [], listening._bound

    def noted(*address):
        taken.append(bound(*address))
        return taken[-1]

    monkeypatch.setattr(listening, "_bound", noted)
    with running(tmp_path, SmallAppliance(tmp_path)):
        assert taken[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "each connection inherits it"


def test_who_says_nothing_is_let_go(tmp_path, monkeypatch):
    with running(tmp_path, SmallAppliance(tmp_path)) as one:
        host, port = split_address(one.url.removeprefix("https://"))
        context = client_context(one.certificate)
        with (
            monkeypatch.context() as hurry,
            socket.create_connection((host, port), timeout=60) as plain,
            contextlib.suppress(ConnectionError, ssl.SSLError),
        ):
            hurry.setattr(patient_protocol, "_HEADER_SECONDS", 0.1)
            with context.wrap_socket(plain) as silent:
                silent.sendall(b"GET /api/v1/appliance HTTP/1.1\r\nHost: ")
                assert silent.recv(100) == b""
        client = one.client()
        assert client.send("GET", "/appliance")["api"] == 1
        client.close()


def test_who_sends_a_header_and_no_body_is_let_go(tmp_path, monkeypatch):
    with running(tmp_path, SmallAppliance(tmp_path)) as one:
        host, port = split_address(one.url.removeprefix("https://"))
        context = client_context(one.certificate)
        with (
            monkeypatch.context() as hurry,
            socket.create_connection((host, port), timeout=60) as plain,
            contextlib.suppress(ConnectionError, ssl.SSLError),
            context.wrap_socket(plain) as silent,
        ):
            hurry.setattr(patient_protocol, "_BODY_SILENCE_SECONDS", 0.1)
            silent.sendall(b"POST /api/v1/enrolment HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
            assert silent.recv(100) == b""
