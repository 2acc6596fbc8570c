"""A server over a folder of its own."""

import pytest

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
