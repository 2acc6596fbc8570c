"""Bodies of requests, and answers, that are no objects of other rooms."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.domain.infrastructure import ApplianceState


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
class SyncedUsn:
    """How far an appliance is mirrored."""

    usn: int
