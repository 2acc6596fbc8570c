"""Verifications of restore points, as people ask for them and as policies do."""

from holdfast.appliance.care.verify_task import VerifyOrder, verify_tasks
from holdfast.appliance.desk.desk import PERSON, Desk
from holdfast.appliance.points.newest import newest_backups
from holdfast.domain.errors import UsageError
from holdfast.domain.policy import Ec2Policy, WorkerChoice, WorkerMode
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.session import Session, SessionKind

_OF_SNAPSHOTS = "it consists of snapshots, which AWS keeps"
_WHY_NOT = {
    PointKind.SNAPSHOT: _OF_SNAPSHOTS,
    PointKind.MANUAL_SNAPSHOT: _OF_SNAPSHOTS,
    PointKind.ARCHIVE: "it lies in an archive, where nothing is read before it was retrieved",
}
_CURE = "verify an image backup; an archive is proven by a restore"


class VerificationOffice(Desk):
    """Each is a session; what came of it is kept with the point."""

    def verify_point(self, point_id: str, worker_mode: str = WorkerMode.EC2) -> Session:
        """Read an image backup back whole. Raises UsageError for a point that lies in no repository."""
        point = self._records.points.get(point_id)
        if point.kind != PointKind.IMAGE_BACKUP:
            raise UsageError(f"restore point {point.id} cannot be read back", why=_WHY_NOT[point.kind], cure=_CURE)
        if worker_mode not in list(WorkerMode):
            raise UsageError(
                f"no worker mode {worker_mode!r}", why=f"there are {', '.join(WorkerMode)}", cure="choose one of these"
            )
        session_id, choice = self._new_session(), WorkerChoice(mode=WorkerMode(worker_mode))
        return self._start(session_id, point.id, [point], choice, PERSON)

    def start_health_check(self, session_id: str, policy: Ec2Policy, trigger: str) -> Session | None:
        """Read back the newest image backup of each workload of a policy; None where there is none. One that is there
        already goes on.
        """
        newest = newest_backups(self._records.points.of_policy(policy.name), policy)
        return self._start(session_id, policy.name, newest, policy.worker, trigger) if newest else None

    def _start(
        self, session_id: str, subject: str, points: list[RestorePoint], choice: WorkerChoice, trigger: str
    ) -> Session:
        details = VerifyOrder.of_points(session_id, points, choice).details()
        return self._open(session_id, SessionKind.VERIFY, subject, details, verify_tasks(session_id, points), trigger)
