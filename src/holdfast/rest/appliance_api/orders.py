"""Bodies of requests that are no objects of the domain."""

from dataclasses import dataclass, field


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
    """An instance to take a manual snapshot of."""

    account: str
    region: str
    instance_id: str
