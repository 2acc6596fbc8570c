"""What an instance was before it was restored into: written down before it is touched, put back, or let go.

Old volumes are the last copy of what the instance was: they are deleted only when the restored instance has passed the
status checks of EC2, and what cannot be put back stays, and is named.
"""

from datetime import datetime, timedelta

from holdfast.appliance.ports.cloud import KeptVolume, Ownership, RestoreSite, StandingInstance
from holdfast.appliance.restore_order import RestoreOrder
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import ConflictError
from holdfast.domain.restore import InstanceRestore
from holdfast.domain.session import Session, Task
from holdfast.protocol.encoding import from_json, to_json

_PURPOSE = "a standing instance"
# In the result of a task: the status checks passed, and nothing is put back any more.
STATUS_CHECKS, PASSED = "status_checks", "passed"


class OldVolumes:
    """Of tasks that restore into an instance that stands."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    def remember(self, site: RestoreSite, task_id: str, instance_id: str) -> StandingInstance:
        """Write down what the instance is; asked again, what it was the first time. Sealed: it has user data."""
        known = self.remembered(task_id)
        if known is None:
            known = site.standing_instance(instance_id)
            sealed = self._surface.secrets.seal(to_json(known), _PURPOSE)
            self._surface.records.settings.put_sealed(_name_of(task_id), sealed)
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

    def forget(self, task_id: str) -> None:
        """It was put back, or what was restored runs."""
        self._surface.records.settings.put_sealed(_name_of(task_id), None)

    def put_back(self, site: RestoreSite, owner: Ownership) -> None:
        """As it was; what was never touched, or put back before, is left alone."""
        was = self.remembered(owner.task_id)
        if was is not None:
            site.put_back_volumes(owner, was)
            self.forget(owner.task_id)

    def settle(self, site: RestoreSite, kept: KeptVolume, session: Session, task: Task) -> bool:
        """What the reaper does about volumes that were kept by a task that has ended: go on where it was cut off.
        Whether there was anything to do.
        """
        if task.result.get(STATUS_CHECKS) == PASSED:
            if self._surface.surroundings.now() < self._kept_until(session):
                return False
            site.discard_kept_volumes(kept.owner, kept.instance_id)
            self.forget(task.id)
            return True
        # Where it is not to be put back, a person was told to decide.
        if not self._is_to_be_put_back(task.id):
            return False
        self.put_back(site, kept.owner)
        return True

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
