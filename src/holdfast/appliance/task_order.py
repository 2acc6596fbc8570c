"""What a session was opened to do, as its details keep it: the policy as it was then, and which of its targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.domain.policy import Ec2Policy, SnapshotTarget
from holdfast.domain.restore_point import PointKind, SnapshotPlace
from holdfast.protocol.encoding import from_document, to_document

SNAPSHOT, BACKUP = "snapshot", "backup"


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """A run of a policy, or a snapshot that a person asked for (`manual`: no policy, no retention), and where that one
    is to be kept, if not beside its volumes.
    """

    policy: Ec2Policy
    targets: tuple[str, ...]
    manual: bool = False
    destination: SnapshotPlace | None = None

    @property
    def snapshot(self) -> SnapshotTarget | None:
        """The snapshot target, if it is meant."""
        return self.policy.snapshot if SNAPSHOT in self.targets else None

    @property
    def backs_up(self) -> bool:
        """Whether an image backup is meant."""
        return BACKUP in self.targets and self.policy.backup is not None

    @property
    def snapshot_kind(self) -> PointKind:
        """What a snapshot of it is."""
        return PointKind.MANUAL_SNAPSHOT if self.manual else PointKind.SNAPSHOT

    @property
    def policy_name(self) -> str:
        """Empty for what no policy made."""
        return "" if self.manual else self.policy.name

    def details(self) -> dict[str, Any]:
        """For the session."""
        destination = None if self.destination is None else to_document(self.destination)
        targets = list(self.targets)
        return {
            "policy": to_document(self.policy),
            "targets": targets,
            "manual": self.manual,
            "destination": destination,
        }


def order_of(details: Mapping[str, Any]) -> TaskOrder:
    """The order that a session was opened with."""
    policy = from_document(Ec2Policy, details["policy"], "the policy of a session")
    told = details.get("destination")
    destination = None if told is None else from_document(SnapshotPlace, told, "the destination of a session")
    return TaskOrder(policy, tuple(details["targets"]), details["manual"], destination)
