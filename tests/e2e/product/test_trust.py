"""Who trusts whom: fingerprints, codes, certificates, owners; and what is told to those who show nothing."""

import contextlib
import http.client
import re
import shutil
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest

from holdfast.rest.appliance_api.application import appliance_application
from holdfast.rest.server_api.application import server_application
from tests.e2e.product.conftest import install_plugin

NOBODY: Any = None


@pytest.fixture(scope="module")
def other_home(site):
    """A second server of the same environment."""
    home = site.folder / "other"
    site.start_server(home)
    install_plugin(site, home)
    return home


def words_of(appliance, **changed):
    words = {"url": appliance.url, "fingerprint": appliance.fingerprint, "code-file": appliance.code_file} | changed
    return [word for name, value in words.items() for word in (f"--{name}", value)]


def state_of(site, name, home=None):
    found = site.do("appliance", "list", home=home)["appliances"]
    return next(one for one in found if one["name"] == name)


def test_an_appliance_is_taken_on_by_fingerprint_and_code_once(site, tmp_path):
    appliance = site.run_appliance("south")
    wrong = tmp_path / "wrong-code"
    wrong.write_text("0" * 32 + "\n")
    said = site.refused("appliance", "connect", "south", *words_of(appliance, fingerprint="ab" * 32), status=5)
    assert "[certificate]" in said
    said = site.refused("appliance", "connect", "south", *words_of(appliance, **{"code-file": str(wrong)}), status=5)
    assert "enrolment code is wrong" in said
    assert site.do("appliance", "list")["appliances"] == []
    assert site.do("appliance", "connect", "south", *words_of(appliance))["state"] == "available"
    said = site.refused("appliance", "connect", "again", *words_of(appliance), status=7)
    assert "is appliance south already" in said
    # Neither a second appliance on its home, nor a second server on the server's.
    said = site.refused("appliance", "run", "--home", appliance.home, "--listen", "127.0.0.1:0", status=7)
    assert "runs already" in said
    assert "runs already" in site.refused("server", "run", "--listen", "127.0.0.1:0", status=7)

    # Its certificate is replaced: nothing is asked of it until a person accepts the new one.
    listen = urlsplit(appliance.url).netloc
    appliance.process.end()
    shutil.rmtree(appliance.home / "appliance" / "tls")
    replaced = site.run_appliance("south", listen)
    assert replaced.fingerprint != appliance.fingerprint
    site.until(lambda: state_of(site, "south")["state"] == "certificate-changed")
    assert "[certificate]" in site.refused("policy", "list", status=5)
    site.do("appliance", "accept-certificate", "south", "--fingerprint", replaced.fingerprint)
    assert state_of(site, "south")["state"] == "available"
    assert site.do("policy", "list")["policies"] == []


def test_a_start_that_names_the_server_makes_no_code(site):
    """As a deployed appliance starts. A later start makes one, for when the server is lost."""
    certificate = site.folder / "home" / "server" / "tls" / "certificate.pem"
    given = site.run_appliance("given", "", "--trust-server", str(certificate))
    assert set(given.process.facts) == {"url", "certificate_sha256", "home"}
    code = given.home / "appliance" / "enrolment-code"
    assert not code.exists()
    given.process.end()
    again = site.run_appliance("given", "", "--trust-server", str(certificate))
    assert (again.code_file, code.stat().st_mode & 0o777) == (str(code), 0o600)
    again.process.end()


def test_a_second_server_takes_it_over_and_the_first_is_told(site, other_home):
    """By whoever may read the code that each start of the appliance makes."""
    appliance = site.run_appliance("west")
    site.connect("west", appliance)
    said = site.refused("appliance", "connect", "mine", *words_of(appliance), status=5, home=other_home)
    assert "used before" in said
    appliance.process.end()
    again = site.run_appliance("west", urlsplit(appliance.url).netloc)
    assert site.do("policy", "list", "--appliance", "west")["policies"] == []
    site.connect("mine", again, home=other_home)
    site.until(lambda: state_of(site, "west")["state"] == "owned-by-another")
    said = site.refused("policy", "list", "--appliance", "west", status=7)
    assert "owned" in said
    assert site.do("policy", "list", home=other_home)["policies"] == []
    site.do("appliance", "remove", "west", "--yes")


def test_nothing_answers_without_a_name(site):
    appliance = site.run_appliance("east")
    routes = [(appliance.url, route) for route in appliance_application(NOBODY, lambda _: None).routes]
    routes += [(site.server.facts["url"], route) for route in server_application(NOBODY).routes]
    assert len(routes) > 60
    for url, route in routes:
        path = re.sub(r"\{[^}]*\}", "a", route.path)
        if (route.method, path) == ("POST", "/api/v1/enrolment"):
            continue  # asks for a code
        status, body = asked(url, route.method, path)
        assert status in (401, 403), (route.method, path, status)
        assert b"/problems/not-authenticated" in body, (route.method, path, body)
    for url in {url for url, _ in routes}:
        for path in ("/", "/docs", "/openapi.json", "/api/v1/openapi.json", "/api/v1/nothing", "/static/x"):
            assert asked(url, "GET", path)[0] in (401, 403), (url, path)
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 60) as plain:
            plain.settimeout(60)
            plain.sendall(b"GET /api/v1/server HTTP/1.1\r\nHost: a\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):  # cut off is as good
                assert b"HTTP" not in plain.recv(1000)


def asked(url, method, path):
    """(status, body) of a request that shows nothing."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(urlsplit(url).netloc, context=trusting, timeout=60)
    try:
        connection.request(method, path, headers={"Content-Length": "0"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
