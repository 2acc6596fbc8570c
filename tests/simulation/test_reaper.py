"""The reaper removes what no live session needs, and nothing that anybody could miss."""

import pytest

from holdfast.appliance.ports.cloud import Ownership
from holdfast.domain.session import State
from tests.simulation.reading import assert_nothing_left, points

DAY_SECONDS = 24 * 3600
UNKNOWN = "ee" * 16


@pytest.fixture
def protected(site):
    site.cloud.add_instance("web-1")
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    return site


def reap(site):
    return site.run(lambda appliance: appliance.reaper.reap())


def make(site, kind, purpose, session_id=UNKNOWN, appliance="ap-1", account=""):
    owner = Ownership(appliance, session_id, "task", 1, purpose)
    return site.cloud.create(kind, account, "eu-central-1", owner, f"{kind}/{purpose}/{session_id}")


def test_points_and_what_was_restored_stay_for_ever(protected):
    site = protected
    session = points(site)[0].session_id
    restored = make(site, "volume", "restored", session)
    before = set(site.cloud.objects)
    site.wait(100 * DAY_SECONDS)
    report = reap(site)
    assert (report.removed, report.failed) == ([], [])
    assert set(site.cloud.objects) == before
    assert restored.id in before


def test_what_an_ended_session_left_is_removed_after_its_grace(protected):
    site = protected
    session = points(site)[0].session_id
    left = {make(site, kind, "worker", session).id for kind in ("instance", "role", "queue")}
    left.add(make(site, "snapshot", "base-snapshot", session, account="main").id)
    assert reap(site).removed == []
    site.wait(3600)
    assert {one.id for one in reap(site).removed} == left
    assert_nothing_left(site)


def test_a_worker_of_a_session_that_nobody_knows_is_removed_later(site):
    worker = make(site, "instance", "worker")
    site.wait(1800)
    assert reap(site).removed == []
    site.wait(3600)
    assert [one.id for one in reap(site).removed] == [worker.id]


def test_a_snapshot_that_nobody_knows_is_told_and_not_removed(site):
    """Records that were lost must not cost the restore points that they named."""
    snapshot = make(site, "snapshot", "snapshot", account="main")
    site.wait(100 * DAY_SECONDS)
    report = reap(site)
    assert report.removed == []
    assert [one.id for one in report.strange] == [snapshot.id]
    assert snapshot.id in site.cloud.objects


def test_another_appliances_things_are_not_ours(site):
    make(site, "instance", "worker", appliance="ap-2")
    site.wait(100 * DAY_SECONDS)
    report = reap(site)
    assert report.removed == []
    assert len(report.strange) == 1


def test_what_a_live_session_needs_stays(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.work_seconds = 10 * 3600.0
    reports = []

    async def act(appliance):
        appliance.service.run_policy("web", ())
        for _ in range(8):
            await appliance.surface.surroundings.sleep(600)
            appliance.pump.pump("eu-central-1", 0)
            reports.append(appliance.reaper.reap())

    site.patience = type(site.patience)(silent_limit_seconds=20 * 3600.0)
    site.run(act)
    assert all(report.removed == [] for report in reports)
    assert site.records.sessions.page(before=None, limit=1)[0].state == State.SUCCEEDED
    assert site.cloud.worker_world.launches == 1


def test_intents_that_came_to_nothing_are_closed(protected):
    site = protected
    make(site, "instance", "worker", points(site)[0].session_id)
    ((object_id, one),) = [(key, one) for key, one in site.cloud.objects.items() if one.kind == "instance"]
    del site.cloud.objects[object_id]
    assert one.id in {row.object_id for row in site.records.ledger.open_rows()}
    site.wait(3600)
    reap(site)
    assert_nothing_left(site)


def test_a_place_that_refuses_is_said_and_the_others_are_looked_at(protected):
    site = protected
    make(site, "instance", "worker", points(site)[0].session_id)
    site.wait(3600)
    belongings = site.cloud.belongings

    def refuse(account, region):
        if account.name == "main":
            site.cloud.denied.add("everything")
            site.cloud.allow("everything")
        return belongings(account, region)

    site.cloud.belongings = refuse
    report = reap(site)
    assert len(report.failed) == 1
    assert len(report.removed) == 1
