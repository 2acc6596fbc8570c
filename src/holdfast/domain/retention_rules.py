"""What every retention must keep to: one limit for each tier, tiers that fit each other and a schedule to choose from.
Whether the schedule makes anything at a tier's moments is checked where cron is computed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta

from holdfast.domain.policy import ArchiveTarget, BackupTarget, Limit, MonthlyTier
from holdfast.domain.restore_point import Flag
from holdfast.domain.tiers import Tiers, archive_tiers, is_harmonized, limits_of, tiers_of, times_of

LARGEST_KEEP = 1000
# A hundred years each.
_LARGEST = {"keep": LARGEST_KEEP, "days": 36_500, "weeks": 5_200, "months": 1_200, "years": 100}
# Days that pass at least, and at most.
_SPANS = {"days": (1, 1), "weeks": (7, 7), "months": (28, 31), "years": (365, 366)}
_NAMES = {Flag.DAILY: "", Flag.WEEKLY: ".weekly", Flag.MONTHLY: ".monthly", Flag.YEARLY: ".yearly"}
_PATH, _ARCHIVE = "spec.backup.retention", "spec.archive"
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LONGEST_MONTH = 31


def retention_complaints(target: BackupTarget) -> Iterator[str]:
    """A line for each thing that is wrong, with its path and what to write instead."""
    limits, tiers = limits_of(target.retention), tiers_of(target.retention)
    for flag, limit in limits.items():
        yield from _limit(_PATH + _NAMES[flag], limit)
    if tiers and target.schedule is None:
        first = next(iter(tiers))
        yield f"{_PATH}{_NAMES[first]}: there is no schedule whose points it could choose from: write backup.schedule"
    yield from _order(_PATH, limits)
    yield from _tiers(_PATH, tiers)


def archive_complaints(target: ArchiveTarget, backup: BackupTarget | None) -> Iterator[str]:
    """The same of an archive, and of how it fits the backups that it copies (E16)."""
    tiers = archive_tiers(target)
    if backup is None:
        yield f"{_ARCHIVE}: there is no spec.backup whose points it could copy: write one"
    elif backup.schedule is None:
        yield f"{_ARCHIVE}: nothing is made that it could copy by itself: write backup.schedule"
    if not target.repository:
        yield f"{_ARCHIVE}.repository: a name is needed"
    elif backup is not None and target.repository == backup.repository:
        yield f"{_ARCHIVE}.repository: {target.repository} is where the backups are: name another one, of class archive"
    if not tiers:
        yield f"{_ARCHIVE}: how often is not said: write monthly, yearly, or both"
    for flag, tier in tiers.items():
        yield from _limit(_ARCHIVE + _NAMES[flag], tier)
        if backup is not None and flag in tiers_of(backup.retention):
            twice = f"{_PATH}{_NAMES[flag]}"
            yield f"{_ARCHIVE}{_NAMES[flag]}: {twice} keeps the same in the other repository: write one of the two"
    yield from _order(_ARCHIVE, tiers)
    yield from _tiers(_ARCHIVE, tiers)


def archives_shorter_than(target: ArchiveTarget, least: timedelta) -> Iterator[str]:
    """The path of each limit by time that may let an archive go sooner than that."""
    for flag, tier in archive_tiers(target).items():
        for name, value in _given(tier).items():
            if name != "keep" and value * _SPANS[name][0] < least.days:
                yield f"{_ARCHIVE}{_NAMES[flag]}.{name}"


def _limit(path: str, limit: Limit) -> Iterator[str]:
    given = _given(limit)
    if len(given) != 1:
        told = " and ".join(given) or "none"
        yield f"{path}: {told} of keep, days, weeks, months, years: write exactly one of them"
    for name, value in given.items():
        if not 1 <= value <= _LARGEST[name]:
            yield f"{path}.{name}: {value} is not in 1 to {_LARGEST[name]}"


def _order(prefix: str, limits: Mapping[Flag, Limit]) -> Iterator[str]:
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
            yield f"{prefix}{_NAMES[flag]}.{name}: {value} is no longer than {lower} keeps: write more, or leave it out"
        below = flag, value * least


def _tiers(prefix: str, tiers: Tiers) -> Iterator[str]:
    times, locked = times_of(tiers), None
    for flag, tier in tiers.items():
        path, at = f"{prefix}{_NAMES[flag]}.at", times[flag]
        if at is None:
            yield f"{path}: a time of day is needed, as 07:00"
        elif not _TIME_OF_DAY.fullmatch(at):
            yield f"{path}: {at!r} is no time of day: write one as 07:00"
        elif is_harmonized(tier):
            if locked is not None and at != locked:
                yield f"{path}: {at} is not the time of the tier below it: write {locked}, or on_day"
            locked = at
        if isinstance(tier, MonthlyTier):
            yield from _monthly(prefix + _NAMES[flag], tier)


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
