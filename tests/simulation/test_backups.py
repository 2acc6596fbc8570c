"""Runs of policies on the simulated cloud, from snapshot to retention."""

import pytest

from holdfast.domain.policy import SnapshotTarget, WorkerChoice, WorkerMode
from holdfast.domain.restore_point import PointKind
from holdfast.domain.session import State
from holdfast.testing.simulated_site import REGION, SimulatedSite


@pytest.fixture
def site() -> SimulatedSite:
    return SimulatedSite()


def kinds(site):
    return sorted(point.kind for point in site.records.points.page(before=None, limit=100))


def tasks(site, session):
    return site.records.sessions.tasks(session.id)


def log(site, session):
    return [line.message for line in site.records.sessions.lines(session.id, 0, 1000)]


def test_one_run_makes_both_points_and_leaves_no_worker(site):
    instance = site.cloud.add_instance("web-1")
    site.policy()
    session = site.run_policy()
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert session.counts == {"succeeded": 1}
    assert kinds(site) == [PointKind.IMAGE_BACKUP, PointKind.SNAPSHOT]
    assert site.cloud.count("instance", "role", "queue") == 0
    assert site.cloud.count("snapshot") == 2, "one set serves both points"
    assert site.repository.open_scratch() == []
    (task,) = tasks(site, session)
    assert task.workload.id == instance
    assert task.result["stored_bytes"] > 0
    assert task.workers[0].ended_at is not None
    assert not site.last.engine.failures
