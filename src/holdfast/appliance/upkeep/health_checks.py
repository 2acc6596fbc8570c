"""Policies that say so have their newest image backups read back: once for each moment of their schedule.

A policy that runs is waited for: what it makes is read then. What fell due while nothing ran is made up for once, if it
is not older than a day, and a check that still runs is not begun a second time.
"""

from collections.abc import Callable
from datetime import datetime

from holdfast.appliance.desk.desk import LEAVING
from holdfast.appliance.policies.schedules import latest_due
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.appliance.upkeep.scheduler import OLDEST, TRIGGER
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.domain.time import format_time
from holdfast.protocol.appliance_answers import StoredPolicy

HEALTH_CHECK = "health-check"

# Opens and starts a session of that id for a policy; None where there is nothing to read.
Start = Callable[[str, Ec2Policy, str], Session | None]


class HealthChecks:
    """Asked every few seconds, after the scheduler."""

    def __init__(self, surface: Surface, book: SessionBook, start: Start) -> None:
        self._surface = surface
        self._book = book
        self._start = start

    def tick(self) -> list[str]:
        """Start what is due now; the ids of the sessions."""
        started = list[str]()
        if self._surface.records.settings.get(LEAVING):
            return started
        for stored in self._surface.records.policies.all():
            moment = self._due(stored)
            if moment is not None:
                started += self._take(stored.policy, moment)
        return started

    def _due(self, stored: StoredPolicy) -> datetime | None:
        check, name = stored.policy.health_check, stored.policy.name
        if check is None or not stored.enabled:
            return None
        now = self._surface.surroundings.now()
        before = self._surface.records.policies.fell_due(name, HEALTH_CHECK) or stored.created_at
        return latest_due((check.schedule,), max(before, stored.in_force_since, now - OLDEST), now)

    def _take(self, policy: Ec2Policy, moment: datetime) -> list[str]:
        session_id = derived_id(HEALTH_CHECK, policy.name, format_time(moment))
        running = [one for one in self._surface.records.sessions.unfinished() if one.subject == policy.name]
        if any(one.kind == SessionKind.POLICY for one in running):
            return []
        started = []
        checking = [one for one in running if one.kind == SessionKind.VERIFY and one.id != session_id]
        if checking:
            what = f"a health check that fell due at {format_time(moment)} was left out: this one still runs"
            self._book.say(checking[0].id, what, LogLevel.WARNING)
        elif (session := self._start(session_id, policy, TRIGGER)) is not None:
            started.append(session.id)
        self._surface.records.policies.remember_due(policy.name, HEALTH_CHECK, moment)
        return started
