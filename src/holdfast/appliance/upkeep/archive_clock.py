"""Policies that have an archive copy their newest image backups into it: once for each moment of its tiers (E16).

What a policy is to make first is waited for, and archived then. What fell due while nothing ran is made up for once,
however long ago that was, for the next moment may be a year away; the run after one that still goes on bears the flags
that are owed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from holdfast.appliance.policies.task_order import ARCHIVE
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.appliance.upkeep.after_runs import AfterRuns, Owes
from holdfast.appliance.upkeep.scheduler import moment_owed
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.session import Session, SessionKind
from holdfast.domain.tiers import archive_moments
from holdfast.protocol.appliance_answers import StoredPolicy

# Opens and starts a session of that id for a policy.
Start = Callable[[str, Ec2Policy, str], Session]


class ArchiveClock:
    """Asked every few seconds, before the scheduler."""

    def __init__(self, surface: Surface, book: SessionBook, start: Start, owes: Owes) -> None:
        self._surface = surface
        self._sessions = AfterRuns(surface, book, SessionKind.ARCHIVE, ARCHIVE, "an archive run", start, owes)

    def tick(self) -> list[str]:
        """Start what is due now; the ids of the sessions."""
        return self._sessions.tick(self._due)

    def _due(self, stored: StoredPolicy) -> Mapping[str, datetime]:
        due, now = dict[str, datetime](), self._surface.surroundings.now()
        for tier in archive_moments(stored.policy) if stored.enabled else ():
            key = f"{ARCHIVE}-{tier.flag.name.lower()}"
            moment = moment_owed(self._surface, stored, key, tier.schedules, now, reaches_back=None)
            if moment is not None:
                due[key] = moment
        return due
