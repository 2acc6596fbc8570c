"""Ports to the cloud: what the appliance sees and does in an account and region. `aws/` implements them.

Every method raises only errors of `domain/errors.py`; a denied action is a PermissionDeniedError that names it. What
creates something is idempotent by its `token`: asked again it hands back what was made before. Everything created
carries the tags of `Ownership` from the moment it exists, and is written into the ledger before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from holdfast.domain import ownership
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.infrastructure import Account
from holdfast.domain.workload import FoundInstance, InstanceConfiguration


@dataclass(frozen=True, slots=True)
class Ownership:
    """To whom a created object belongs; becomes its tags `holdfast:appliance`, `holdfast:session`, `holdfast:task`,
    `holdfast:attempt` and `holdfast:purpose`. `purpose` is one of the constants of `domain/ownership.py`.
    """

    appliance_id: str
    session_id: str
    task_id: str
    attempt: int
    purpose: str

    def tags(self) -> dict[str, str]:
        """The tags by which something is known as ours."""
        return {
            ownership.APPLIANCE: self.appliance_id,
            ownership.SESSION: self.session_id,
            ownership.TASK: self.task_id,
            ownership.ATTEMPT: str(self.attempt),
            ownership.PURPOSE: self.purpose,
        }

    def intent(
        self, row_id: str, kind: str, account: str, region: str, token: str, now: datetime, object_id: str = ""
    ) -> LedgerRow:
        """The row of the ledger as it is written before anything is done."""
        return LedgerRow(
            id=row_id,
            kind=kind,
            account=account,
            region=region,
            session_id=self.session_id,
            task_id=self.task_id,
            attempt=self.attempt,
            purpose=self.purpose,
            token=token,
            object_id=object_id,
            intended_at=now,
            created_at=None,
            gone_at=None,
        )


@dataclass(frozen=True, slots=True)
class OwnedObject:
    """Something that the reaper found by our tags. `ownership` is None where tags of ours are missing or foreign."""

    kind: str
    id: str
    region: str
    ownership: Ownership | None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DescribedSnapshot:
    """A snapshot whose tags describe its restore point, or say that they do; nobody has vouched for them yet."""

    id: str
    ownership: Ownership | None
    completed: bool
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DefaultEncryption:
    """What EBS does in an account and region where nobody names a key: `key` encrypts, a customer's own KMS key, or
    AWS's where it is None; `always` also what nobody asks to be encrypted.
    """

    key: str | None = None
    always: bool = False


class Compute(Protocol):
    """EC2 and EBS of one account and region, as backup needs them."""

    def instances(self) -> Iterator[FoundInstance]:
        """Every instance that is not terminated."""

    def configuration(self, instance_id: str) -> InstanceConfiguration:
        """How an instance is made up now. Raises NotFoundError when it is gone."""

    def create_snapshots(
        self,
        owner: Ownership,
        instance_id: str,
        volume_ids: tuple[str, ...],
        tags: Mapping[str, str],
        description: str,
        *,
        copy_tags: bool,
    ) -> dict[str, str]:
        """Crash-consistent snapshots of exactly these volumes of one instance; volume id -> snapshot id.

        `volume_ids` are volumes of the instance, all others are left out of the set.
        """

    def snapshots_percent(self, snapshot_ids: tuple[str, ...]) -> int:
        """How far they are together; 100 only when each is completed. Raises SourceGoneError when one is gone,
        UnavailableError when one failed.
        """

    def default_encryption(self) -> DefaultEncryption:
        """What EBS does here where nobody names a key."""

    def foreign_snapshots(self, owner: Ownership, snapshot_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Those of them that were not made here for `owner`, as all that is made for it says by its tags."""

    def share_snapshots(self, snapshot_ids: tuple[str, ...], account_id: str) -> None:
        """Let another AWS account read them: a worker of the appliance's account for instances of another, or whoever
        copies them there. Raises ConflictError for what is encrypted under AWS's own key, which cannot be shared.
        """

    def copy_snapshots(
        self,
        owner: Ownership,
        sources: Mapping[str, str],
        source_region: str,
        tags: Mapping[str, Mapping[str, str]],
        description: str,
        kms_key_id: str | None,
    ) -> dict[str, str]:
        """Copy completed snapshots of that region, which are of this account or shared with it, into this account and
        region; `sources`, `tags` (people's, as many as there is room for) and the answer are by volume id. Without a
        key a copy is encrypted as its source is. Raises QuotaReachedError when no more copies may be under way; asked
        again, it goes on where it stopped.
        """

    def tag_snapshots(self, snapshot_ids: tuple[str, ...], tags: Mapping[str, str]) -> None:
        """Give them these tags, too; room for those of `snapshot_tags.py` was left when they were made."""

    def described_snapshots(self) -> Iterator[DescribedSnapshot]:
        """Every snapshot of the account here that bears the tag `holdfast:point`."""

    def delete_snapshots(self, snapshot_ids: tuple[str, ...]) -> None:
        """Delete them; one that is gone already is no error."""


@dataclass(frozen=True, slots=True)
class VolumeOrder:
    """A volume to be made from a snapshot."""

    snapshot_id: str
    size_gib: int
    volume_type: str
    zone: str
    iops: int | None = None
    throughput: int | None = None
    kms_key_id: str | None = None
    encrypted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InterfaceOrder:
    """A network interface of an instance to be made. Empty addresses: AWS chooses."""

    device_index: int
    subnet_id: str
    security_group_ids: tuple[str, ...]
    private_addresses: tuple[str, ...] = ()
    description: str = ""
    source_dest_check: bool = True
    delete_on_termination: bool = True
    allocation_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceOrder:
    """An instance to be made from snapshots of its volumes: `volumes` by device name, the root's among them."""

    configuration: InstanceConfiguration
    zone: str
    instance_type: str
    root_device: str
    volumes: Mapping[str, VolumeOrder]
    interfaces: tuple[InterfaceOrder, ...]
    tags: Mapping[str, str]
    key_name: str | None
    instance_profile_arn: str | None
    power_on: bool = True


@dataclass(frozen=True, slots=True)
class MadeInstance:
    """What came of an InstanceOrder. `volumes`: device name -> volume id."""

    instance_id: str
    volumes: Mapping[str, str]
    private_addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandingInstance:
    """An instance as it stood before it was restored into: everything that puts it back. `state` is AWS's word."""

    configuration: InstanceConfiguration
    state: str


@dataclass(frozen=True, slots=True)
class KeptVolume:
    """A volume that a standing instance had before `owner` restored into it, and its place there. `attached`: it is in
    use at this moment, there or elsewhere.
    """

    volume_id: str
    instance_id: str
    device: str
    delete_on_termination: bool
    attached: bool
    owner: Ownership


# Asked while something is waited for, about once a second; what it raises ends the wait.
GoOn = Callable[[], None]


def nobody_cancels() -> None:
    """It goes on to its end."""


class RestoreSite(Protocol):
    """EC2 and EBS of one account and region, as restores need them. What makes or stops something asks the site's
    `go_on` at each wait, and is then undone as after any error; what undoes asks nobody.
    """

    def instance_state(self, instance_id: str) -> str | None:
        """AWS's word (`running`, `stopped`, …); None when it is gone or terminated."""

    def problems(self, order: InstanceOrder, standing: str | None = None) -> list[str]:
        """What stands in the way of the order: subnet, address, security group, key pair, profile or quota missing, in
        use or reached; a line each. `standing` is the instance that will take the order's volumes (`exchange_volumes`):
        addresses that it has itself are in nobody's way.
        """

    def create_volume(self, owner: Ownership, order: VolumeOrder) -> str:
        """A volume that is available; its id."""

    def make_instance(self, owner: Ownership, order: InstanceOrder) -> MadeInstance:
        """Make the instance and see it run (or stopped, without `power_on`). Registers an image from the root's
        snapshot for the purpose and removes it after; nothing is left when it fails.
        """

    def stop_instance(self, instance_id: str) -> None:
        """Stop it and see it stopped. Raises ConflictError when it is protected against being stopped."""

    def standing_instance(self, instance_id: str) -> StandingInstance:
        """An instance as it stands now. Raises NotFoundError when it is gone."""

    def exchange_volumes(self, owner: Ownership, instance_id: str, order: InstanceOrder) -> MadeInstance:
        """Restore into an instance that still stands and is stopped: it gets new volumes and the configuration of the
        order, and is started (not without `power_on`). Id, interfaces and addresses stay what they are: AWS gives a
        primary private address to another instance only when the first is terminated. The volumes that it had are
        detached and kept, tagged with what puts them back; each step may be asked again. When it fails,
        `put_back_volumes` undoes it.
        """

    def status_checks(self, instance_id: str) -> tuple[str, str]:
        """AWS's words for its checks of the host and of the instance: `ok`, `initializing`, `impaired`, …;
        `not-applicable` when it does not run.
        """

    def put_back_volumes(self, owner: Ownership, was: StandingInstance) -> None:
        """Undo `exchange_volumes` of this owner, however far it came: the volumes that were kept are attached again,
        configuration and state are those of `was`, then the new volumes are deleted. Volumes that were kept are never
        deleted here. Raises ConflictError, and changes nothing, where a volume of `was` is neither at its device nor
        kept by this owner, or another volume has taken its place since.
        """

    def kept_volumes(self, appliance_id: str) -> list[KeptVolume]:
        """Every volume that any restore of that appliance has kept."""

    def discard_kept_volumes(self, owner: Ownership, instance_id: str) -> None:
        """The restored instance runs: delete the volumes that were kept from it; gone already is no error."""

    def delete_snapshots(self, snapshot_ids: tuple[str, ...]) -> None:
        """Delete them; one that is gone already is no error."""


@dataclass(frozen=True, slots=True)
class CopiedRepository:
    """A repository that a worker copies from: where it is, and the id of the reader that has the point pinned there."""

    location: str
    reader: str


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """A worker instance to be launched. `writes_snapshots`: it makes new ones (a restore), encrypted under the KMS keys
    of `kms_key_arns` where there are any; the keys of snapshots that it reads are found out. One that neither makes nor
    reads any reads a repository, and writes nothing but its result. `lock_days`: it locks what it writes in an
    immutable repository, for at most so many days. `copies_from`: it reads that repository, and no snapshots.
    `reads_versions`: it reads versions of objects that others have put something over, where it restores or copies
    from, or verifies.
    """

    owner: Ownership
    repository_location: str
    repository_session: str
    reads_snapshots: tuple[str, ...] = ()
    writes_snapshots: bool = False
    kms_key_arns: tuple[str, ...] = ()
    instance_type: str | None = None
    volume_bytes: int = 0
    subnet_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    lock_days: int | None = None
    copies_from: CopiedRepository | None = None
    reads_versions: bool = False

    @property
    def lifetime_seconds(self) -> int:
        """After so long it ends itself, whatever has become of the appliance: a day, and what its volumes take where
        16 MiB/s come through, so that none is too large to be read or written in one go.
        """
        return 24 * 3600 + self.volume_bytes // (16 * 1024**2)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that was launched: ids and addresses, no secret."""

    instance_id: str
    instance_type: str
    role_name: str
    role_id: str
    queue_url: str
    region: str
    zone: str = ""

    @property
    def user_id(self) -> str:
        """What AWS calls its `aws:userid`."""
        return f"{self.role_id}:{self.instance_id}"


class WorkerInstances(Protocol):
    """Temporary instances of one account and region, each with a role and a queue of its own."""

    def launch(self, order: WorkerOrder) -> Worker:
        """Role, profile, queue and instance; idempotent for one owner and attempt. Raises QuotaReachedError."""

    def send(self, worker: Worker, message: str) -> None:
        """Put the one message into its queue."""

    def wrap_key(self, worker: Worker, key: bytes, context: Mapping[str, str]) -> tuple[str, bytes]:
        """(KMS key, the key wrapped so that only that worker opens it)."""

    def state(self, worker: Worker) -> str | None:
        """AWS's word for the instance; None when it is gone or terminated."""

    def why_ended(self, worker: Worker) -> str:
        """AWS's reason for the end of one that has ended; empty where it gives none. Raises ConflictError where another
        one would end by it, too.
        """

    def console(self, worker: Worker) -> str:
        """The end of what it wrote to its console, for a person."""

    def terminate(self, worker: Worker) -> None:
        """End the instance and remove queue, profile and role; what is gone already is no error."""


class EventQueue(Protocol):
    """The queue in which workers of one account and region report."""

    @property
    def url(self) -> str:
        """Its address, for the task's pointer."""

    def receive(self, wait_seconds: float) -> list[tuple[str, str]]:
        """(receipt, body) of each message that is there; waits at most that long for the first."""

    def done(self, receipts: list[str]) -> None:
        """These were stored; they need not come again."""


class Belongings(Protocol):
    """Everything that bears our tags in one account and region: what the reaper looks at."""

    def owned(self) -> Iterator[OwnedObject]:
        """Instances, volumes, snapshots, images, network interfaces, roles, profiles, queues of this appliance."""

    def remove(self, one: OwnedObject) -> None:
        """End or delete it, with what depends on it; gone already is no error."""


class Cloud(Protocol):
    """The way to all of it. `account` None is the appliance's own."""

    def identity(self, account: Account) -> str:
        """The AWS account id behind it. Raises PermissionDeniedError where the role cannot be assumed."""

    def compute(self, account: Account, region: str) -> Compute:
        """For backups."""

    def restore_site(self, account: Account, region: str, go_on: GoOn = nobody_cancels) -> RestoreSite:
        """For restores."""

    def workers(self, region: str) -> WorkerInstances:
        """Workers run in the appliance's own account (W03)."""

    def events(self, region: str) -> EventQueue:
        """Where they report."""

    def belongings(self, account: Account, region: str) -> Belongings:
        """For the reaper."""
