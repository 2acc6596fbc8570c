"""Bodies of requests that are no objects of the domain."""

from dataclasses import dataclass, field

from holdfast.domain.restore_point import SnapshotPlace


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A server that wants to own the appliance; `certificate` is its PEM, `code` what the appliance printed."""

    code: str = field(repr=False)
    server_id: str
    certificate: str


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """What to run of a policy: `snapshot`, `backup`; empty means all that it has."""

    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotOrder:
    """An instance to take a manual snapshot of, and where it is to be kept, if not beside its volumes."""

    account: str
    region: str
    instance_id: str
    destination: SnapshotPlace | None = None


@dataclass(frozen=True, slots=True)
class VerifyOrder:
    """How a restore point is read back: `ec2`, a worker on an instance, or `local`, in a process of the appliance."""

    worker_mode: str = "ec2"


@dataclass(frozen=True, slots=True)
class SnapshotRescanOrder:
    """Where to look for the snapshots of restore points; `lost_appliance` is the id of one whose points are taken on,
    too.
    """

    account: str
    region: str
    lost_appliance: str | None = None
