"""What an instance was before it was restored into: written down before it is touched, put back, or let go.

Old volumes are the last copy of what the instance was: they are deleted only when the restored instance has passed the
status checks of EC2, and what cannot be put back stays, and is named.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from holdfast.appliance.ports.cloud import KeptVolume, Ownership, RestoreSite, StandingInstance
from holdfast.appliance.restores.order import RestoreOrder
from holdfast.appliance.surface import Surface
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import ConflictError, NotFoundError
from holdfast.domain.restore import InstanceRestore
from holdfast.domain.session import Session, Task
from holdfast.protocol.encoding import from_json, to_json

_PURPOSE = "a standing instance"
# In the result of a task: the status checks passed, and nothing is put back any more.
STATUS_CHECKS, PASSED = "status_checks", "passed"
# The kind of a row of the ledger: a restore is at work on an instance, may have to put it back, or keeps volumes of it.
STANDING = "standing-instance"


@dataclass(frozen=True, slots=True)
class StandingVolumes:
    """What one restore keeps from an instance; `volumes` may be none."""

    owner: Ownership
    instance_id: str
    volumes: list[KeptVolume] = field(default_factory=list)

    def __str__(self) -> str:
        return ", ".join(f"{one.volume_id} ({one.device})" for one in self.volumes)


class OldVolumes:
    """Of tasks that restore into an instance that stands."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._claiming = threading.Lock()

    def claim(self, owner: Ownership, account: str, region: str, instance_id: str) -> None:
        """Before AWS is asked anything: a row of the ledger says that the task works on the instance, and stays until
        nothing can be put back and nothing is kept any more. The claim that is written first holds; raises
        ConflictError while another restore's does.
        """
        with self._claiming:
            self._check_alone(owner.task_id, instance_id)
            where = (account, region, _name_of(owner.task_id), instance_id)
            self._surface.records.ledger.intend(self._surface.intent(owner, STANDING, *where))

    def remember(self, site: RestoreSite, owner: Ownership, instance_id: str) -> StandingInstance:
        """Write down what the instance is; asked again, what it was the first time. Sealed: it has user data."""
        known = self.remembered(owner.task_id)
        if known is None:
            known = site.standing_instance(instance_id)
            sealed = self._surface.secrets.seal(to_json(known), _PURPOSE)
            self._surface.records.settings.put_sealed(_name_of(owner.task_id), sealed)
        return known

    def earlier(self, task_id: str, instance_id: str) -> list[Ownership]:
        """Other restores into the instance that could not be put back yet, the newest first: it found what the one
        before had left.
        """
        rows = [row for row in self._others(task_id, instance_id) if self._is_to_be_put_back(row.task_id)]
        return [self._surface.owner(row.session_id, row.task_id, row.purpose, row.attempt) for row in reversed(rows)]

    def kept_by(self, site: RestoreSite, owner: Ownership, instance_id: str) -> StandingVolumes:
        """What one restore keeps from the instance at this moment."""
        kept = site.kept_volumes(self._surface.appliance_id)
        own = [one for one in kept if (one.owner.task_id, one.instance_id) == (owner.task_id, instance_id)]
        return StandingVolumes(owner, instance_id, own)

    def remembered(self, task_id: str) -> StandingInstance | None:
        """What was written down, until it was put back or is not needed any more."""
        sealed = self._surface.records.settings.sealed(_name_of(task_id))
        if sealed is None:
            return None
        text = self._surface.secrets.open(sealed, _PURPOSE)
        return from_json(StandingInstance, text, "a standing instance")

    def forget(self, task_id: str) -> None:
        """It is not put back any more: what was restored runs, or a person decides."""
        self._surface.records.settings.put_sealed(_name_of(task_id), None)

    def end(self, session_id: str, task_id: str) -> None:
        """Nothing can be put back any more, and nothing is kept."""
        self.forget(task_id)
        ledger = self._surface.records.ledger
        for row in ledger.open_rows(session_id=session_id):
            if (row.kind, row.task_id) == (STANDING, task_id):
                ledger.dropped(row.id, self._surface.surroundings.now())

    def put_back(self, site: RestoreSite, owner: Ownership) -> None:
        """As it was; what was never touched, or put back before, is left alone."""
        was = self.remembered(owner.task_id)
        if was is not None:
            site.put_back_volumes(owner, was)
            self.end(owner.session_id, owner.task_id)

    def discard(self, site: RestoreSite, owner: Ownership, instance_id: str) -> None:
        """Delete what was kept: what was restored runs."""
        site.discard_kept_volumes(owner, instance_id)
        self.end(owner.session_id, owner.task_id)

    def settle(self, site: RestoreSite, kept: StandingVolumes, session: Session, task: Task) -> None:
        """What the reaper does about an instance that a task has restored into, and about what was kept from it, when
        the task has ended: go on where it was cut off. Not while another one is at work on the instance.
        """
        if any(not self._has_ended(row) for row in self._others(task.id, kept.instance_id)):
            return
        if task.result.get(STATUS_CHECKS) == PASSED:
            if self._surface.surroundings.now() >= self._kept_until(session):
                self.discard(site, kept.owner, kept.instance_id)
        elif self._is_to_be_put_back(task.id):
            self.put_back(site, kept.owner)
        elif not kept.volumes:
            # Else a person was told to decide, and has not yet.
            self.end(session.id, task.id)

    def _check_alone(self, task_id: str, instance_id: str) -> None:
        for row in self._others(task_id, instance_id):
            if not self._has_ended(row):
                raise ConflictError(
                    f"another restore is at work on {instance_id}",
                    why=f"session {row.session_id} has not ended",
                    cure="wait for its end, or cancel it",
                )

    def _others(self, task_id: str, instance_id: str) -> list[LedgerRow]:
        """What other tasks have written down of the instance, the oldest first."""
        rows = self._surface.records.ledger.open_rows()
        return [row for row in rows if (row.kind, row.object_id) == (STANDING, instance_id) and row.task_id != task_id]

    def _has_ended(self, row: LedgerRow) -> bool:
        """A session that was broken off may have a task that goes on."""
        sessions = self._surface.records.sessions
        try:
            return sessions.get(row.session_id).state.final and sessions.task(row.task_id).state.final
        except NotFoundError:
            return True  # only what has ended is forgotten

    def _is_to_be_put_back(self, task_id: str) -> bool:
        if self.remembered(task_id) is None:
            return False
        try:
            return self._surface.records.sessions.task(task_id).result.get(STATUS_CHECKS) != PASSED
        except NotFoundError:
            return True  # where it had passed, what is remembered would have been forgotten with its end

    def _kept_until(self, session: Session) -> datetime:
        wish = RestoreOrder.of(self._surface.records.sessions.details(session.id)).wish
        hours = wish.keep_old_volumes_hours if isinstance(wish, InstanceRestore) else 0
        return (session.ended_at or self._surface.surroundings.now()) + timedelta(hours=hours)


def _name_of(task_id: str) -> str:
    return f"standing/{task_id}"
