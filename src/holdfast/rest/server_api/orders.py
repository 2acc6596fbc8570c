"""Bodies of requests, and answers, that are no objects of other rooms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.domain.infrastructure import ApplianceState
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import Session, Task


@dataclass(frozen=True, slots=True)
class PluginOrder:
    """Where a plug-in comes from (null: the one that is shipped with the server), and options for it."""

    source: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateReport:
    """What a service has found out about its appliance; `offered_certificate` is PEM."""

    state: ApplianceState
    reason: str = ""
    offered_certificate: str | None = None


@dataclass(frozen=True, slots=True)
class CertificateAcceptance:
    """The certificate that a person has compared, by its SHA-256 in hex."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class SyncedUsn:
    """How far an appliance is mirrored."""

    usn: int


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session with its tasks; `appliance` is whose it is, empty for the server's own. `as_of`: when that was heard of
    last, where it cannot be asked now.
    """

    session: Session
    tasks: tuple[Task, ...]
    appliance: str
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class PointView:
    """A restore point with how its workload was made up; `appliance` is whose it is."""

    point: RestorePoint
    configuration: Mapping[str, Any]
    appliance: str
