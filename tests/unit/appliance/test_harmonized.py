"""Harmonized schedules, replayed moment by moment: which flags each point bears, and which points are left (E15)."""

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.appliance.policies.schedules import check_schedules, latest_tiers, next_due, zone_of
from holdfast.domain.errors import UsageError
from holdfast.domain.policy import (
    BackupTarget,
    Ec2Policy,
    Month,
    MonthlyTier,
    Retention,
    Schedule,
    Selection,
    Week,
    Weekday,
    WeeklyTier,
    YearlyTier,
)
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.retention import decide, flags_at
from holdfast.domain.tiers import limits_of, moments_of
from holdfast.domain.workload import Workload, WorkloadKind
from holdfast.protocol.policies import parse_policy, read_policy

WORKLOAD = Workload(WorkloadKind.EC2_INSTANCE, "main", "eu-central-1", "i-1")
BERLIN = "Europe/Berlin"
FIRST_MONDAY: dict[str, Any] = {"week": Week.FIRST, "day": Weekday.MONDAY, "at": "07:00"}
MONDAY_AT_7 = WeeklyTier(keep=2, day=Weekday.MONDAY, at="07:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Replay:
    """The points of one instance, whose runs never fail and take no time."""

    def __init__(self, target: BackupTarget, beginning: str) -> None:
        self.target = target
        self.now = self.run_before = at(beginning)
        self.points: dict[str, RestorePoint] = {}

    def run(self, *, beside: bool = False) -> None:
        flags = flags_at(
            latest_tiers(moments_of(self.target), self.run_before, self.now), self.run_before, beside=beside
        )
        name = self.now.astimezone(zone_of(self.target)).strftime("%a %d %b %H:%M")
        self.points[name] = RestorePoint(
            name, PointKind.IMAGE_BACKUP, WORKLOAD, "web", self.now, 1, flags=flags, as_of=self.now
        )
        self.run_before = self.now
        self.retain()

    def retain(self) -> None:
        limits, zone = limits_of(self.target.retention), zone_of(self.target)
        verdicts = decide(self.points.values(), "web", PointKind.IMAGE_BACKUP, limits, self.now, zone)
        self.points = {one.point.id: _as_judged(one) for one in verdicts[::-1] if one.keep}

    def until(self, end: str, beside: Schedule | None = None) -> None:
        assert self.target.schedule is not None
        while True:
            due = {next_due(self.target.schedule, self.now): False}
            if beside is not None:
                due.setdefault(next_due(beside, self.now), True)
            moment = min(one for one in due if one is not None)
            if moment > at(end):
                break
            self.now = moment
            self.run(beside=due[moment])
        self.now = at(end)
        self.retain()

    @property
    def chain(self) -> list[str]:
        return [f"{name} {','.join(point.flags)}" for name, point in self.points.items()]


def _as_judged(verdict) -> RestorePoint:
    point = verdict.point
    return RestorePoint(
        point.id, point.kind, point.workload, point.policy, point.created_at, 1,
        flags=verdict.flags, keep_until=verdict.keep_until, as_of=point.as_of,
    )  # fmt: skip


def three_a_day(**retention) -> Replay:
    """2026-03-02 is a Monday."""
    schedule = Schedule("0 7,9,11 * * 1-5")
    return Replay(BackupTarget("vault", Retention(**retention), schedule), "2026-03-01 12:00")


def test_three_a_day_of_which_three_stay_and_two_of_mondays():
    """The worked example, step by step: 7:00, 9:00 and 11:00 on working days; Monday 7:00 stays for two weeks."""
    replay = three_a_day(keep=3, weekly=MONDAY_AT_7)
    replay.until("2026-03-02 07:00")
    assert replay.chain == ["Mon 02 Mar 07:00 D,W"]
    replay.until("2026-03-02 11:00")
    assert replay.chain == ["Mon 02 Mar 07:00 D,W", "Mon 02 Mar 09:00 D", "Mon 02 Mar 11:00 D"]
    replay.until("2026-03-03 07:00")
    assert replay.chain == [
        "Mon 02 Mar 07:00 W", "Mon 02 Mar 09:00 D", "Mon 02 Mar 11:00 D", "Tue 03 Mar 07:00 D",
    ]  # fmt: skip
    replay.until("2026-03-03 09:00")
    assert replay.chain == [
        "Mon 02 Mar 07:00 W", "Mon 02 Mar 11:00 D", "Tue 03 Mar 07:00 D", "Tue 03 Mar 09:00 D",
    ]  # fmt: skip
    replay.until("2026-03-09 07:00")
    assert replay.chain == [
        "Mon 02 Mar 07:00 W", "Fri 06 Mar 09:00 D", "Fri 06 Mar 11:00 D", "Mon 09 Mar 07:00 D,W",
    ]  # fmt: skip
    replay.until("2026-03-13 11:00")
    assert replay.chain[:2] == ["Mon 02 Mar 07:00 W", "Mon 09 Mar 07:00 W"]
    replay.until("2026-03-16 07:00")
    assert replay.chain == [
        "Mon 09 Mar 07:00 W", "Fri 13 Mar 09:00 D", "Fri 13 Mar 11:00 D", "Mon 16 Mar 07:00 D,W",
    ]  # fmt: skip


def test_the_same_by_time():
    """Three a day for three days, and Monday's for two weeks: as long as said, and no run longer."""
    replay = three_a_day(days=3, weekly=WeeklyTier(weeks=2, day=Weekday.MONDAY, at="07:00"))
    replay.until("2026-03-05 07:00")
    assert replay.chain[:3] == ["Mon 02 Mar 07:00 W", "Mon 02 Mar 09:00 D", "Mon 02 Mar 11:00 D"]
    assert len(replay.chain) == 10
    replay.until("2026-03-16 06:59")
    assert replay.chain == ["Mon 02 Mar 07:00 W", "Mon 09 Mar 07:00 W", "Fri 13 Mar 07:00 D", "Fri 13 Mar 09:00 D",
                            "Fri 13 Mar 11:00 D"]  # fmt: skip
    replay.until("2026-03-16 07:00")
    assert replay.chain[0] == "Mon 09 Mar 07:00 W"


def test_one_chain_for_four_flags_over_the_years():
    retention = Retention(
        keep=2,
        weekly=WeeklyTier(keep=2, day=Weekday.SUNDAY, at="22:00"),
        monthly=MonthlyTier(keep=2, week=Week.LAST, day=Weekday.SUNDAY),
        yearly=YearlyTier(years=2, week=Week.LAST, day=Weekday.SUNDAY, month=Month.DECEMBER),
    )
    replay = Replay(BackupTarget("vault", retention, Schedule("0 22 * * *", BERLIN)), "2026-12-01 12:00")
    replay.until("2026-12-27 21:00")
    assert replay.chain == ["Sun 20 Dec 22:00 W", "Sat 26 Dec 22:00 D", "Sun 27 Dec 22:00 D,W,M,Y"]
    replay.until("2027-03-01 12:00")
    assert replay.chain == [
        "Sun 27 Dec 22:00 Y", "Sun 31 Jan 22:00 M", "Sun 21 Feb 22:00 W", "Sat 27 Feb 22:00 D",
        "Sun 28 Feb 22:00 D,W,M",
    ]  # fmt: skip
    replay.until("2028-12-27 20:59")
    assert replay.chain[0] == "Sun 27 Dec 22:00 Y"
    replay.until("2028-12-27 21:00")
    assert "Sun 27 Dec 22:00" not in replay.points


def test_a_day_of_its_own_makes_a_point_that_no_lower_tier_counts():
    """The 31st where there is one, else the last of the month; 22:00 in Berlin, whatever the clocks do."""
    retention = Retention(keep=2, monthly=MonthlyTier(months=3, on_day=31, at="22:00"))
    target = BackupTarget("vault", retention, Schedule("0 3 * * 1-5", BERLIN))
    (tier,) = moments_of(target)
    replay = Replay(target, "2026-01-15 12:00")
    replay.until("2026-04-30 19:59", beside=tier.schedules[0])
    assert replay.chain == [
        "Sat 31 Jan 22:00 M", "Sat 28 Feb 22:00 M", "Tue 31 Mar 22:00 M", "Wed 29 Apr 03:00 D", "Thu 30 Apr 03:00 D",
    ]  # fmt: skip
    assert replay.points["Sat 31 Jan 22:00"].keep_until == at("2026-04-30 20:00")
    replay.until("2026-04-30 20:00", beside=tier.schedules[0])
    assert replay.chain == [
        "Sat 28 Feb 22:00 M", "Tue 31 Mar 22:00 M", "Wed 29 Apr 03:00 D", "Thu 30 Apr 03:00 D", "Thu 30 Apr 22:00 M",
    ]  # fmt: skip


def test_a_flag_whose_run_failed_goes_to_the_next_point():
    replay = three_a_day(keep=3, weekly=MONDAY_AT_7)
    replay.until("2026-03-02 05:00")
    replay.now = at("2026-03-02 07:30")  # nothing came of the run of 7:00
    replay.until("2026-03-02 11:00")
    assert replay.chain == ["Mon 02 Mar 09:00 D,W", "Mon 02 Mar 11:00 D"]


def test_a_time_that_spring_leaves_out_has_its_flag_all_the_same():
    retention = Retention(keep=2, weekly=WeeklyTier(keep=1, day=Weekday.SUNDAY, at="02:30"))
    replay = Replay(BackupTarget("vault", retention, Schedule("30 2 * * *", BERLIN)), "2026-03-28 12:00")
    replay.until("2026-03-29 12:00")
    assert replay.chain == ["Sun 29 Mar 03:00 D,W"]


def moments(tier, count, beginning="2027-01-15 00:00"):
    """The next moments of a tier that has days of its own, on the clocks of its zone."""
    target = BackupTarget("vault", Retention(keep=1, **tier), Schedule("0 3 * * *", BERLIN))
    (found,) = moments_of(target)
    told, moment = [], at(beginning)
    for _ in range(count):
        moment = min(due for one in found.schedules if (due := next_due(one, moment)) is not None)
        told.append(moment.astimezone(zone_of(target)).strftime("%y-%m-%d %H:%M"))
    return told


@pytest.mark.parametrize(
    ("on_day", "first", "february"),
    [(number, f"27-01-{number}", "27-02-28") for number in (31, 30, 29, 28)],
)
def test_a_day_that_a_month_has_not_is_its_last(on_day, first, february):
    found = moments({"monthly": MonthlyTier(keep=1, on_day=on_day, at="22:00")}, 16)
    assert found[:4] == [f"{day} 22:00" for day in (first, february, f"27-03-{on_day}", f"27-04-{min(on_day, 30)}")]
    assert found[13] == f"28-02-{min(on_day, 29)} 22:00"
    assert len({day[:5] for day in found}) == 16, "each month once"


def test_the_29th_of_february_is_the_last_of_february():
    tier = YearlyTier(years=7, on_day=29, month=Month.FEBRUARY, at="22:00")
    assert moments({"yearly": tier}, 3) == ["27-02-28 22:00", "28-02-29 22:00", "29-02-28 22:00"]
    other = YearlyTier(years=7, on_day=31, month=Month.APRIL, at="22:00")
    assert moments({"yearly": other}, 2) == ["27-04-30 22:00", "28-04-30 22:00"]
    before = YearlyTier(years=7, on_day=28, month=Month.FEBRUARY, at="22:00")
    assert moments({"yearly": before}, 2) == ["27-02-28 22:00", "28-02-28 22:00"]
    plain = YearlyTier(years=7, on_day=1, month=Month.JULY, at="02:30")
    assert moments({"yearly": plain}, 1) == ["27-07-01 02:30"]


@pytest.mark.parametrize(
    ("week", "days"),
    [(Week.FIRST, "27-02-05 27-03-05"), (Week.FOURTH, "27-01-22 27-02-26"), (Week.LAST, "27-01-29 27-02-26")],
)
def test_weekdays_of_a_month(week, days):
    tier = MonthlyTier(keep=1, week=week, day=Weekday.FRIDAY, at="03:00")
    assert moments({"monthly": tier}, 2) == [f"{day} 03:00" for day in days.split()]


@pytest.mark.parametrize(
    ("cron", "tier"),
    [
        ("0 7,9,11 * * 1-5", {"weekly": WeeklyTier(keep=2, day=Weekday.MONDAY, at="08:00")}),
        ("0 7,9,11 * * 1-5", {"weekly": WeeklyTier(keep=2, day=Weekday.SUNDAY, at="07:00")}),
        ("0 7 1-7 * *", {"weekly": MONDAY_AT_7}),
        ("0 7 * 1-6 *", {"monthly": MonthlyTier(keep=2, **FIRST_MONDAY)}),
        ("0 7 * 1-6 *", {"yearly": YearlyTier(keep=2, month=Month.JULY, **FIRST_MONDAY)}),
    ],
)
def test_a_tier_that_would_never_or_not_always_find_a_point_is_refused(cron, tier):
    with pytest.raises(UsageError, match="makes no point then") as refused:
        check_schedules(with_backup(BackupTarget("vault", Retention(keep=3, **tier), Schedule(cron, BERLIN))))
    assert "on_day" in refused.value.cure


@pytest.mark.parametrize("cron", ["0 7,9,11 * * 1-5", "*/30 * * * *", "0 7 * * 1"])
def test_a_tier_that_always_finds_a_point_is_accepted(cron):
    tiers: dict[str, Any] = {
        "weekly": MONDAY_AT_7,
        "monthly": MonthlyTier(keep=2, week=Week.THIRD, day=Weekday.MONDAY),
        "yearly": YearlyTier(keep=2, on_day=29, month=Month.FEBRUARY, at="03:17"),
    }
    check_schedules(with_backup(BackupTarget("vault", Retention(keep=3, **tiers), Schedule(cron, BERLIN))))


def test_the_example_of_the_page_is_accepted():
    page = (Path(__file__).resolve().parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")
    section = page[page.index("## How long backups stay") :]
    example = textwrap.dedent(section[section.index("    backup:") : section.index("The schedule says")])
    spec = {"account": "main", "regions": ["eu-central-1"], "select": {"all": True}, **parse_policy(example)}
    document = {"apiVersion": "holdfast/v1", "kind": "EC2Policy", "metadata": {"name": "web"}, "spec": spec}
    policy = read_policy(document)
    check_schedules(policy)
    assert policy.backup is not None
    assert len(moments_of(policy.backup)) == 3


def with_backup(target: BackupTarget) -> Ec2Policy:
    return Ec2Policy("web", "main", ("eu-central-1",), Selection(all=True), backup=target)


def test_without_a_schedule_there_are_no_moments():
    target = BackupTarget("vault", Retention(days=3, weekly=MONDAY_AT_7))
    assert latest_tiers(moments_of(target), at("2026-01-01 00:00"), at("2027-01-01 00:00")) == {}
    assert limits_of(target.retention) == {"D": target.retention, "W": MONDAY_AT_7}
    assert zone_of(target).key == "UTC"
