"""Retention: which restore points go, and why the others stay. Deciding and freeing are never one call.

A point bears flags (E15): each keeps it by a rule of its own and goes by it; the point goes with its last flag.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from holdfast.domain.policy import Limit
from holdfast.domain.restore_point import Flag, PointKind, RestorePoint
from holdfast.domain.time import format_time

# How long the snapshots of a backup that no schedule has a point for can be restored from, as E15 has it.
TEMPORARY = timedelta(hours=24)
_MONTHS_A_YEAR, _DAYS_A_WEEK = 12, 7


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one point, and why, as a person reads it; with the flags that it bears from now on, and until
    when a time keeps it at least.
    """

    point: RestorePoint
    keep: bool
    why: str
    flags: tuple[Flag, ...]
    keep_until: datetime | None


@dataclass(frozen=True, slots=True)
class _Hold:
    """What one flag says of a point."""

    holds: bool
    why: str
    until: datetime | None = None


def decide(
    points: Iterable[RestorePoint],
    policy: str,
    kind: PointKind,
    limits: Mapping[Flag, Limit],
    now: datetime,
    zone: tzinfo = UTC,
) -> list[Verdict]:
    """A point of that policy and kind stays as long as a flag of it holds. Other points are none of its business.

    By number a flag holds on the newest of each workload that bear it; by time until that much has passed on the clocks
    of `zone`. A flag that the policy has no limit for any more holds until the time that was said last; where none was,
    for good. A point that bears none is one from before there were flags: `D`. Whatever the limits, the newest point of
    a workload stays, and a temporary one until there is a newer one. One that is hurt is no reason to remove whole
    ones: no number counts it, and it is not the newest where a whole one is. Verdicts come newest first for each
    workload.
    """
    chains: dict[tuple[str, str, str], list[RestorePoint]] = defaultdict(list)
    newest: dict[tuple[str, str, str], RestorePoint] = {}
    for point in sorted(points, key=_age, reverse=True):
        if point.policy == policy:
            place = point.workload.account, point.workload.region, point.workload.id
            newest.setdefault(place, point)
            if point.kind == kind:
                chains[place].append(point)
    return [verdict for place in sorted(chains) for verdict in _judge(chains[place], newest[place], limits, now, zone)]


def flags_at(latest: Mapping[Flag, datetime | None], since: datetime, *, beside: bool) -> tuple[Flag, ...]:
    """The flags of a new point. `latest` says of each tier when it last fell due before the point's run began, `since`
    when the run of the point before began: the first point after a tier's moment bears its flag, so that none is lost
    where a run failed or was left out. A point that is made `beside` the schedule does not bear the schedule's own.
    """
    owed = _owed(latest, since)
    return owed if beside and owed else (Flag.DAILY, *owed)


def archive_flags_at(latest: Mapping[Flag, datetime | None], since: datetime) -> tuple[Flag, ...]:
    """The same of an archive. One that no tier owes was asked for by a person: it stays as the most frequent tier's."""
    return _owed(latest, since) or tuple(latest)[:1]


def _owed(latest: Mapping[Flag, datetime | None], since: datetime) -> tuple[Flag, ...]:
    return tuple(flag for flag, moment in latest.items() if moment is not None and moment > since)


def expires_at(limit: Limit, moment: datetime, zone: tzinfo) -> datetime | None:
    """When a limit by time lets go of what was made at `moment`: at the same time of day in `zone`, on the last day of
    a month that has no such day. Of a time that clocks show twice or never it is the later reading. None: by number.
    """
    if limit.keep is not None:
        return None
    months = (limit.months or 0) + _MONTHS_A_YEAR * (limit.years or 0)
    days = (limit.days or 0) + _DAYS_A_WEEK * (limit.weeks or 0)
    local = _months_later(moment.astimezone(zone).replace(tzinfo=None), months) + timedelta(days=days)
    return max(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def promised_until(
    limits: Mapping[Flag, Limit], flags: Iterable[Flag], moment: datetime, zone: tzinfo
) -> datetime | None:
    """Until when limits by time keep a point with these flags that is made at `moment`; None where only numbers do."""
    times = [expires_at(limits[flag], moment, zone) for flag in flags if flag in limits]
    return max((until for until in times if until is not None), default=None)


def base_snapshots_to_release(points: Sequence[RestorePoint]) -> list[RestorePoint]:
    """Image backups of one workload and repository whose base snapshots are no longer needed: all but the newest."""
    backups = sorted((point for point in points if point.kind == PointKind.IMAGE_BACKUP), key=_age)
    return [point for point in backups[:-1] if point.snapshots]


def _judge(
    chain: Sequence[RestorePoint],
    newest: RestorePoint,
    limits: Mapping[Flag, Limit],
    now: datetime,
    zone: tzinfo,
) -> Iterable[Verdict]:
    """`chain` is newest first; `newest` the newest point of the workload, of whatever kind."""
    ranks: dict[Flag, int] = defaultdict(int)
    lasting = [point for point in chain if Flag.TEMPORARY not in point.flags]
    first = next((point.id for point in sorted(lasting, key=lambda point: point.is_hurt)), None)
    for point in chain:
        borne = point.flags or (Flag.DAILY,)
        holds = {flag: _hold(point, flag, ranks[flag] + 1, limits.get(flag), now, zone) for flag in borne}
        for flag in () if point.is_hurt else borne:
            ranks[flag] += 1
        held = tuple(flag for flag, hold in holds.items() if hold.holds)
        why = ", ".join(hold.why for flag, hold in holds.items() if hold.holds == bool(held))
        if not held and point.id in (first, newest.id):
            held, why = borne, f"the newest point stays ({why})"
        times = [hold.until for flag, hold in holds.items() if flag in held and hold.until is not None]
        yield Verdict(point, bool(held), why, held or borne, max(times, default=None))


def _hold(point: RestorePoint, flag: Flag, rank: int, limit: Limit | None, now: datetime, zone: tzinfo) -> _Hold:
    if limit is not None and limit.keep is not None:
        return _Hold(rank <= limit.keep, f"{flag}: number {rank}, the policy keeps {limit.keep}")
    if flag == Flag.TEMPORARY:
        until: datetime | None = point.created_at + TEMPORARY
    else:
        until = point.keep_until if limit is None else expires_at(limit, point.created_at, zone)
    if until is None:
        return _Hold(True, f"{flag}: the policy says nothing of it")
    return _Hold(until > now, f"{flag}: until {format_time(until)}", until)


def _months_later(local: datetime, months: int) -> datetime:
    year, month = divmod(local.year * _MONTHS_A_YEAR + local.month - 1 + months, _MONTHS_A_YEAR)
    _, last_day = monthrange(year, month + 1)
    return local.replace(year=year, month=month + 1, day=min(local.day, last_day))


def _age(point: RestorePoint) -> tuple[datetime, str]:
    return point.created_at, point.id
