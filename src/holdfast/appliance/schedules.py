"""When a schedule falls due: cron expressions in their time zone, right over the change of clocks.

A moment that the clocks leave out in spring counts at the change; one that comes twice in autumn counts once, as
Debian's cron has it; an expression of every hour or minute follows the time that passes.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from holdfast.domain.errors import UsageError
from holdfast.domain.policy import Ec2Policy, Schedule

_FIELDS = 5


def check_schedules(policy: Ec2Policy) -> None:
    """Raises UsageError for a cron expression or time zone that cannot be meant."""
    for path, target in (("snapshot", policy.snapshot), ("backup", policy.backup)):
        if target is not None and target.schedule is not None:
            _check(target.schedule, f"spec.{path}.schedule")


def last_due(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """The latest moment that fell due later than `after` and not later than `until`; None when none did."""
    zone = _zone(schedule.time_zone)
    # Backwards, and from the second after, as the moment itself counts.
    beginning = (until.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)).astimezone(zone)
    try:
        due: datetime = next(CronSim(schedule.cron, beginning, reverse=True)).astimezone(UTC)
    except StopIteration:
        return None
    return due if due > after else None


def next_due(schedule: Schedule, after: datetime) -> datetime | None:
    """The first moment later than `after`; None for what never comes."""
    try:
        due: datetime = next(CronSim(schedule.cron, after.astimezone(_zone(schedule.time_zone))))
    except StopIteration:
        return None
    return due.astimezone(UTC)


def _check(schedule: Schedule, path: str) -> None:
    if len(schedule.cron.split()) != _FIELDS:
        raise _refusal(f"{path}.cron", schedule.cron, "an expression has the five fields minute hour day month weekday")
    try:
        CronSim(schedule.cron, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise _refusal(f"{path}.cron", schedule.cron, str(error)) from None
    try:
        _zone(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        why = "the time zone data base has no such name"
        raise _refusal(f"{path}.time_zone", schedule.time_zone, why) from None


def _refusal(path: str, text: str, why: str) -> UsageError:
    return UsageError(f"{path}: {text!r} cannot be meant", why=why, cure="write for example cron: 0 22 * * 1-5")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
