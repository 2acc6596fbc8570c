"""What the product works with: accounts, repositories, appliances."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account that an appliance works in: its own where `role_arn` is None, another by a role (A05)."""

    name: str
    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    account_id: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryDefinition:
    """A repository by name. Its password is kept apart, sealed; `kms` says that a KMS key slot opens it instead.
    `seen` is how an appliance saw it last, for the server to keep and for every appliance to compare with.
    """

    name: str
    location: str
    kms: bool = False
    description: str = ""
    task_limit: int = 8
    repository_id: str = ""
    seen: str = ""


class ApplianceState(StrEnum):
    """How an appliance stands to the server."""

    DEPLOYING = "deploying"
    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    CERTIFICATE_CHANGED = "certificate-changed"
    OWNED_BY_ANOTHER = "owned-by-another"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class Appliance:
    """An appliance as the server knows it. `certificate` is the pinned one, PEM; `instance_id` is set where the plug-in
    deployed it.
    """

    name: str
    plugin: str
    url: str
    state: ApplianceState
    certificate: str = field(repr=False)
    offered_certificate: str | None = field(default=None, repr=False)
    reason: str = ""
    appliance_id: str = ""
    version: str = ""
    region: str = ""
    instance_id: str = ""
    added_at: datetime | None = None
    synced_at: datetime | None = None
    synced_usn: int = 0
