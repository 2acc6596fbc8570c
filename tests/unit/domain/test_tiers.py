"""The moments of tiers as cron expressions, those of archives, and all that says when a policy falls due."""

from dataclasses import replace

import pytest

from holdfast.domain.policy import (
    ArchiveTarget,
    BackupTarget,
    Ec2Policy,
    HealthCheck,
    Month,
    MonthlyTier,
    Retention,
    Schedule,
    Selection,
    SnapshotTarget,
    Week,
    Weekday,
    WeeklyTier,
    YearlyTier,
)
from holdfast.domain.restore_point import Flag
from holdfast.domain.tiers import TierMoments, archive_moments, moments_of, timing_of

BERLIN = "Europe/Berlin"
NIGHTLY = Schedule("30 1 * * *", BERLIN)
MONTHLY = MonthlyTier(months=12, week=Week.LAST, day=Weekday.SUNDAY, at="23:00")
YEARLY = YearlyTier(years=7, month=Month.DECEMBER, on_day=31, at="23:30")
BACKUP = BackupTarget("vault", Retention(keep=3), NIGHTLY)
ARCHIVE = ArchiveTarget("cold", MONTHLY, YEARLY)
POLICY = Ec2Policy("web", "main", (), Selection(all=True), backup=BACKUP, archive=ARCHIVE)


def crons(**tier) -> list[str]:
    """The expressions of the only tier of a retention."""
    (found,) = moments_of(BackupTarget("vault", Retention(keep=3, **tier), NIGHTLY))
    assert {schedule.time_zone for schedule in found.schedules} == {BERLIN}
    return [schedule.cron for schedule in found.schedules]


@pytest.mark.parametrize(
    ("month", "on_day", "days"),
    [
        (Month.FEBRUARY, 28, "28 2 *"),
        (Month.FEBRUARY, 29, "L 2 *"),
        (Month.APRIL, 29, "29 4 *"),
        (Month.APRIL, 30, "L 4 *"),
        (Month.NOVEMBER, 31, "L 11 *"),
        (Month.MAY, 29, "29 5 *"),
        (Month.MAY, 30, "30 5 *"),
        (Month.MAY, 31, "L 5 *"),
        (Month.DECEMBER, 1, "1 12 *"),
    ],
)
def test_a_day_of_one_month_is_its_last_where_it_has_none_later(month, on_day, days):
    assert crons(yearly=YearlyTier(years=7, month=month, on_day=on_day, at="22:05")) == [f"5 22 {days}"]


@pytest.mark.parametrize(
    ("on_day", "days"),
    [
        (1, ["1 * *"]),
        (28, ["28 * *"]),
        (29, ["29 1,3-12 *", "L 2 *"]),
        (30, ["30 1,3-12 *", "L 2 *"]),
        (31, ["L * *"]),
    ],
)
def test_a_day_of_every_month_is_the_last_of_february(on_day, days):
    assert crons(monthly=MonthlyTier(months=12, on_day=on_day, at="22:05")) == [f"5 22 {one}" for one in days]


def test_a_day_of_a_week_is_counted_from_the_beginning_or_is_the_last():
    assert crons(weekly=WeeklyTier(weeks=5, day=Weekday.SUNDAY, at="01:30")) == ["30 1 * * 7"]
    second = MonthlyTier(months=12, week=Week.SECOND, day=Weekday.TUESDAY, at="01:30")
    assert crons(monthly=second) == ["30 1 * * 2#2"]
    last = YearlyTier(years=7, month=Month.MAY, week=Week.LAST, day=Weekday.MONDAY, at="01:30")
    assert crons(yearly=last) == ["30 1 * 5 1L"]


def test_a_tier_without_a_time_of_its_own_falls_due_at_that_of_the_one_below():
    below, above = WeeklyTier(weeks=5, day=Weekday.SUNDAY, at="07:15"), replace(MONTHLY, at=None)
    found = moments_of(BackupTarget("vault", Retention(keep=3, weekly=below, monthly=above), NIGHTLY))
    assert [one.schedules[0].cron for one in found] == ["15 7 * * 7", "15 7 * * 7L"]
    assert [one.harmonized for one in found] == [True, True]
    assert crons(monthly=MonthlyTier(months=12, on_day=2)) == ["0 0 2 * *"], "one that is still to be refused"


def test_tiers_without_a_schedule_never_fall_due():
    assert moments_of(BackupTarget("vault", Retention(keep=3, monthly=MONTHLY))) == ()
    assert archive_moments(replace(POLICY, backup=replace(BACKUP, schedule=None))) == ()


def test_an_archive_falls_due_in_the_time_zone_of_its_backups():
    assert archive_moments(POLICY) == (
        TierMoments(Flag.MONTHLY, (Schedule("0 23 * * 7L", BERLIN),), harmonized=True),
        TierMoments(Flag.YEARLY, (Schedule("30 23 L 12 *", BERLIN),), harmonized=False),
    )
    assert archive_moments(replace(POLICY, archive=None)) == ()
    assert archive_moments(replace(POLICY, backup=None)) == ()


def test_whatever_says_when_something_falls_due_is_compared():
    """And nothing else: a policy that keeps more owes what it owed."""
    policy = replace(POLICY, snapshot=SnapshotTarget(3, NIGHTLY), health_check=HealthCheck(NIGHTLY))
    hourly = Schedule("0 * * * *", BERLIN)
    others = [
        replace(policy, snapshot=None),
        replace(policy, snapshot=SnapshotTarget(3, hourly)),
        replace(policy, backup=None, archive=None),
        replace(policy, backup=replace(BACKUP, schedule=hourly)),
        replace(policy, backup=replace(BACKUP, retention=Retention(keep=3, monthly=MONTHLY))),
        replace(policy, archive=None),
        replace(policy, archive=replace(ARCHIVE, yearly=None)),
        replace(policy, health_check=None),
    ]
    assert len({timing_of(one) for one in [policy, *others]}) == 1 + len(others)
    same = replace(
        policy, priority=1, snapshot=SnapshotTarget(9, NIGHTLY), backup=replace(BACKUP, retention=Retention(days=9))
    )
    assert timing_of(same) == timing_of(policy)
