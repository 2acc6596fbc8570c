"""Restore points as the appliance knows them: of what, when, where, and what else must stay as long as they do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from holdfast.domain.verification import Outcome, Verification
from holdfast.domain.workload import Workload


class PointKind(StrEnum):
    """Where a restore point lies."""

    SNAPSHOT = "snapshot"
    MANUAL_SNAPSHOT = "manual-snapshot"
    IMAGE_BACKUP = "image-backup"
    ARCHIVE = "archive"


class Flag(StrEnum):
    """Why a point of a policy stays: one letter for each schedule type that has a use for it (docs/policies.md). `D` is
    the policy's own schedule. `T` is a temporary point: the snapshots of a backup that no schedule has a point for.
    """

    DAILY = "D"
    WEEKLY = "W"
    MONTHLY = "M"
    YEARLY = "Y"
    TEMPORARY = "T"


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """Where snapshots lie: an account, by the name that it is registered under, and a region. `kms_key_id` is the key
    that they were encrypted under on their way there, where one was named.
    """

    account: str
    region: str
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """One restore point.

    `snapshots`: volume id -> snapshot id. Of a snapshot point they are the point; of an image backup they are the base
    that the next backup's changed blocks are asked against, and go when the next one is committed. `policy` is empty
    for what no policy made. `id` of an image backup or archive is its session's in the repository; an archive is a copy
    in an archive repository, and `copy_of` the backup that a copy is of. A point without `session_id`
    was found in a repository: another appliance made it and its snapshots, which are read and never removed.
    `found_at` is when a point was found by the tags of its snapshots; `missing` are volumes whose snapshot was not
    there any more. `place` is None where the snapshots lie beside their volumes.

    `flags` are those that still hold, none where no policy made the point. `keep_until` is until when a time keeps it
    at least; None where only a number does. `as_of` is when the run that made it began, or the last that found it to be
    its archive already: its flags follow from that.
    `verification`: what came of reading it back last, or of a look at it that found damage; None where nobody has.
    """

    id: str
    kind: PointKind
    workload: Workload
    policy: str
    created_at: datetime
    size_bytes: int
    snapshots: Mapping[str, str] = field(default_factory=dict)
    repository: str | None = None
    stored_bytes: int | None = None
    parent: str | None = None
    warnings: tuple[str, ...] = ()
    session_id: str | None = None
    found_at: datetime | None = None
    missing: tuple[str, ...] = ()
    place: SnapshotPlace | None = None
    flags: tuple[Flag, ...] = ()
    keep_until: datetime | None = None
    as_of: datetime | None = None
    verification: Verification | None = None
    copy_of: str | None = None

    @property
    def lies_in(self) -> SnapshotPlace:
        """Where its snapshots lie."""
        return self.place or SnapshotPlace(self.workload.account, self.workload.region)

    @property
    def is_hurt(self) -> bool:
        """Whether a volume of it is known to lack something."""
        return self.verification is not None and self.verification.outcome == Outcome.HURT
