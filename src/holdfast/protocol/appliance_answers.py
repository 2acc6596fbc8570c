"""What an appliance answers beside the objects of the domain; the server passes most of it on as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.domain.infrastructure import RepositoryDefinition
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import Session, Task

API_VERSION = 1


@dataclass(frozen=True, slots=True)
class ApplianceFacts:
    """Who an appliance is. `owner` is the id of the server that it obeys; `usn` the number of its newest change;
    `leaving` says that it was told of its removal, and begins nothing more.
    """

    appliance_id: str
    version: str
    api: int
    usn: int
    region: str
    account_id: str
    configured: bool
    owner: str | None = None
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """What the plug-in's stack made, and an appliance needs to make workers. `bundles`: architecture -> key, sha256.
    `repository_key_arns`: the customer's KMS keys that buckets of repositories are encrypted under.
    `retrieval_role_arn`: under which S3 retrieves from archives by jobs.
    """

    stack: str
    region: str
    account_id: str
    bundle_bucket: str
    bundles: Mapping[str, Mapping[str, str]]
    kms_key_arn: str
    event_queue_url: str
    worker_boundary_arn: str
    repository_key_arns: tuple[str, ...] = ()
    retrieval_role_arn: str | None = None


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """Whether an account can be worked in: who answered, and the actions of reading that it refuses."""

    name: str
    account_id: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy and what stands beside its document. `in_force_since`: since when it is enabled and falls due at the
    moments at which it does; a change of anything else leaves that, and what is owed, as it is.
    """

    policy: Ec2Policy
    enabled: bool
    created_at: datetime
    changed_at: datetime
    in_force_since: datetime


@dataclass(frozen=True, slots=True)
class PolicyApplied:
    """What applying a policy did, or would do. `change` is created, changed or unchanged; `difference` unified lines;
    `matched` what it would protect now.
    """

    policy: Ec2Policy
    change: str
    difference: tuple[str, ...]
    matched: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """A session with its tasks."""

    session: Session
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class PointDetail:
    """A restore point with how its workload was made up: AWS's words, never its user data."""

    point: RestorePoint
    configuration: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RepositoryOrder:
    """A repository to be known by name, with the password that opens it (null where a KMS slot does)."""

    repository: RepositoryDefinition
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RepositoryRescanOrder:
    """What is taken on of a repository: points whose ids come behind `after` and not behind `up_to` (empty: no bound),
    but for those that other appliances have (`elsewhere`).
    """

    elsewhere: tuple[str, ...] = ()
    after: str = ""
    up_to: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryRescanned:
    """What a repository holds of the registered accounts' instances: `points` are known now, `added` of them were not
    before, `elsewhere` are left to other appliances; a warning for each that could not be taken on.
    """

    repository: str
    points: int
    added: int
    warnings: tuple[str, ...] = ()
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotsRescanned:
    """What the tags of an account's snapshots in a region say: `points` are known now, `added` of them were not
    before, and `incomplete` lack a snapshot; a warning for each that was refused.
    """

    account: str
    region: str
    points: int
    added: int
    incomplete: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One change: the object as it is now, null where it was removed. `kind`: account, repository, policy, session,
    task or point.
    """

    usn: int
    kind: str
    id: str
    document: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes in order; `newest` is the last number that was given, so equality means that nothing is left. `after` is
    the number that they follow: whoever has not come so far lacks what is between. `leaving` as in ApplianceFacts.
    """

    changes: tuple[ChangeRecord, ...]
    newest: int
    after: int = 0
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class FarewellState:
    """How far an appliance is that will be removed: sessions that still run, and what would not go, a line each."""

    unfinished: int
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaneState:
    """A limit and what it does now."""

    queue: str
    partition: str
    limit: int
    running: int
    waiting: int
