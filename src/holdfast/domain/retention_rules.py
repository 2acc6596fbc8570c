"""What every retention must keep to: one limit for each tier, tiers that fit each other and a schedule to choose from.
Whether the schedule makes anything at a tier's moments is checked where cron is computed.
"""

import re
from collections.abc import Iterator
from dataclasses import fields

from holdfast.domain.policy import BackupTarget, Limit, MonthlyTier
from holdfast.domain.restore_point import Flag
from holdfast.domain.tiers import is_harmonized, limits_of, tiers_of, times_of

LARGEST_KEEP = 1000
# A hundred years each.
_LARGEST = {"keep": LARGEST_KEEP, "days": 36_500, "weeks": 5_200, "months": 1_200, "years": 100}
# Days that pass at least, and at most.
_SPANS = {"days": (1, 1), "weeks": (7, 7), "months": (28, 31), "years": (365, 366)}
_NAMES = {Flag.DAILY: "", Flag.WEEKLY: ".weekly", Flag.MONTHLY: ".monthly", Flag.YEARLY: ".yearly"}
_PATH = "spec.backup.retention"
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LONGEST_MONTH = 31


def retention_complaints(target: BackupTarget) -> Iterator[str]:
    """A line for each thing that is wrong, with its path and what to write instead."""
    limits = limits_of(target.retention)
    for flag, limit in limits.items():
        yield from _limit(_PATH + _NAMES[flag], limit)
    tiers = tiers_of(target.retention)
    if tiers and target.schedule is None:
        first = next(iter(tiers))
        yield f"{_PATH}{_NAMES[first]}: there is no schedule whose points it could choose from: write backup.schedule"
    yield from _order(limits)
    yield from _times(target)
    for flag, tier in tiers.items():
        if isinstance(tier, MonthlyTier):
            yield from _monthly(_PATH + _NAMES[flag], tier)


def _limit(path: str, limit: Limit) -> Iterator[str]:
    given = _given(limit)
    if len(given) != 1:
        told = " and ".join(given) or "none"
        yield f"{path}: {told} of keep, days, weeks, months, years: write exactly one of them"
    for name, value in given.items():
        if not 1 <= value <= _LARGEST[name]:
            yield f"{path}.{name}: {value} is not in 1 to {_LARGEST[name]}"


def _order(limits: dict[Flag, Limit]) -> Iterator[str]:
    """A flag that goes before that of a lower tier keeps nothing."""
    below: tuple[Flag, int] | None = None
    for flag, limit in limits.items():
        given = [(name, value) for name, value in _given(limit).items() if name != "keep"]
        if len(given) != 1:
            continue
        name, value = given[0]
        least, most = _SPANS[name]
        if below is not None and value * most <= below[1]:
            lower = _NAMES[below[0]].lstrip(".") or "the schedule itself"
            yield f"{_PATH}{_NAMES[flag]}.{name}: {value} is no longer than {lower} keeps: write more, or leave it out"
        below = flag, value * least


def _times(target: BackupTarget) -> Iterator[str]:
    times, locked = times_of(target.retention), None
    for flag, tier in tiers_of(target.retention).items():
        path, at = f"{_PATH}{_NAMES[flag]}.at", times[flag]
        if at is None:
            yield f"{path}: a time of day is needed, as 07:00"
        elif not _TIME_OF_DAY.fullmatch(at):
            yield f"{path}: {at!r} is no time of day: write one as 07:00"
        elif is_harmonized(tier):
            if locked is not None and at != locked:
                yield f"{path}: {at} is not the time of the tier below it: write {locked}, or on_day"
            locked = at


def _monthly(path: str, tier: MonthlyTier) -> Iterator[str]:
    if tier.on_day is None:
        if tier.week is None or tier.day is None:
            yield f"{path}: which day is meant is not said: write week and day, or on_day"
        return
    if tier.week is not None or tier.day is not None:
        yield f"{path}: on_day and a day of a week are two days: write one of them"
    if not 1 <= tier.on_day <= _LONGEST_MONTH:
        yield f"{path}.on_day: {tier.on_day} is not in 1 to {_LONGEST_MONTH}"


def _given(limit: Limit) -> dict[str, int]:
    values = {one.name: getattr(limit, one.name) for one in fields(Limit)}
    return {name: value for name, value in values.items() if value is not None}
