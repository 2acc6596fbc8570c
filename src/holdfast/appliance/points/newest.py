"""The newest image backup of each workload: what a health check reads, and what an archive copies."""

from collections.abc import Iterable

from holdfast.domain.policy import Ec2Policy
from holdfast.domain.restore_point import PointKind, RestorePoint


def newest_backups(points: Iterable[RestorePoint], policy: Ec2Policy) -> list[RestorePoint]:
    """Of these points the newest image backup of each workload in the policy's own repository; `points` come oldest
    first.
    """
    newest: dict[tuple[str, str, str], RestorePoint] = {}
    for point in points:
        mine = policy.backup is not None and point.repository == policy.backup.repository
        if mine and point.kind == PointKind.IMAGE_BACKUP and point.policy == policy.name:
            newest[point.workload.account, point.workload.region, point.workload.id] = point
    return list(newest.values())
