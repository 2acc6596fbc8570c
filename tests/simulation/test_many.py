"""Two hundred instances in one policy at once: limits hold at every moment, and memory does not grow with them."""

import gc
import tracemalloc

import pytest

from holdfast.appliance.sessions.lanes import Limits
from holdfast.domain.policy import BackupTarget, Retention
from holdfast.domain.session import State
from holdfast.testing.simulated_site import REGION, SimulatedSite
from tests.simulation.reading import assert_nothing_left, points

INSTANCES = 200


@pytest.fixture
def site() -> SimulatedSite:
    return SimulatedSite(limits=Limits(workers=10, workers_in_region=6))


def test_two_hundred_at_once_keep_to_every_limit(site):
    for number in range(INSTANCES):
        site.cloud.add_instance(f"web-{number}", region=REGION if number % 2 else "us-east-1", volumes=1)
    site.policy(regions=(REGION, "us-east-1"))
    busiest: dict[tuple[str, str], int] = {}

    async def act(appliance):
        session = appliance.service.run_policy("web", ())
        while appliance.engine.running(session.id):
            for region in (REGION, "us-east-1"):
                appliance.pump.pump(region, 0)
            for lane in appliance.service.limits():
                assert lane.running <= lane.limit, lane
                key = (lane.queue, lane.partition)
                busiest[key] = max(busiest.get(key, 0), lane.running)
            assert site.cloud.worker_world.living() <= 8
            await appliance.surface.surroundings.sleep(5)
        return session

    session = site.run(act)
    assert site.records.sessions.get(session.id).counts == {State.SUCCEEDED: INSTANCES}
    assert len(points(site)) == 2 * INSTANCES
    assert site.cloud.worker_world.peak == 8, "the repository's turns are the narrowest limit"
    assert site.last.engine.peak["workers", REGION] <= 6
    assert busiest["repository/vault", ""] == 8
    assert not site.last.engine.failures
    assert_nothing_left(site)


def held_bytes_after(site: SimulatedSite, runs: int) -> int:
    for _ in range(runs):
        assert site.run_policy("web", "snapshot", "backup").state == State.SUCCEEDED
        site.wait(60)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_what_the_appliance_holds_does_not_grow_with_its_work(site):
    """The records and the cloud are the simulation's and grow; what is left of the workflows themselves does not."""
    site.cloud.snapshot_seconds = 1.0
    site.cloud.worker_world.boot_seconds = site.cloud.worker_world.work_seconds = 2.0
    for number in range(10):
        site.cloud.add_instance(f"web-{number}", volumes=1)
    site.policy(backup=BackupTarget("vault", Retention(1)))
    tracemalloc.start(1)
    try:
        held_bytes_after(site, 1)
        before = tracemalloc.take_snapshot()
        held_bytes_after(site, 3)
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    appliance = tracemalloc.Filter(True, "*/holdfast/appliance/*")
    grown = {
        str(one.traceback[0]): one.size_diff
        for one in after.filter_traces([appliance]).compare_to(before.filter_traces([appliance]), "lineno")
        if one.size_diff > 64 * 1024
    }
    assert not grown
