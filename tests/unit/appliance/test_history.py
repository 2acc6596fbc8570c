"""What an appliance forgets in time, and what it never does."""

from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.appliance.upkeep.history import Pruning
from holdfast.domain.errors import UsageError
from holdfast.domain.history import SessionHistory
from holdfast.domain.session import SessionKind, State
from holdfast.testing.sample_records import ledger_row, session, task
from holdfast.testing.simulated_site import SimulatedSite

DAY_SECONDS = 24 * 3600
HOUR = timedelta(hours=1)


@pytest.fixture
def site():
    return SimulatedSite()


def prune(site):
    return site.run(lambda appliance: Pruning(appliance.surface).prune())


def keep(site, days):
    return site.run(lambda appliance: appliance.service.put_history(SessionHistory(days)))


def sessions(site):
    return [one.id for one in site.records.sessions.page(before=None, limit=1000)]


def opened(site, number, age, subject="gone", state=State.SUCCEEDED, kind=SessionKind.POLICY):
    created_at = site.loop.now() - age
    one = replace(session(number, state, subject), created_at=created_at, kind=kind)
    site.records.sessions.open(one, [task(1000 + number, number, state)], {})
    return one.id


def test_sessions_of_ninety_days_go_in_portions(site):
    old = [opened(site, number, timedelta(days=90) + HOUR) for number in range(25)]
    young = opened(site, 30, timedelta(days=90) - HOUR)
    assert prune(site) == len(old)
    assert sessions(site) == [young]
    assert prune(site) == 0


def test_the_newest_run_of_each_policy_stays(site):
    site.policy("web")
    first, last = (opened(site, number, timedelta(days=400 - number), "web") for number in (1, 2))
    opened(site, 3, timedelta(days=399), "a policy that was removed")
    assert prune(site) == 2
    assert sessions(site) == [last]
    assert first != last


def test_the_newest_collection_of_each_repository_stays(site):
    kind = SessionKind.COLLECT_GARBAGE
    for number in (1, 2, 3):
        last = opened(site, number, timedelta(days=400 - number), "vault", kind=kind)
    opened(site, 4, timedelta(days=399), "a repository that was removed", kind=kind)
    assert prune(site) == 3
    assert sessions(site) == [last]


def test_what_runs_stays(site):
    running = opened(site, 1, timedelta(days=400), state=State.RUNNING)
    assert prune(site) == 0
    assert sessions(site) == [running]


def test_the_age_is_a_setting(site):
    assert site.run(lambda appliance: appliance.service.get_history()) == SessionHistory(90)
    opened(site, 1, timedelta(days=8))
    keep(site, None)
    assert prune(site) == 0
    keep(site, 9)
    assert prune(site) == 0
    assert keep(site, 7) == SessionHistory(7)
    assert site.run(lambda appliance: appliance.service.get_history()) == SessionHistory(7)
    assert prune(site) == 1


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_an_age_that_cannot_be_meant_is_refused(days):
    with pytest.raises(UsageError, match="days"):
        SessionHistory(days)


def test_points_outlive_the_sessions_that_made_them(site):
    """They restore, the reaper leaves their snapshots alone, and retention goes on."""
    site.cloud.add_instance("web-1")
    site.policy()
    site.run_policy()
    site.wait(100 * DAY_SECONDS)
    for _ in range(2):
        site.run_policy()
        site.wait(60)
    assert prune(site) == 1
    there = {one.id for one in site.cloud.objects.values()}
    site.wait(DAY_SECONDS)
    report = site.run(lambda appliance: appliance.reaper.reap())
    assert (report.removed, report.strange, report.failed) == ([], [], [])
    assert {one.id for one in site.cloud.objects.values()} == there
    site.run_policy()
    assert len(site.records.points.of_policy("web")) == 4


def test_a_snapshot_of_a_session_that_is_forgotten_goes_when_no_point_names_it(site):
    """The ledger says that it was made with these records: none that were lost could name it."""
    site.cloud.add_instance("web-1")
    site.policy(backup=None)
    site.run_policy("web", "snapshot")
    (point,) = site.records.points.of_policy("web")
    site.records.points.remove(point.id)
    site.wait(100 * DAY_SECONDS)
    site.records.policies.remove("web")
    assert prune(site) == 1
    removed = site.run(lambda appliance: appliance.reaper.reap()).removed
    assert {one.id for one in removed} == set(point.snapshots.values())


def test_closed_rows_of_the_ledger_go_after_a_week(site):
    ledger, now = site.records.ledger, site.loop.now()
    for number, age in enumerate([timedelta(days=7) + HOUR, timedelta(days=7) - HOUR]):
        ledger.intend(ledger_row(number))
        ledger.dropped(ledger_row(number).id, now - age)
    ledger.intend(ledger_row(2))
    prune(site)
    assert set(ledger.rows) == {ledger_row(1).id, ledger_row(2).id}


def test_removals_are_told_for_thirty_days(site):
    site.records.changes.forget_removals(10**6)
    site.records.policies.put(site.policy("gone"), site.loop.now())
    site.records.policies.remove("gone")

    def told():
        return [one.id for one in site.records.changes.after(0, 1000) if one.document is None]

    for _ in range(30):
        prune(site)
        assert told() == ["gone"]
        site.wait(DAY_SECONDS)
    site.records.accounts.remove("main")
    prune(site)
    assert told() == ["main"], "the younger one is told on"


def test_workflows_that_ended_go(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.run_policy()
    assert site.memory.rows
    prune(site)
    assert site.memory.rows == {}
