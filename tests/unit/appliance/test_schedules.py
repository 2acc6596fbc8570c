"""Cron in time zones, and the scheduler that starts each moment exactly once."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.appliance.policies.schedules import check_schedules, last_due, next_due
from holdfast.appliance.policies.task_order import BACKUP
from holdfast.appliance.upkeep.scheduler import Scheduler
from holdfast.domain.errors import UsageError
from holdfast.domain.policy import BackupTarget, MonthlyTier, Retention, Schedule, SnapshotTarget
from holdfast.domain.session import State
from holdfast.testing.simulated_site import SimulatedSite
from holdfast.testing.virtual_time import BEGINNING
from tests.simulation.upkeep import scheduler, tick

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moments(schedule: Schedule, start: str, end: str) -> list[str]:
    found, moment = [], at(start)
    while (due := next_due(schedule, moment)) is not None and due <= at(end):
        found.append(due.strftime("%d %H:%M"))
        moment = due
    return found


def test_a_time_that_spring_leaves_out_comes_at_the_change():
    daily = Schedule("30 2 * * *", BERLIN)
    assert moments(daily, "2026-03-28 00:00", "2026-03-30 12:00") == ["28 01:30", "29 01:00", "30 00:30"]


def test_a_time_that_comes_twice_in_autumn_counts_once():
    daily = Schedule("30 2 * * *", BERLIN)
    assert moments(daily, "2026-10-24 12:00", "2026-10-26 12:00") == ["25 00:30", "26 01:30"]


def test_looking_back_from_the_hour_that_comes_twice_sees_what_was_due_in_its_first_time():
    daily = Schedule("30 2 * * *", BERLIN)
    for minutes in range(90):
        moment = at("2026-10-25 00:30") + timedelta(minutes=minutes)
        assert last_due(daily, at("2026-10-20 00:00"), moment) == at("2026-10-25 00:30")


def test_every_hour_follows_the_time_that_passes():
    hourly = Schedule("15 * * * *", BERLIN)
    assert moments(hourly, "2026-10-25 00:00", "2026-10-25 03:00") == ["25 00:15", "25 01:15", "25 02:15"]


@pytest.mark.parametrize(
    "cron", ["30 2 * * *", "0 */6 * * *", "15 * * * *", "*/20 3 * * 1-5", "0 0 31 * *", "5 2 25 10 *"]
)
@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Asia/Kolkata", "UTC"])
def test_looking_back_finds_what_looking_forward_found(cron, zone):
    schedule = Schedule(cron, zone)
    moment, previous = at("2026-10-20 00:00"), None
    for _ in range(40):
        due = next_due(schedule, moment)
        if due is None or due > at("2026-11-20 00:00"):
            break
        assert last_due(schedule, moment, due) == due
        assert last_due(schedule, due - timedelta(seconds=1), due) == due
        assert last_due(schedule, due, due) is None
        if previous is not None and due - previous > timedelta(minutes=2):
            assert last_due(schedule, previous, due - timedelta(minutes=1)) is None
        moment = previous = due


def test_what_cannot_be_meant_is_refused():
    site = SimulatedSite()
    for schedule in (
        Schedule("61 * * * *"),
        Schedule("* * * *"),
        Schedule("* * * * * *"),
        Schedule("0 0 * * *", "Europe/Berlintown"),
        Schedule("0 0 * * *", "../etc/passwd"),
    ):
        with pytest.raises(UsageError, match="cannot be meant"):
            check_schedules(site.policy(snapshot=SnapshotTarget(1, schedule)))


@pytest.fixture
def site() -> SimulatedSite:
    """It is 09:00 on a Monday; there is one instance."""
    site = SimulatedSite()
    site.cloud.add_instance("web-1")
    return site


def sessions(site):
    return site.records.sessions.page(before=None, limit=100)


def daily(site, cron="0 10 * * *"):
    site.policy(snapshot=SnapshotTarget(5, Schedule(cron)), backup=None)


def test_a_run_begins_when_it_is_due_and_only_once(site):
    daily(site)
    assert tick(site) == []
    site.wait(3600)
    (started,) = tick(site)
    assert site.records.sessions.get(started).state == State.SUCCEEDED
    assert tick(site) == []
    site.wait(24 * 3600)
    assert len(tick(site)) == 1


def test_both_targets_of_one_moment_are_one_run(site):
    schedule = Schedule("0 10 * * *")
    site.policy(snapshot=SnapshotTarget(5, schedule), backup=BackupTarget("vault", Retention(3), schedule))
    site.wait(3600)
    (started,) = tick(site)
    assert site.records.sessions.details(started)["targets"] == ["snapshot", "backup"]


def test_targets_of_their_own_moments_are_runs_of_their_own(site):
    site.policy(
        snapshot=SnapshotTarget(5, Schedule("0 10 * * *")),
        backup=BackupTarget("vault", Retention(3), Schedule("0 12 * * *")),
    )
    site.wait(3600)
    assert len(tick(site)) == 1
    site.wait(2 * 3600)
    (second,) = tick(site)
    assert site.records.sessions.details(second)["targets"] == [BACKUP]


def test_what_was_missed_is_made_up_for_once(site):
    daily(site, "0 * * * *")
    site.wait(5 * 3600 + 60)
    assert len(tick(site)) == 1
    assert tick(site) == []


def test_what_was_missed_more_than_a_day_ago_is_not(site):
    daily(site, "0 10 2 3 *")
    site.wait(30 * 3600)
    assert tick(site) == []


def test_a_schedule_does_not_reach_back_behind_its_change(site):
    daily(site)
    site.wait(2 * 3600)
    site.policy(snapshot=SnapshotTarget(5, Schedule("30 10 * * *")), backup=None)
    assert tick(site) == []


def test_a_disabled_policy_waits_and_what_fell_due_meanwhile_does_not_count(site):
    daily(site)
    site.records.policies.enable("web", False, site.loop.now())
    site.wait(2 * 3600)
    assert tick(site) == []
    site.records.policies.enable("web", True, site.loop.now())
    assert tick(site) == []
    site.wait(24 * 3600)
    assert len(tick(site)) == 1


def test_a_policy_that_still_runs_is_not_started_again(site):
    daily(site)
    site.wait(3600)

    async def act(appliance):
        book, start = appliance.workflows.book, appliance.service.start_run
        running = appliance.service.run_policy("web", ())
        clock = Scheduler(appliance.surface, book, start)
        assert clock.tick() == []
        return running

    running = site.run(act)
    lines = [line.message for line in site.records.sessions.lines(running.id, 0, 100)]
    assert any("was left out" in line for line in lines)
    assert tick(site) == [], "that moment is over"


def test_a_target_waits_for_the_end_of_a_run_that_does_not_do_it(site):
    """Snapshots of every hour must not cost the one backup of the night."""
    site.policy(
        snapshot=SnapshotTarget(5, Schedule("0 * * * *")),
        backup=BackupTarget("vault", Retention(3), Schedule("0 10 * * *")),
    )
    site.wait(3540)

    site.cloud.snapshot_seconds = 300.0

    async def act(appliance):
        running = appliance.service.run_policy("web", ("snapshot",))
        await appliance.surface.surroundings.sleep(120)
        assert scheduler(appliance).tick() == [], "10:01, and the snapshots of 09:59 are not complete"
        return running

    running = site.run(act)
    lines = [line.message for line in site.records.sessions.lines(running.id, 0, 100)]
    assert any("a run (snapshot)" in line and "was left out" in line for line in lines)
    (started,) = tick(site)
    assert site.records.sessions.details(started)["targets"] == [BACKUP]
    assert site.records.sessions.get(started).state == State.SUCCEEDED
    assert tick(site) == []


def test_killed_before_it_was_written_down_the_same_session_goes_on(site):
    daily(site)
    site.wait(3600)
    remember = site.records.policies.remember_due

    class DiedError(BaseException):
        pass

    def die(name, target, moment, now):
        raise DiedError

    site.records.policies.remember_due = die
    with pytest.raises(DiedError):
        tick(site)
    site.records.policies.remember_due = remember
    (again,) = tick(site)
    assert [session.id for session in sessions(site)] == [again]
    assert site.records.sessions.get(again).state == State.SUCCEEDED
    assert site.records.policies.fell_due("web", "snapshot") == BEGINNING.replace(hour=10)


MID_MONTH = Retention(keep=2, monthly=MonthlyTier(months=12, on_day=2, at="10:30"))


def test_a_tier_with_a_day_of_its_own_is_a_run_beside_the_schedule(site):
    """It is the 2nd of March; the schedule comes at 12:00."""
    site.policy(backup=BackupTarget("vault", MID_MONTH, Schedule("0 12 * * *")))
    site.wait(2 * 3600)
    (beside,) = tick(site)
    details = site.records.sessions.details(beside)
    assert (details["targets"], details["beside"]) == ([BACKUP], True)
    assert tick(site) == []
    site.wait(2 * 3600)
    (usual,) = tick(site)
    assert not site.records.sessions.details(usual)["beside"]
    site.wait(24 * 3600)
    assert len(tick(site)) == 1, "the schedule's alone"


def test_a_tiers_day_at_the_schedules_time_is_one_run(site):
    site.policy(snapshot=None, backup=BackupTarget("vault", MID_MONTH, Schedule("30 10 * * *")))
    site.wait(2 * 3600)
    (one,) = tick(site)
    assert not site.records.sessions.details(one)["beside"]
    assert site.records.policies.fell_due("web", "backup-monthly") == BEGINNING.replace(hour=10, minute=30)
    (point,) = [point for point in site.records.points.of_policy("web") if point.kind == "image-backup"]
    assert point.flags == ("D", "M")
