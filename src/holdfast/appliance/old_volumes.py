"""What an instance was before it was restored into: written down before it is touched, put back, or let go.

Old volumes are the last copy of what the instance was: they are deleted only when the restored instance has passed the
status checks of EC2, and what cannot be put back stays, and is named.
"""

from datetime import datetime, timedelta

from holdfast.appliance.ports.cloud import Ownership, RestoreSite, StandingInstance
from holdfast.appliance.restore_order import RestoreOrder
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import ConflictError
from holdfast.domain.restore import InstanceRestore
from holdfast.domain.session import Session, Task
from holdfast.protocol.encoding import from_json, to_json

_PURPOSE = "a standing instance"
# In the result of a task: the status checks passed, and nothing is put back any more.
STATUS_CHECKS, PASSED = "status_checks", "passed"
# The kind of a row of the ledger: an instance that may have to be put back.
STANDING = "standing-instance"


class OldVolumes:
    """Of tasks that restore into an instance that stands."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    def remember(self, site: RestoreSite, owner: Ownership, account: str, instance_id: str) -> StandingInstance:
        """Write down what the instance is; asked again, what it was the first time. Sealed: it has user data. A row of
        the ledger says that there is something to put back.
        """
        known = self.remembered(owner.task_id)
        if known is None:
            known = site.standing_instance(instance_id)
            sealed = self._surface.secrets.seal(to_json(known), _PURPOSE)
            self._surface.records.settings.put_sealed(_name_of(owner.task_id), sealed)
        where = (known.configuration.region, _name_of(owner.task_id), instance_id)
        self._surface.records.ledger.intend(self._surface.intent(owner, STANDING, account, *where))
        return known

    def check_alone(self, session_id: str, instance_id: str) -> None:
        """Raises ConflictError while another session restores into the instance."""
        sessions = self._surface.records.sessions
        for session in sessions.unfinished():
            for task in sessions.tasks(session.id) if session.id != session_id else ():
                if task.workload.id == instance_id and self.remembered(task.id) is not None:
                    raise ConflictError(
                        f"another restore is at work on {instance_id}",
                        why=f"session {session.id} has not ended",
                        cure="wait for its end, or cancel it",
                    )

    def put_back_earlier(self, site: RestoreSite, instance_id: str) -> None:
        """What earlier restores could not put back yet: whoever restores again begins with what the instance was."""
        kept = site.kept_volumes(self._surface.appliance_id)
        for owner in dict.fromkeys(one.owner for one in kept if one.instance_id == instance_id):
            if self._is_to_be_put_back(owner.task_id):
                self.put_back(site, owner)

    def remembered(self, task_id: str) -> StandingInstance | None:
        """What was written down, until it was put back or is not needed any more."""
        sealed = self._surface.records.settings.sealed(_name_of(task_id))
        if sealed is None:
            return None
        text = self._surface.secrets.open(sealed, _PURPOSE)
        return from_json(StandingInstance, text, "a standing instance")

    def forget(self, session_id: str, task_id: str) -> None:
        """It was put back, or what was restored runs."""
        self._surface.records.settings.put_sealed(_name_of(task_id), None)
        ledger = self._surface.records.ledger
        for row in ledger.open_rows(session_id=session_id):
            if (row.kind, row.task_id) == (STANDING, task_id):
                ledger.dropped(row.id, self._surface.surroundings.now())

    def put_back(self, site: RestoreSite, owner: Ownership) -> None:
        """As it was; what was never touched, or put back before, is left alone."""
        was = self.remembered(owner.task_id)
        if was is not None:
            site.put_back_volumes(owner, was)
            self.forget(owner.session_id, owner.task_id)

    def settle(self, site: RestoreSite, owner: Ownership, instance_id: str, session: Session, task: Task) -> None:
        """What the reaper does about an instance that a task has restored into, and about what was kept from it, when
        the task has ended: go on where it was cut off.
        """
        if task.result.get(STATUS_CHECKS) == PASSED:
            if self._surface.surroundings.now() >= self._kept_until(session):
                site.discard_kept_volumes(owner, instance_id)
                self.forget(session.id, task.id)
        elif self._is_to_be_put_back(task.id):
            # Else a person was told to decide.
            self.put_back(site, owner)

    def _is_to_be_put_back(self, task_id: str) -> bool:
        if self.remembered(task_id) is None:
            return False
        return self._surface.records.sessions.task(task_id).result.get(STATUS_CHECKS) != PASSED

    def _kept_until(self, session: Session) -> datetime:
        wish = RestoreOrder.of(self._surface.records.sessions.details(session.id)).wish
        hours = wish.keep_old_volumes_hours if isinstance(wish, InstanceRestore) else 0
        return (session.ended_at or self._surface.surroundings.now()) + timedelta(hours=hours)


def _name_of(task_id: str) -> str:
    return f"standing/{task_id}"
