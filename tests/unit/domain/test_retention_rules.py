"""Where a rule of retention begins and ends. What each complaint says, tests of policy documents say."""

from datetime import timedelta
from typing import Any

import pytest

from holdfast.domain.policy import (
    ArchiveTarget,
    BackupTarget,
    Month,
    MonthlyTier,
    Retention,
    Schedule,
    Weekday,
    WeeklyTier,
    YearlyTier,
)
from holdfast.domain.retention_rules import archives_shorter_than, retention_complaints

NIGHTLY = Schedule("30 1 * * *")


def complaints(**retention) -> list[str]:
    return list(retention_complaints(BackupTarget("vault", Retention(**retention), NIGHTLY)))


@pytest.mark.parametrize(
    ("name", "most"), [("keep", 1000), ("days", 36_500), ("weeks", 5_200), ("months", 1_200), ("years", 100)]
)
def test_a_limit_is_one_to_a_hundred_years(name, most):
    assert complaints(**{name: 1}) == complaints(**{name: most}) == []
    for value in (0, most + 1):
        (told,) = complaints(**{name: value})
        assert told.startswith(f"spec.backup.retention.{name}: {value} is not in 1 to {most}")


def test_a_day_of_a_month_is_1_to_31():
    for day in (1, 31):
        assert complaints(keep=3, monthly=MonthlyTier(months=12, on_day=day, at="07:00")) == []
    for day in (0, 32):
        (told,) = complaints(keep=3, monthly=MonthlyTier(months=12, on_day=day, at="07:00"))
        assert told == f"spec.backup.retention.monthly.on_day: {day} is not in 1 to 31"


def test_a_tier_keeps_longer_than_the_one_below_whatever_stands_between_them():
    """By the longest that the one may last and the shortest that the other does; a number says nothing."""
    write = "write more, or leave it out"
    short = MonthlyTier(months=1, on_day=1, at="07:00")
    assert complaints(days=31, monthly=short) == [
        f"spec.backup.retention.monthly.months: 1 is no longer than the schedule itself keeps: {write}"
    ]
    assert complaints(days=30, monthly=short) == []
    by_number = WeeklyTier(keep=9, day=Weekday.SUNDAY, at="07:00")
    assert len(complaints(days=31, weekly=by_number, monthly=short)) == 1
    weekly = WeeklyTier(weeks=5, day=Weekday.SUNDAY, at="07:00")
    assert complaints(days=3, weekly=weekly, monthly=short) == [
        f"spec.backup.retention.monthly.months: 1 is no longer than weekly keeps: {write}"
    ]


def test_archives_that_may_go_before_the_least_time_of_their_class_are_told():
    def told(least_days: int, **limit: Any) -> list[str]:
        archive = ArchiveTarget("cold", MonthlyTier(on_day=1, at="07:00", **limit))
        return list(archives_shorter_than(archive, timedelta(days=least_days)))

    assert told(180, days=180) == told(28, months=1) == told(365, years=1) == []
    assert told(180, days=179) == ["spec.archive.monthly.days"]
    assert told(29, months=1) == ["spec.archive.monthly.months"], "February has no more than 28"
    assert told(366, years=1) == ["spec.archive.monthly.years"]
    assert told(180, keep=1) == [], "how long a number lasts is not known"
    yearly = YearlyTier(weeks=2, month=Month.MAY, on_day=1, at="07:00")
    assert list(archives_shorter_than(ArchiveTarget("cold", None, yearly), timedelta(days=15))) == [
        "spec.archive.yearly.weeks"
    ]
