"""Images whose block devices are what was registered, with nothing made up behind them."""

from datetime import datetime
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.amis import Ami

from holdfast.lab.instances.block_devices import BlockDevice


class LabImage(Ami):
    """An image of EC2; `devices` are its volumes, the root volume among them."""

    # moto's constructor would make a volume and a snapshot of 15 GiB for it.
    def __init__(
        self,
        backend: Any,
        image_id: str,
        name: str,
        devices: list[BlockDevice],
        *,
        description: str | None = None,
        owner_id: str | None = None,
        public: bool = False,
        architecture: str = "x86_64",
        root_device: str = "/dev/xvda",
        created_at: datetime | None = None,
        boot_mode: str | None = None,
        imds_support: str | None = None,
        ena_support: bool = False,
        instance_id: str | None = None,
    ) -> None:
        self.ec2_backend = backend
        self.id = image_id
        self.name = name
        self.devices = devices
        self.description = description
        self.owner_id = owner_id or backend.account_id
        self.owner_alias = None
        self.state = "available"
        self.image_type = "machine"
        self.image_location = f"{self.owner_id}/{name}"
        self.architecture = architecture
        self.virtualization_type = "hvm"
        self.hypervisor = "xen"
        self.kernel_id = None
        self.platform = None
        self.platform_details = "Linux/UNIX"
        self.usage_operation = "RunInstances"
        self.root_device_name = root_device
        self.root_device_type = "ebs"
        self.sriov = "simple"
        self.sriov_net_support = "simple"
        self.ena_support = ena_support
        self.creation_date = created_at or utcnow()
        self.product_codes = set()
        self.boot_mode = boot_mode or ""
        self.imds_support = imds_support
        self.instance_id = instance_id
        self.launch_permissions = [{"Group": "all"}] if public else []

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """As DescribeImages says it."""
        return [device.shown() for device in self.devices]

    @property
    def snapshot_ids(self) -> list[str]:
        """The snapshots behind the volumes."""
        return [device.snapshot_id for device in self.devices if device.snapshot_id]

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """What DescribeImages compares a filter with."""
        match filter_name:
            case "block-device-mapping.snapshot-id":
                return self.snapshot_ids
            case "description":
                return self.description
            case "creation-date":
                return self.creation_date.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            case "root-device-name" | "root-device-type" | "image-type" | "hypervisor":
                return getattr(self, filter_name.replace("-", "_"))
        return super().get_filter_value(filter_name, method_name)
