"""A site for each test."""

import pytest

from holdfast.testing.simulated_site import SimulatedSite


@pytest.fixture
def site() -> SimulatedSite:
    return SimulatedSite()
