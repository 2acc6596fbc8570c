"""The reaper removes what no live session needs, and nothing that anybody could miss."""

from dataclasses import replace

import pytest

from holdfast.appliance.ports.cloud import Ownership
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.session import State, Task
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


def make(site, kind, purpose, session_id=UNKNOWN, appliance="ap-1", account="", task="task"):
    owner = Ownership(appliance, session_id, task, 1, purpose)
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


@pytest.mark.parametrize("kind", ["queue", "network-interface", "security-group"])
def test_what_aws_tells_no_age_of_is_removed_some_time_after_it_was_first_seen(site, kind):
    """Of a session that nobody knows: the first look writes down when it was."""
    left = make(site, kind, "worker")
    for row in site.records.ledger.open_rows():
        site.records.ledger.dropped(row.id, site.loop.now())
    for _ in range(2):
        assert reap(site).removed == []
        site.wait(1800)
    assert len([row for row in site.records.ledger.open_rows() if row.object_id == left.id]) == 1, "written down once"
    site.wait(60)
    assert [one.id for one in reap(site).removed] == [left.id]
    assert_nothing_left(site)


def test_a_snapshot_that_nobody_knows_is_told_and_not_removed(site):
    """Records that were lost must not cost the restore points that they named; the ledger was lost with them."""
    snapshot = make(site, "snapshot", "snapshot", account="main")
    site.records.ledger.rows.clear()
    site.wait(100 * DAY_SECONDS)
    report = reap(site)
    assert report.removed == []
    assert [one.id for one in report.strange] == [snapshot.id]
    assert snapshot.id in site.cloud.objects


def test_another_appliances_things_are_not_ours(site):
    make(site, "instance", "worker", appliance="ap-2")
    site.wait(100 * DAY_SECONDS)
    report = reap(site)
    assert (report.removed, report.strange) == ([], [])


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


def test_a_task_that_outlives_its_session_keeps_what_it_uses(site):
    """A defect may break off the run of a policy, and none of its tasks."""
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.work_seconds = 5 * 3600.0
    site.patience = type(site.patience)(boot_timeout_seconds=20 * 3600.0, silent_limit_seconds=20 * 3600.0)

    async def act(appliance):
        session = appliance.service.run_policy("web", ())
        await appliance.surface.surroundings.sleep(600)
        appliance.workflows.book.end(session.id, HoldfastError("broken off", why="a defect", cure="none"))
        await appliance.surface.surroundings.sleep(3600)
        report = appliance.reaper.reap()
        appliance.recovery.sweep()
        return session.id, report

    session_id, report = site.run(act)
    assert (report.removed, report.failed) == ([], [])
    (task,) = site.records.sessions.tasks(session_id)
    assert task.state == State.SUCCEEDED
    assert len(points(site)) == 2


def test_a_task_without_session_and_workflow_ends_and_its_things_go(protected):
    site = protected
    session = points(site)[0].session_id
    workload = points(site)[0].workload
    site.records.sessions.add_tasks(session, [Task("a" * 32, str(session), workload, State.RUNNING)])
    left = make(site, "instance", "worker", session, task="a" * 32)
    site.wait(3600)
    assert reap(site).removed == []
    site.run(lambda appliance: appliance.recovery.sweep())
    assert site.records.sessions.task("a" * 32).state == State.FAILED
    site.wait(3600)
    assert [one.id for one in reap(site).removed] == [left.id]


def test_whose_point_a_snapshot_is_is_asked_of_its_workload_alone(protected, monkeypatch):
    site, asked = protected, []
    page = site.records.points.page

    def listening(**words):
        asked.append(words.get("workload_id"))
        return page(**words)

    monkeypatch.setattr(site.records.points, "page", listening)
    site.wait(3600)
    assert reap(site).removed == []
    assert set(asked) == set(site.cloud.instances)


def test_records_that_cannot_be_read_cost_nothing(protected, monkeypatch):
    site = protected
    there = set(site.cloud.objects)

    def gone(**_words):
        raise NotFoundError("point does not exist", why="it was removed meanwhile", cure="begin again")

    monkeypatch.setattr(site.records.points, "page", gone)
    site.wait(3600)
    report = reap(site)
    assert report.removed == []
    assert report.failed
    assert set(site.cloud.objects) == there


def test_rows_of_what_is_there_are_asked_nothing_about(protected, monkeypatch):
    """A ledger of ten thousand snapshots is looked through every few minutes."""
    site, asked = protected, []
    rows = site.records.ledger.open_rows()
    assert rows
    belongings, get = site.cloud.belongings, site.records.sessions.get

    def listening(session_id):
        asked.append(session_id)
        return get(session_id)

    monkeypatch.setattr(site.cloud, "belongings", lambda account, region: Nobodys(belongings(account, region)))
    monkeypatch.setattr(site.records.sessions, "get", listening)
    site.wait(3600)
    reap(site)
    assert asked == []
    assert site.records.ledger.open_rows() == rows


class Nobodys:
    """Everything is there, and is nobody's: it is listed and not judged."""

    def __init__(self, inner):
        self.inner = inner

    def owned(self):
        return (replace(one, ownership=None) for one in self.inner.owned())
