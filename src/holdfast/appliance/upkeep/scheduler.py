"""Starts policies when their schedules fall due, exactly once for each moment.

A session's id follows from policy and moment: who is killed between starting it and writing that down starts the same
one again. What fell due while nothing ran is made up for once, if it is not older than a day; a policy that still runs
is not started a second time: what runs is left out, and a target that does not run waits for its turn. A tier of a
backup's retention that has a day of its own is started like a schedule; whichever falls due with it is the same run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from holdfast.appliance.desk.desk import LEAVING
from holdfast.appliance.policies.schedules import latest_due
from holdfast.appliance.policies.task_order import BACKUP, SNAPSHOT, order_of
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.domain.policy import Ec2Policy, Schedule
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.domain.tiers import moments_of
from holdfast.domain.time import format_time, is_ahead
from holdfast.protocol.appliance_answers import StoredPolicy

OLDEST = timedelta(days=1)
TRIGGER = "schedule"


class Start(Protocol):
    """Opens and starts a session."""

    def __call__(self, session_id: str, policy: Ec2Policy, targets: tuple[str, ...], *, beside: bool) -> Session:
        """Of that id, for these targets of the policy; `beside`: the backup is a tier's alone, not its schedule's."""


@dataclass(frozen=True, slots=True)
class _Due:
    """What falls due with whichever of its schedules does: a target by its own, or a backup by a tier's."""

    key: str
    target: str
    schedules: tuple[Schedule, ...]


class Scheduler:
    """Asked every few seconds."""

    def __init__(self, surface: Surface, book: SessionBook, start: Start) -> None:
        self._surface = surface
        self._book = book
        self._start = start

    def tick(self) -> list[str]:
        """Start what is due now; the ids of the sessions."""
        now, started = self._surface.surroundings.now(), list[str]()
        if self._surface.records.settings.get(LEAVING):
            return started
        for stored in self._surface.records.policies.all():
            for moment, due in sorted(self._due(stored, now).items()):
                session_id = self._take(stored.policy, moment, due)
                if session_id is not None:
                    started.append(session_id)
        return started

    def owes(self, stored: StoredPolicy, until: datetime) -> bool:
        """Whether something of the policy has fallen due by then and was not started yet."""
        return bool(self._due(stored, until))

    def _due(self, stored: StoredPolicy, until: datetime) -> dict[datetime, list[_Due]]:
        """By moment; what falls due at one moment is one run."""
        due: dict[datetime, list[_Due]] = {}
        if not stored.enabled:
            return due
        for one in _each_due(stored.policy):
            moment = moment_owed(self._surface, stored, one.key, one.schedules, until)
            if moment is not None:
                due.setdefault(moment, []).append(one)
        return due

    def _take(self, policy: Ec2Policy, moment: datetime, due: list[_Due]) -> str | None:
        session_id, sessions = derived_id("schedule", policy.name, format_time(moment)), self._surface.records.sessions
        running = [
            session
            for session in sessions.unfinished()
            if session.kind == SessionKind.POLICY and session.subject == policy.name and session.id != session_id
        ]
        if not running:
            targets = tuple(dict.fromkeys(one.target for one in due))
            beside = BACKUP in targets and BACKUP not in {one.key for one in due}
            self._start(session_id, policy, targets, beside=beside)
            self._remember(policy, due, moment)
            return session_id
        # What runs now is not done twice; what it does not do waits for its end, and is seen again by the next tick.
        done_now = {target for session in running for target in order_of(sessions.details(session.id)).targets}
        left_out = [one for one in due if one.target in done_now]
        if left_out:
            what = f"a run ({', '.join(one.key for one in left_out)}) that fell due at {format_time(moment)}"
            self._book.say(running[0].id, f"{what} was left out: this one still runs", LogLevel.WARNING)
            self._remember(policy, left_out, moment)
        return None

    def _remember(self, policy: Ec2Policy, due: Iterable[_Due], moment: datetime) -> None:
        now = self._surface.surroundings.now()
        for one in due:
            self._surface.records.policies.remember_due(policy.name, one.key, moment, now)


def moment_owed(
    surface: Surface,
    stored: StoredPolicy,
    key: str,
    schedules: Iterable[Schedule],
    until: datetime,
    reaches_back: timedelta | None = OLDEST,
) -> datetime | None:
    """The latest moment of these schedules, not later than `until`, for which nothing was started under that key yet;
    one that is not longer ago than it `reaches_back`. A schedule that was changed, or enabled again, does not reach
    back behind that. What a clock that ran ahead has dated does not count: or nothing would fall due for so long.
    """
    now, before = surface.surroundings.now(), surface.records.policies.fell_due(stored.policy.name, key)
    known = (stored.created_at, stored.in_force_since, before)
    since = max((one for one in known if one is not None and not is_ahead(one, now)), default=now - OLDEST)
    if reaches_back is not None:
        since = max(since, now - reaches_back)
    return latest_due(schedules, since, until)


def _each_due(policy: Ec2Policy) -> list[_Due]:
    found = []
    if policy.snapshot is not None and policy.snapshot.schedule is not None:
        found.append(_Due(SNAPSHOT, SNAPSHOT, (policy.snapshot.schedule,)))
    if policy.backup is not None and policy.backup.schedule is not None:
        found.append(_Due(BACKUP, BACKUP, (policy.backup.schedule,)))
        own_days = (tier for tier in moments_of(policy.backup) if not tier.harmonized)
        found += [_Due(f"{BACKUP}-{tier.flag.name.lower()}", BACKUP, tier.schedules) for tier in own_days]
    return found
