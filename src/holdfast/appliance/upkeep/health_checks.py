"""Policies that say so have their newest image backups read back: once for each moment of their schedule.

What fell due while nothing ran is made up for once, if it is not older than a day.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.appliance.upkeep.after_runs import AfterRuns, Owes
from holdfast.appliance.upkeep.scheduler import moment_owed
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.session import Session, SessionKind
from holdfast.protocol.appliance_answers import StoredPolicy

HEALTH_CHECK = "health-check"

# Opens and starts a session of that id for a policy; None where there is nothing to read.
Start = Callable[[str, Ec2Policy, str], Session | None]


class HealthChecks:
    """Asked every few seconds, before the scheduler."""

    def __init__(self, surface: Surface, book: SessionBook, start: Start, owes: Owes) -> None:
        self._surface = surface
        self._sessions = AfterRuns(surface, book, SessionKind.VERIFY, HEALTH_CHECK, "a health check", start, owes)

    def tick(self) -> list[str]:
        """Start what is due now; the ids of the sessions."""
        return self._sessions.tick(self._due)

    def _due(self, stored: StoredPolicy) -> Mapping[str, datetime]:
        check, now = stored.policy.health_check, self._surface.surroundings.now()
        if check is None or not stored.enabled:
            return {}
        moment = moment_owed(self._surface, stored, HEALTH_CHECK, (check.schedule,), now)
        return {} if moment is None else {HEALTH_CHECK: moment}
