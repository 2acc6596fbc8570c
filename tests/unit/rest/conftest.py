"""Both sides on real sockets, with TLS."""

import pytest

from holdfast.rest.client.server import HoldfastClient
from holdfast.rest.listening import listening
from holdfast.rest.server_api.application import server_application
from holdfast.rest.tls import server_context
from holdfast.server.ports.records import TokenKind
from tests.unit.rest.small_appliance import SmallAppliance, identity, running
from tests.unit.server.small_server import SmallServer


@pytest.fixture
def appliance(tmp_path):
    """An appliance that answers its owner."""
    with running(tmp_path, SmallAppliance(tmp_path)) as one:
        yield one


@pytest.fixture
def client(appliance):
    """The owner's client of it."""
    one = appliance.client()
    yield one
    one.close()


class RunningServer:
    """A server on a socket; its appliance is asked over another."""

    def __init__(self, url, small, certificate):
        self.url, self.small, self.certificate = url, small, certificate
        self._clients = []

    def token(self, kind=TokenKind.ADMIN, appliance=None):
        return self.small.parts.tokens.issue(kind, appliance)

    def client(self, token=None, certificate=None):
        self._clients.append(
            HoldfastClient(self.url, token or self.token(), certificate or self.certificate, sleep=lambda seconds: None)
        )
        return self._clients[-1]

    def close(self):
        for one in self._clients:
            one.close()


@pytest.fixture
def server(tmp_path, appliance):
    """A management server whose one appliance, `one`, is the running one."""
    folder = tmp_path / "server"
    folder.mkdir()
    small = SmallServer(folder)
    small.with_plugin()
    small.plugin.connection = lambda found, context: appliance.client()  # type: ignore[method-assign]
    small.records.appliances.put(small.plugin.appliance("one"))
    own = identity(tmp_path, "management")
    context = server_context(own.private_key, own.certificate)
    with listening(server_application(small.server).asgi, "127.0.0.1:0", context, end_seconds=2) as where:
        made = RunningServer(f"https://{where}", small, own.certificate.read_text())
        yield made
        made.close()
    small.ending.set()
