"""Points that a time lets go while no run of their policy comes by: each is deleted by a session of its own, which says
why. A policy that is disabled removes nothing by itself, and the end of a run does it all at once.
"""

from datetime import datetime

from holdfast.appliance.desk.desk import Desk
from holdfast.appliance.points.deletion import RETENTION, deletion_task
from holdfast.appliance.surface import derived_id
from holdfast.domain.errors import NotFoundError
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.retention import Verdict
from holdfast.domain.session import SessionKind
from holdfast.protocol.appliance_answers import StoredPolicy

# After a long absence there may be thousands: the others come with the next looks.
AT_ONCE = 50


class Expiry(Desk):
    """Asked every few minutes."""

    def sweep(self) -> list[str]:
        """Open a session for each point that goes; their ids. One that resists is tried again the next day."""
        opened, now = list[str](), self._surface.surroundings.now()
        if self._is_leaving():
            return opened
        for name in self._records.points.policies_with_expired(now):
            try:
                stored = self._records.policies.get(name)
            except NotFoundError:
                continue  # what a deleted policy made stays
            if stored.enabled and not self._is_running(stored):
                for verdict in self._workflows.retention.verdicts(stored):
                    if not _is_over(verdict.point, now):
                        continue  # whatever new limits say of it: they count from the next run on
                    if verdict.keep:
                        self._workflows.retention.write_down(verdict)
                    elif len(opened) < AT_ONCE:
                        opened += self._delete(verdict)
        return opened

    def _delete(self, verdict: Verdict) -> list[str]:
        point, today = verdict.point, self._surface.surroundings.now().date().isoformat()
        session_id = derived_id("expiry", point.id, today)
        try:
            self._records.sessions.get(session_id)
        except NotFoundError:
            details, tasks = {"point": point.id}, [deletion_task(session_id, point)]
            self._open(session_id, SessionKind.DELETE_POINT, point.id, details, tasks, trigger=RETENTION)
            self._book.say(session_id, f"restore point {point.id} of {point.workload.id} goes: {verdict.why}")
            return [session_id]
        return []

    def _is_running(self, stored: StoredPolicy) -> bool:
        return any(
            session.kind == SessionKind.POLICY and session.subject == stored.policy.name
            for session in self._records.sessions.unfinished()
        )


def _is_over(point: RestorePoint, now: datetime) -> bool:
    return point.keep_until is not None and point.keep_until <= now
