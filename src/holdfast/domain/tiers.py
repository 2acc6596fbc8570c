"""The tiers of a retention: which moments of a schedule have a use beyond the schedule's own (E15).

A harmonized tier makes nothing: it re-uses the point that the schedule makes at its moment. A tier `on_day` has moments
of its own, and a point is made for it. Of an archive each tier has moments at which the newest backup is copied (E16).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.policy import (
    ArchiveTarget,
    BackupTarget,
    Ec2Policy,
    Limit,
    Month,
    MonthlyTier,
    Retention,
    Schedule,
    Week,
    Weekday,
    WeeklyTier,
    YearlyTier,
)
from holdfast.domain.restore_point import Flag

_DAYS_OF_FEBRUARY, _SHORT_MONTHS = 29, (4, 6, 9, 11)
_WEEKDAYS = {day: number for number, day in enumerate(Weekday, 1)}
_MONTHS = {month: number for number, month in enumerate(Month, 1)}
Tiers = Mapping[Flag, WeeklyTier | MonthlyTier]
_WEEKS = {week: "L" if week == Week.LAST else f"#{number}" for number, week in enumerate(Week, 1)}


@dataclass(frozen=True, slots=True)
class TierMoments:
    """When a tier falls due: with whichever of its schedules does."""

    flag: Flag
    schedules: tuple[Schedule, ...]
    harmonized: bool


def limits_of(retention: Retention) -> dict[Flag, Limit]:
    """What each flag keeps, from the most frequent schedule to the least."""
    return {Flag.DAILY: retention, **tiers_of(retention)}


def tiers_of(retention: Retention) -> dict[Flag, WeeklyTier | MonthlyTier]:
    """The tiers above the schedule itself, from the most frequent to the least."""
    named = ((Flag.WEEKLY, retention.weekly), (Flag.MONTHLY, retention.monthly), (Flag.YEARLY, retention.yearly))
    return {flag: tier for flag, tier in named if tier is not None}


def archive_tiers(target: ArchiveTarget) -> dict[Flag, MonthlyTier]:
    """Those of an archive, which are all its limits."""
    named = ((Flag.MONTHLY, target.monthly), (Flag.YEARLY, target.yearly))
    return {flag: tier for flag, tier in named if tier is not None}


def is_harmonized(tier: WeeklyTier | MonthlyTier) -> bool:
    """Whether it re-uses what the schedule makes."""
    return isinstance(tier, WeeklyTier) or tier.on_day is None


def times_of(tiers: Tiers) -> dict[Flag, str | None]:
    """The time of day of each tier: its own, else that of the next lower one that is harmonized."""
    times: dict[Flag, str | None] = {}
    inherited: str | None = None
    for flag, tier in tiers.items():
        times[flag] = tier.at or (inherited if is_harmonized(tier) else None)
        if is_harmonized(tier):
            inherited = times[flag]
    return times


def moments_of(target: BackupTarget) -> tuple[TierMoments, ...]:
    """When the tiers of a target fall due, in the time zone of its schedule; none without a schedule."""
    return _moments(tiers_of(target.retention), target.schedule)


def archive_moments(policy: Ec2Policy) -> tuple[TierMoments, ...]:
    """The same of a policy's archive, in the time zone of the backups that are copied."""
    if policy.archive is None or policy.backup is None:
        return ()
    return _moments(archive_tiers(policy.archive), policy.backup.schedule)


def timing_of(policy: Ec2Policy) -> tuple[object, ...]:
    """All that says when something of a policy falls due: of two that are equal in it, one takes up what the other
    owes.
    """
    snapshot, backup = policy.snapshot, policy.backup
    return (
        None if snapshot is None else snapshot.schedule,
        None if backup is None else (backup.schedule, moments_of(backup)),
        archive_moments(policy),
        policy.health_check,
    )


def _moments(tiers: Tiers, schedule: Schedule | None) -> tuple[TierMoments, ...]:
    if schedule is None:
        return ()
    times, found = times_of(tiers), list[TierMoments]()
    for flag, tier in tiers.items():
        hour, minute = (int(part) for part in (times[flag] or "00:00").split(":"))
        schedules = tuple(Schedule(f"{minute} {hour} {days}", schedule.time_zone) for days in _days(tier))
        found.append(TierMoments(flag, schedules, is_harmonized(tier)))
    return tuple(found)


def _days(tier: WeeklyTier | MonthlyTier) -> tuple[str, ...]:
    """The last three fields of cron expressions, day month weekday, that together are the tier's days."""
    if isinstance(tier, WeeklyTier):
        return (f"* * {_WEEKDAYS[tier.day]}",)
    number = _MONTHS[tier.month] if isinstance(tier, YearlyTier) else None
    if tier.on_day is not None:
        return _on_day(tier.on_day, number)
    weekday = _WEEKDAYS[tier.day or Weekday.MONDAY]
    return (f"* {number or '*'} {weekday}{_WEEKS[tier.week or Week.FIRST]}",)


def _on_day(day: int, month: int | None) -> tuple[str, ...]:
    """A day that a month has not is the last that it has."""
    if month is not None:
        longest = _DAYS_OF_FEBRUARY if month == 2 else 30 if month in _SHORT_MONTHS else 31
        return (f"{'L' if day >= longest else day} {month} *",)
    if day < _DAYS_OF_FEBRUARY:
        return (f"{day} * *",)
    return ("L * *",) if day == 31 else (f"{day} 1,3-12 *", "L 2 *")
