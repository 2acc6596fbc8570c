"""What is protected: an EC2 instance, and how it is made up, so that it can be made again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class WorkloadKind(StrEnum):
    """Kinds of workloads that an appliance protects; a repository is what it looks after in a collection."""

    EC2_INSTANCE = "ec2-instance"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class Workload:
    """One protected thing. `account` is the name of a registered account, `id` AWS's own (`i-…`)."""

    kind: WorkloadKind
    account: str
    region: str
    id: str
    name: str = ""

    @property
    def repository_name(self) -> str:
        """What the workload is called in a repository: unique in an AWS account, the same for ever."""
        return f"{self.kind}/{self.region}/{self.id}"


@dataclass(frozen=True, slots=True)
class VolumeConfiguration:
    """A volume as it was attached. `device` is AWS's name of the attachment (`/dev/sdf`), unique in an instance."""

    volume_id: str
    device: str
    size_gib: int
    volume_type: str
    root: bool
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key_id: str | None = None
    delete_on_termination: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InterfaceConfiguration:
    """A network interface as it was attached; the first private address is the primary one."""

    device_index: int
    subnet_id: str
    vpc_id: str
    private_addresses: tuple[str, ...]
    security_groups: tuple[str, ...]
    description: str = ""
    source_dest_check: bool = True
    delete_on_termination: bool = True
    public_address: str | None = None
    allocation_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceConfiguration:
    """Everything that is needed to make an EC2 instance again without its image.

    `user_data` is base64 as AWS has it and may hold secrets of its owner: it is never stored in clear. `platform` is
    AWS's PlatformDetails, by which it is billed; "" where nobody has asked. `left_out` says what there was no room for,
    where it was found in tags.
    """

    instance_id: str
    account_id: str
    region: str
    zone: str
    instance_type: str
    architecture: str
    image_id: str
    root_device: str
    volumes: tuple[VolumeConfiguration, ...]
    interfaces: tuple[InterfaceConfiguration, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    key_name: str | None = None
    instance_profile_arn: str | None = None
    user_data: str | None = field(default=None, repr=False)
    ebs_optimized: bool = False
    monitoring: bool = False
    tenancy: str = "default"
    virtualization: str = "hvm"
    ena_support: bool = True
    boot_mode: str | None = None
    termination_protection: bool = False
    stop_protection: bool = False
    shutdown_behavior: str = "stop"
    metadata_tokens: str = "required"
    metadata_hop_limit: int = 1
    metadata_tags: bool = False
    platform: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its tag Name, or its id."""
        return self.tags.get("Name") or self.instance_id

    @property
    def is_licensed(self) -> bool:
        """Whether more than its time is billed by what its image says: Windows, SQL Server, RHEL, SUSE."""
        return self.platform not in ("", "Linux/UNIX")

    @property
    def is_windows(self) -> bool:
        """Windows or SQL Server on it: EC2 launches none of an image that does not say so."""
        return self.platform.startswith(("Windows", "SQL Server"))


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """What discovery sees of an instance."""

    id: str
    region: str
    state: str
    tags: Mapping[str, str]
    instance_type: str = ""
    volume_ids: tuple[str, ...] = ()
    volume_bytes: int = 0

    @property
    def name(self) -> str:
        """Its tag Name, or its id."""
        return self.tags.get("Name") or self.id
