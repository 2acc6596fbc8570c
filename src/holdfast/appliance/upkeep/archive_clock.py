"""Policies that have an archive copy their newest image backups into it: once for each moment of its tiers (E16).

A policy that runs, or is to run, is waited for: what it makes is archived then. What fell due while nothing ran is made
up for once, however long ago that was, for the next moment may be a year away; and a run that still goes on is not
begun a second time: the one after it bears the flags that are owed.
"""

from collections.abc import Callable
from datetime import datetime

from holdfast.appliance.desk.desk import LEAVING
from holdfast.appliance.policies.schedules import latest_due
from holdfast.appliance.policies.task_order import ARCHIVE
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.appliance.upkeep.scheduler import TRIGGER
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.domain.tiers import archive_moments
from holdfast.domain.time import format_time
from holdfast.protocol.appliance_answers import StoredPolicy

# Opens and starts a session of that id for a policy.
Start = Callable[[str, Ec2Policy, str], Session]
# Whether a run of the policy has fallen due and was not started yet.
Owes = Callable[[StoredPolicy], bool]


class ArchiveClock:
    """Asked every few seconds, after the scheduler."""

    def __init__(self, surface: Surface, book: SessionBook, start: Start, owes: Owes) -> None:
        self._surface = surface
        self._book = book
        self._start = start
        self._owes = owes

    def tick(self) -> list[str]:
        """Start what is due now; the ids of the sessions."""
        started = list[str]()
        if self._surface.records.settings.get(LEAVING):
            return started
        for stored in self._surface.records.policies.all():
            due = self._due(stored)
            if due and not self._owes(stored):
                started += self._take(stored.policy, due)
        return started

    def _due(self, stored: StoredPolicy) -> dict[str, datetime]:
        """By the names under which it is remembered, the moments at which tiers fell due."""
        due, now = dict[str, datetime](), self._surface.surroundings.now()
        for tier in archive_moments(stored.policy) if stored.enabled else ():
            key = f"{ARCHIVE}-{tier.flag.name.lower()}"
            before = self._surface.records.policies.fell_due(stored.policy.name, key) or stored.created_at
            moment = latest_due(tier.schedules, max(before, stored.in_force_since), now)
            if moment is not None:
                due[key] = moment
        return due

    def _take(self, policy: Ec2Policy, due: dict[str, datetime]) -> list[str]:
        moment, started = max(due.values()), list[str]()
        session_id = derived_id(ARCHIVE, policy.name, format_time(moment))
        running = [one for one in self._surface.records.sessions.unfinished() if one.subject == policy.name]
        if any(one.kind == SessionKind.POLICY for one in running):
            return started
        archiving = [one for one in running if one.kind == SessionKind.ARCHIVE and one.id != session_id]
        if archiving:
            what = f"an archive run that fell due at {format_time(moment)} was left out: this one still runs"
            self._book.say(archiving[0].id, what, LogLevel.WARNING)
        else:
            started.append(self._start(session_id, policy, TRIGGER).id)
        for key, fell_due in due.items():
            self._surface.records.policies.remember_due(policy.name, key, fell_due)
        return started
