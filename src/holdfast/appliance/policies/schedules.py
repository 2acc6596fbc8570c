"""When a schedule falls due: cron expressions in their time zone, right over the change of clocks.

A moment that the clocks leave out in spring counts at the change; one that comes twice in autumn counts once, as
Debian's cron has it; an expression of every hour or minute follows the time that passes.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from holdfast.domain.errors import UsageError
from holdfast.domain.policy import BackupTarget, Ec2Policy, Schedule
from holdfast.domain.restore_point import Flag
from holdfast.domain.tiers import TierMoments, moments_of

_FIELDS = 5
# A tier is compared with its schedule over more than a year of weeks.
_MOMENTS_COMPARED = 60
_CHANGE_OF_CLOCKS = timedelta(hours=2)
_ANY_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def check_schedules(policy: Ec2Policy) -> None:
    """Raises UsageError for a cron expression or time zone that cannot be meant."""
    for path, target in (("snapshot", policy.snapshot), ("backup", policy.backup)):
        if target is not None and target.schedule is not None:
            _check(target.schedule, f"spec.{path}.schedule")
    if policy.health_check is not None:
        _check(policy.health_check.schedule, "spec.health_check.schedule")
    if policy.backup is not None and policy.backup.schedule is not None:
        for tier in moments_of(policy.backup):
            if tier.harmonized:
                _check_reuse(tier, policy.backup.schedule)


def zone_of(target: BackupTarget) -> ZoneInfo:
    """The zone on whose clocks the target's days and months pass."""
    return _zone((target.schedule or Schedule("")).time_zone)


def latest_tiers(tiers: Iterable[TierMoments], after: datetime, until: datetime) -> dict[Flag, datetime | None]:
    """When each tier fell due last, later than `after` and not later than `until`; None for not at all."""
    return {one.flag: latest_due(one.schedules, after, until) for one in tiers}


def latest_due(schedules: Iterable[Schedule], after: datetime, until: datetime) -> datetime | None:
    """The latest moment at which one of them fell due, as `last_due` has it."""
    found = (last_due(schedule, after, until) for schedule in schedules)
    return max((moment for moment in found if moment is not None), default=None)


def last_due(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """The latest moment that fell due later than `after` and not later than `until`; None when none did."""
    zone = _zone(schedule.time_zone)
    # Backwards, and from the second after, as the moment itself counts.
    beginning = (until.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)).astimezone(zone)
    if beginning.fold:
        # Clocks show this hour for the second time, and all of its first time is over: CronSim reads it as the first.
        beginning = (beginning.astimezone(UTC) + _CHANGE_OF_CLOCKS).astimezone(zone)
    for moment in CronSim(schedule.cron, beginning, reverse=True):
        due: datetime = moment.astimezone(UTC)
        if due <= until:
            return due if due > after else None
    return None


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
        CronSim(schedule.cron, _ANY_MOMENT)
    except CronSimError as error:
        raise _refusal(f"{path}.cron", schedule.cron, str(error)) from None
    try:
        _zone(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        why = "the time zone data base has no such name"
        raise _refusal(f"{path}.time_zone", schedule.time_zone, why) from None


def _check_reuse(tier: TierMoments, schedule: Schedule) -> None:
    """A harmonized tier re-uses what its schedule makes. Compared on a wall clock that is never changed."""
    made, wanted, moment = Schedule(schedule.cron), Schedule(tier.schedules[0].cron), _ANY_MOMENT
    for _ in range(_MOMENTS_COMPARED):
        moment = next_due(wanted, moment) or moment
        if last_due(made, moment - timedelta(seconds=1), moment) is None:
            raise UsageError(
                f"spec.backup.retention.{tier.flag.name.lower()}: the schedule makes no point then",
                why=f"{schedule.cron!r} does not fall due on {moment:%A %Y-%m-%d at %H:%M}",
                cure="choose a day and a time that the schedule has, or on_day for a point of its own",
            )


def _refusal(path: str, text: str, why: str) -> UsageError:
    return UsageError(f"{path}: {text!r} cannot be meant", why=why, cure="write for example cron: 0 22 * * 1-5")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
