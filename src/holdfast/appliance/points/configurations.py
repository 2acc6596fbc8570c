"""How instances are made up, kept sealed: user data may hold secrets of its owner."""

from holdfast.appliance.surface import Surface
from holdfast.domain.errors import FormatError
from holdfast.domain.workload import InstanceConfiguration
from holdfast.protocol.encoding import from_json, to_json

_PURPOSE = "configuration"


class Configurations:
    """Of points, and of tasks while they run."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    def keep(self, task_id: str, configuration: InstanceConfiguration) -> None:
        """For the later steps of a task."""
        self._surface.records.settings.put_sealed(_name_of(task_id), self.seal(configuration))

    def seal(self, configuration: InstanceConfiguration) -> bytes:
        """As it is stored."""
        return self._surface.secrets.seal(to_json(configuration), _PURPOSE)

    def kept(self, task_id: str) -> InstanceConfiguration | None:
        """What was kept for a task."""
        sealed = self.sealed(task_id)
        return None if sealed is None else self._opened(sealed)

    def sealed(self, task_id: str) -> bytes | None:
        """The same as it lies, for the point that comes of the task."""
        return self._surface.records.settings.sealed(_name_of(task_id))

    def forget(self, task_id: str) -> None:
        """The task has ended."""
        self._surface.records.settings.put_sealed(_name_of(task_id), None)

    def of_point(self, point_id: str) -> InstanceConfiguration:
        """How the workload was made up when the point was made. Raises NotFoundError."""
        return self._opened(self._surface.records.points.sealed_configuration(point_id))

    def _opened(self, sealed: bytes) -> InstanceConfiguration:
        text = self._surface.secrets.open(sealed, _PURPOSE)
        return from_json(InstanceConfiguration, text, "the configuration of an instance")


def configuration_in(text: bytes, point: str) -> InstanceConfiguration:
    """What stands in a point of a repository, which is sealed as a whole. Raises FormatError."""
    if not text:
        raise FormatError(f"restore point {point} does not say how its instance was made up", why="it holds none")
    return from_json(InstanceConfiguration, text, f"the configuration in restore point {point}")


def _name_of(task_id: str) -> str:
    return f"configuration/{task_id}"
