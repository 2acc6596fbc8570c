"""Which flags a new image backup bears: those of the tiers that fell due since the run of the one before began."""

from datetime import datetime

from holdfast.appliance.policies.schedules import latest_tiers
from holdfast.appliance.policies.task_order import TaskOrder
from holdfast.appliance.surface import Surface
from holdfast.domain.policy import BackupTarget
from holdfast.domain.restore_point import Flag, PointKind
from holdfast.domain.retention import flags_at
from holdfast.domain.workload import Workload


def flags_of_backup(
    surface: Surface, order: TaskOrder, target: BackupTarget, workload: Workload, as_of: datetime
) -> tuple[Flag, ...]:
    """Of the one whose run began at `as_of`, before it is recorded. Tiers count since the policy is as in the order."""
    before = [
        point.as_of or point.created_at
        for point in surface.records.points.of_workload(workload.account, workload.region, workload.id)
        if point.kind == PointKind.IMAGE_BACKUP and point.policy == order.policy_name
    ]
    since = max([order.in_force_since or as_of, *before])
    return flags_at(latest_tiers(target, since, as_of), since, beside=order.beside)
