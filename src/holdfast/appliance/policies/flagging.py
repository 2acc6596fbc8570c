"""Which flags a new image backup or archive bears: those of the tiers that fell due since the run of the one before
began.
"""

from datetime import datetime

from holdfast.appliance.policies.schedules import latest_tiers
from holdfast.appliance.policies.task_order import TaskOrder
from holdfast.appliance.surface import Surface
from holdfast.domain.policy import BackupTarget
from holdfast.domain.restore_point import Flag, PointKind
from holdfast.domain.retention import archive_flags_at, flags_at
from holdfast.domain.tiers import archive_moments, moments_of
from holdfast.domain.time import is_ahead
from holdfast.domain.workload import Workload


def flags_of_backup(
    surface: Surface, order: TaskOrder, target: BackupTarget, workload: Workload, as_of: datetime
) -> tuple[Flag, ...]:
    """Of the one whose run began at `as_of`, before it is recorded. Tiers count since the policy is as in the order."""
    since = _since(surface, order, PointKind.IMAGE_BACKUP, workload, as_of)
    return flags_at(latest_tiers(moments_of(target), since, as_of), since, beside=order.beside)


def flags_of_archive(surface: Surface, order: TaskOrder, workload: Workload, as_of: datetime) -> tuple[Flag, ...]:
    """The same of an archive of the policy."""
    since = _since(surface, order, PointKind.ARCHIVE, workload, as_of)
    return archive_flags_at(latest_tiers(archive_moments(order.policy), since, as_of), since)


def _since(surface: Surface, order: TaskOrder, kind: PointKind, workload: Workload, as_of: datetime) -> datetime:
    """When the run of the newest whole point of that kind began: what one that is hurt was made for is owed again. What
    a clock that ran ahead has dated is of no run before this one.
    """
    before = [
        point.as_of or point.created_at
        for point in surface.records.points.of_workload(workload)
        if point.kind == kind and point.policy == order.policy_name and not point.is_hurt
    ]
    known = [order.in_force_since or as_of, *before]
    return max((min(one, as_of) for one in known if not is_ahead(one, as_of)), default=as_of)
