"""A site for each test."""

from dataclasses import replace

import pytest

from holdfast.domain.session import State
from holdfast.testing.simulated_site import SimulatedSite
from tests.simulation.archiving import archived


@pytest.fixture
def site() -> SimulatedSite:
    return SimulatedSite()


@pytest.fixture
def protected(site):
    """An instance that was backed up; since then its owner has changed what can be changed."""
    site.instance = site.cloud.add_instance("web-1")
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    was = site.cloud.instances[site.instance]
    volumes = tuple(replace(one, delete_on_termination=True) for one in was.volumes)
    site.was = replace(was, tags={"Name": "spoilt"}, instance_type="m5.large", user_data="c2g=", volumes=volumes)
    site.cloud.instances[site.instance] = site.was
    site.old = {one.volume_id for one in was.volumes}
    return site


@pytest.fixture
def archiving(site):
    """Two instances, backed up once, and an archive that has nothing yet."""
    site.archive = site.add_archive()
    for name in ("web-1", "web-2"):
        site.cloud.add_instance(name)
    archived(site)
    assert site.run_policy("web", "backup").state == State.SUCCEEDED
    return site
