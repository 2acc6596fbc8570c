"""A server over a folder of its own."""

import pytest

from holdfast.plugin_api import ConnectOrder
from tests.unit.server.small_server import SmallServer


@pytest.fixture
def small(tmp_path):
    made = SmallServer(tmp_path)
    yield made
    made.end()


@pytest.fixture
def ready(small):
    """With its plug-in installed."""
    return small.with_plugin()


@pytest.fixture
def connected(ready):
    """With an appliance, `a`."""
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    return ready
