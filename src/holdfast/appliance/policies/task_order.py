"""What a session was opened to do, as its details keep it: the policy as it was then, and which of its targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast.domain.policy import Ec2Policy, SnapshotTarget
from holdfast.domain.restore_point import Flag, PointKind, SnapshotPlace
from holdfast.domain.time import format_time, parse_time
from holdfast.protocol.encoding import from_document, to_document

SNAPSHOT, BACKUP, ARCHIVE = "snapshot", "backup", "archive"


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """A run of a policy, or a snapshot that a person asked for (`manual`: no policy, no retention), and where that one
    is to be kept, if not beside its volumes. `beside`: a backup that a tier has a day of its own for, beside the
    schedule. `in_force_since` is since when the policy was as it is here.
    """

    policy: Ec2Policy
    targets: tuple[str, ...]
    manual: bool = False
    destination: SnapshotPlace | None = None
    beside: bool = False
    in_force_since: datetime | None = None

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
    def records_snapshots(self) -> bool:
        """Whether its snapshots are a restore point: a temporary one where the policy has no other use for them."""
        return self.snapshot is not None or self.beside

    @property
    def snapshot_flags(self) -> tuple[Flag, ...]:
        """Why such a point stays."""
        if self.manual:
            return ()
        return (Flag.TEMPORARY if self.snapshot is None else Flag.DAILY,)

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
            "beside": self.beside,
            "in_force_since": None if self.in_force_since is None else format_time(self.in_force_since),
        }


def order_of(details: Mapping[str, Any]) -> TaskOrder:
    """The order that a session was opened with."""
    policy = from_document(Ec2Policy, details["policy"], "the policy of a session")
    told = details.get("destination")
    destination = None if told is None else from_document(SnapshotPlace, told, "the destination of a session")
    since = details.get("in_force_since")
    return TaskOrder(
        policy,
        tuple(details["targets"]),
        details["manual"],
        destination,
        beside=details.get("beside", False),
        in_force_since=None if since is None else parse_time(since),
    )
