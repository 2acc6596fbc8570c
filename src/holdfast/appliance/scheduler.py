"""Starts policies when their schedules fall due, exactly once for each moment.

A session's id follows from policy and moment: who is killed between starting it and writing that down starts the same
one again. What fell due while nothing ran is made up for once, if it is not older than a day; a policy that still runs
is not started a second time: what runs is left out, and a target that does not run waits for its turn.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from holdfast.appliance.desk import LEAVING
from holdfast.appliance.schedules import last_due
from holdfast.appliance.session_book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.appliance.task_order import BACKUP, SNAPSHOT, order_of
from holdfast.domain.policy import Ec2Policy, Schedule
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.domain.time import format_time
from holdfast.protocol.appliance_answers import StoredPolicy

OLDEST = timedelta(days=1)
TRIGGER = "schedule"

# Opens and starts a session of that id, for these targets of the policy.
Start = Callable[[str, Ec2Policy, tuple[str, ...]], Session]


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
            for moment, targets in sorted(self._due(stored, now).items()):
                session_id = self._take(stored.policy, moment, targets)
                if session_id is not None:
                    started.append(session_id)
        return started

    def _due(self, stored: StoredPolicy, now: datetime) -> dict[datetime, tuple[str, ...]]:
        """Moment -> targets; those of one moment are one run."""
        due: dict[datetime, tuple[str, ...]] = {}
        if not stored.enabled:
            return due
        for target, schedule in _schedules(stored.policy):
            before = self._surface.records.policies.fell_due(stored.policy.name, target) or stored.created_at
            # A schedule that was changed, or enabled again, does not reach back behind that.
            moment = last_due(schedule, max(before, stored.changed_at, now - OLDEST), now)
            if moment is not None:
                due[moment] = (*due.get(moment, ()), target)
        return due

    def _take(self, policy: Ec2Policy, moment: datetime, targets: tuple[str, ...]) -> str | None:
        session_id, sessions = derived_id("schedule", policy.name, format_time(moment)), self._surface.records.sessions
        running = [
            session
            for session in sessions.unfinished()
            if session.kind == SessionKind.POLICY and session.subject == policy.name and session.id != session_id
        ]
        if not running:
            self._start(session_id, policy, targets)
            self._remember(policy, targets, moment)
            return session_id
        # What runs now is not done twice; what it does not do waits for its end, and is seen again by the next tick.
        done_now = {target for session in running for target in order_of(sessions.details(session.id)).targets}
        left_out = tuple(target for target in targets if target in done_now)
        if left_out:
            what = f"a run ({', '.join(left_out)}) that fell due at {format_time(moment)}"
            self._book.say(running[0].id, f"{what} was left out: this one still runs", LogLevel.WARNING)
            self._remember(policy, left_out, moment)
        return None

    def _remember(self, policy: Ec2Policy, targets: tuple[str, ...], moment: datetime) -> None:
        for target in targets:
            self._surface.records.policies.remember_due(policy.name, target, moment)


def _schedules(policy: Ec2Policy) -> list[tuple[str, Schedule]]:
    found = []
    if policy.snapshot is not None and policy.snapshot.schedule is not None:
        found.append((SNAPSHOT, policy.snapshot.schedule))
    if policy.backup is not None and policy.backup.schedule is not None:
        found.append((BACKUP, policy.backup.schedule))
    return found
