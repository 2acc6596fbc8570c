"""What a person asks of a restore, and the plan that is shown before anything is touched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.domain.retrieval import RetrievalEstimate, RetrievalOrder

# By default sessions are remembered for longer: whoever removes the volumes must still know why they were kept.
LONGEST_KEEP_HOURS = 30 * 24


class Place(StrEnum):
    """Where a restored instance goes: where it was, or somewhere new."""

    ORIGINAL = "original"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class NewPlace:
    """What differs from the original; what is None is taken from the configuration of the point. Only where the place
    is `new`: an order of the original place that says any of it is refused.
    """

    region: str | None = None
    zone: str | None = None
    subnet_id: str | None = None
    security_group_ids: tuple[str, ...] | None = None
    instance_type: str | None = None
    name: str | None = None
    key_name: str | None = None
    instance_profile_arn: str | None = None
    private_address: str | None = None
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceRestore:
    """Bring an entire instance back. `replace` is the person's yes to stopping an instance that still stands, whose old
    volumes are kept for so many hours after the restored ones have proved to run. `retrieval` is the yes to spending
    money on what lies in an archive class.
    """

    point: str
    place: Place = Place.ORIGINAL
    new: NewPlace = NewPlace()
    replace: bool = False
    power_on: bool = True
    worker_mode: str = "ec2"
    keep_old_volumes_hours: int = 0
    retrieval: RetrievalOrder | None = None


@dataclass(frozen=True, slots=True)
class VolumeRestore:
    """Bring volumes back, not attached. `volumes` are ids or device names of the point; empty means all. `retrieval` as
    of an instance.
    """

    point: str
    volumes: tuple[str, ...] = ()
    region: str | None = None
    zone: str | None = None
    volume_type: str | None = None
    kms_key_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    worker_mode: str = "ec2"
    retrieval: RetrievalOrder | None = None


class Change(StrEnum):
    """What a restore does to an object of AWS."""

    CREATE = "create"
    REMOVE = "remove"
    STOP = "stop"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """One object that a restore touches: `kind` in AWS's words (volume, network-interface, instance, image)."""

    change: Change
    kind: str
    name: str
    detail: str = ""
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Everything that would happen, in order; `problems` must be mended first, `warnings` a person should know.
    `retrieval`: what has to be retrieved before, where the point lies in an archive.
    """

    objects: tuple[PlannedObject, ...]
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    retrieval: RetrievalEstimate | None = None
