"""Sets of snapshots that become restore points: written into their own tags first, then into the records."""

from dataclasses import replace

from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.description import PointDescription, description_tags
from holdfast.appliance.policies.task_order import TaskOrder
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.restore_point import Flag, RestorePoint
from holdfast.domain.retention import TEMPORARY
from holdfast.domain.session import LogLevel, Task
from holdfast.domain.workload import InstanceConfiguration

GIB = 1024**3


class SnapshotPoints:
    """Records them."""

    def __init__(self, surface: Surface, book: SessionBook) -> None:
        self._surface = surface
        self._book = book
        self._configurations = Configurations(surface)

    def record(self, task: Task, order: TaskOrder, snapshots: dict[str, str]) -> None:
        """The snapshots of a task are a restore point; again is no error. Raises NotFoundError when nobody knows any
        more how the instance is made up.
        """
        configuration = self._configurations.kept(task.id)
        if configuration is None:
            raise _lost_configuration(task)
        configuration = _as_copied(configuration, order)
        now, flags = self._surface.surroundings.now(), order.snapshot_flags
        point = RestorePoint(
            id=derived_id(task.id, order.snapshot_kind),
            kind=order.snapshot_kind,
            workload=task.workload,
            policy=order.policy_name,
            created_at=now,
            size_bytes=sum(volume.size_gib * GIB for volume in configuration.volumes if volume.volume_id in snapshots),
            snapshots=snapshots,
            session_id=task.session_id,
            place=order.destination,
            flags=flags,
            keep_until=now + TEMPORARY if Flag.TEMPORARY in flags else None,
            as_of=self._surface.records.sessions.get(task.session_id).created_at,
        )
        self._describe(task, point, configuration)
        self._surface.records.points.add(point, self._configurations.seal(configuration))
        self._book.result(task.id, {"snapshot_point": point.id})

    def _describe(self, task: Task, point: RestorePoint, configuration: InstanceConfiguration) -> None:
        """They are found again without these records (E04). Where that cannot be, they are a point all the same."""
        account, region = self._surface.account(point.lies_in.account), point.lies_in.region
        account_id = self._surface.tenant(account.name)
        told = PointDescription(self._surface.appliance_id, account_id, region, point, configuration)
        try:
            tags, left_out = description_tags(self._surface.secrets, told)
            self._surface.cloud.compute(account, region).tag_snapshots(tuple(point.snapshots.values()), tags)
        except HoldfastError as error:
            message = f"its snapshots do not say what they are: {error.what}: {error.why}"
            self._book.result(task.id, {}, [message])
            return
        if left_out:
            message = f"no room in the tags of its snapshots for {', '.join(left_out)}: kept here alone"
            self._book.say(task.session_id, message, LogLevel.INFO, task.id)


def _as_copied(configuration: InstanceConfiguration, order: TaskOrder) -> InstanceConfiguration:
    """A copy is encrypted under the key that was asked for, else under the default key of its account and region where
    the original is encrypted at all: the original's key does not serve there.
    """
    place = order.destination
    if place is None:
        return configuration
    volumes = tuple(
        replace(one, encrypted=one.encrypted or place.kms_key_id is not None, kms_key_id=place.kms_key_id)
        for one in configuration.volumes
    )
    return replace(configuration, volumes=volumes)


def _lost_configuration(task: Task) -> NotFoundError:
    return NotFoundError(
        f"how {task.workload.id} is made up is not known any more",
        why="what was kept for this task is gone",
        cure="run the policy again",
    )
