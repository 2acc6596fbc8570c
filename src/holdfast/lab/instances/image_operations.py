"""Images in moto's EC2: registered from snapshots, made from instances, copied; and Debian's, which are there."""

from collections.abc import Iterable
from typing import Any

from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidAMIIdError,
    InvalidSnapshotIdError,
    InvalidSnapshotInUse,
    UnvailableAMIIdError,
)
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.utils import generic_filter, random_ami_id

from holdfast.lab.ec2_volumes import LabEC2Backend, LabSnapshot, moto_time
from holdfast.lab.instances.block_devices import DEFAULT_ROOT_GIB, BlockDevice, merged
from holdfast.lab.instances.images import LabImage
from holdfast.lab.instances.stock_images import (
    DEBIAN_ACCOUNT,
    ROOT_DEVICE,
    StockImage,
    ensure_snapshot,
    stock_images,
)
from holdfast.lab.records import SnapshotRecord


class ImageOperations(LabEC2Backend):
    """The part of EC2 that is about images."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._stock = {image.snapshot_id: image for image in stock_images(region_name)}
        for image in self._stock.values():
            self.amis[image.id] = self._shown(image)

    def _shown(self, image: StockImage) -> LabImage:
        return LabImage(
            self,
            image.id,
            image.name,
            [image.root],
            description=f"Debian 12 ({image.name.rpartition('-')[0].rpartition('-')[2]})",
            owner_id=DEBIAN_ACCOUNT,
            public=True,
            architecture=image.architecture,
            root_device=ROOT_DEVICE,
            created_at=moto_time(image.created_at),
            boot_mode="uefi-preferred" if image.architecture == "x86_64" else "uefi",
            imds_support="v2.0",
            ena_support=True,
        )

    def image(self, image_id: str) -> Ami:
        """The image that an instance is launched from; EC2's error where it cannot be."""
        if image_id in self.deleted_amis:
            raise UnvailableAMIIdError(image_id)
        image = self.amis.get(image_id)
        if image is None:
            raise InvalidAMIIdError(image_id)
        if image.state != "available":
            raise UnvailableAMIIdError(image_id)
        return image

    def get_snapshot(self, snapshot_id: str) -> Snapshot:
        """A snapshot of the account, one behind an image that it may launch, or one that is shared with it."""
        if snapshot_id in self.snapshots:
            return self.snapshots[snapshot_id]
        if snapshot_id in self._stock:
            ensure_snapshot(self.service.store, self._stock[snapshot_id], self.region_name)
        record = self.service.store.snapshot(snapshot_id)
        if record is not None and record.region == self.region_name and self._may_use(record):
            return LabSnapshot(self, record)
        return super().get_snapshot(snapshot_id)

    def describe_snapshots(self, snapshot_ids: list[str] | None = None, filters: Any = None) -> list[Snapshot]:
        """Snapshots of the account, and those that others share with it."""
        shared = self.service.store.shared_snapshots(self.account_id, self.region_name)
        found = {**self.snapshots, **{r.id: LabSnapshot(self, r) for r in shared if r.id not in self.snapshots}}
        if snapshot_ids:
            if not found.keys() >= set(snapshot_ids):
                raise InvalidSnapshotIdError
            found = {snapshot_id: found[snapshot_id] for snapshot_id in snapshot_ids}
        return generic_filter(filters, list(found.values()))

    def _may_use(self, record: SnapshotRecord) -> bool:
        return record.id in self._stock or self.account_id in record.shared_with

    def register_image(self, name: str | None = None, description: str | None = None, **facts: Any) -> LabImage:
        """Register an image; its root volume is the device that `RootDeviceName` names."""
        if any(image.name == name and image.owner_id == self.account_id for image in self.amis.values()):
            raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by another AMI")
        root = facts.get("RootDeviceName") or ROOT_DEVICE
        asked = facts.get("BlockDeviceMappings") or [{"DeviceName": root, "Ebs": {"VolumeSize": DEFAULT_ROOT_GIB}}]
        devices = [self._completed(device) for device in merged((), asked)]
        if root not in [device.device for device in devices]:
            raise EC2ClientError("InvalidBlockDeviceMapping", f"The root device {root} is not among the block devices")
        return self._registered(
            name or "",
            devices,
            description=description,
            # The default that the documentation of RegisterImage gives for images on EBS.
            architecture=facts.get("Architecture") or "i386",
            root_device=root,
            boot_mode=facts.get("BootMode"),
            imds_support=facts.get("ImdsSupport"),
            ena_support=str(facts.get("EnaSupport", False)).lower() == "true",
        )

    def create_image(
        self, instance_id: str, name: str, description: str, tag_specifications: list[dict[str, Any]], **facts: Any
    ) -> LabImage:
        """Snapshot the volumes of an instance and register them."""
        instance = self.get_instance(instance_id)
        tags = {s["ResourceType"]: {t["Key"]: t["Value"] for t in s["Tags"]} for s in tag_specifications}
        attached = [
            BlockDevice(device, volume_type=self.volumes[block.volume_id].volume_type, size_gib=block.size,
                        delete_on_termination=block.delete_on_termination)
            for device, block in instance.get_block_device_mapping
        ]  # fmt: skip
        devices = merged(attached, facts.get("BlockDeviceMappings") or ())
        snapshots = {}
        for device in devices:
            block = instance.block_device_mapping.get(device.device)
            if block is not None:
                words = f"Created by CreateImage({instance_id})"
                snapshot = self.create_snapshot(block.volume_id, words)
                snapshot.add_tags(tags.get("snapshot", {}))
                snapshots[device.device] = snapshot.id
        named = [
            {"DeviceName": device, "Ebs": {"SnapshotId": snapshot_id}} for device, snapshot_id in snapshots.items()
        ]
        image = self._registered(
            name,
            merged(devices, named),
            description=description,
            architecture=instance.architecture or "x86_64",
            root_device=instance.root_device_name or ROOT_DEVICE,
            instance_id=instance_id,
        )
        image.add_tags(tags.get("image", {}))
        return image

    def copy_image(
        self, source_image_id: str, source_region: str, name: str | None = None, description: str | None = None
    ) -> LabImage:
        """Copy an image with its snapshots."""
        from moto.ec2.models import ec2_backends

        source = ec2_backends[self.account_id][source_region].image(source_image_id)  # type: ignore[attr-defined]
        copied = [
            {
                "DeviceName": device.device,
                "Ebs": {
                    "SnapshotId": self.copy_snapshot(
                        device.snapshot_id, source_region, f"Copied for {source_image_id}", None
                    ).id
                },
            }
            for device in source.devices
            if device.snapshot_id
        ]
        return self._registered(
            name or source.name,
            merged(source.devices, copied),
            description=description or source.description,
            architecture=source.architecture,
            root_device=source.root_device_name,
            boot_mode=source.boot_mode,
            imds_support=source.imds_support,
            ena_support=source.ena_support,
        )

    def delete_snapshot(self, snapshot_id: str) -> Snapshot:
        """Delete a snapshot that no image needs."""
        for image in list(self.amis.values()):
            if isinstance(image, LabImage) and snapshot_id in image.snapshot_ids:
                raise InvalidSnapshotInUse(snapshot_id, image.id)
        return super().delete_snapshot(snapshot_id)

    def _registered(self, name: str, devices: Iterable[BlockDevice], **facts: Any) -> LabImage:
        image = LabImage(self, random_ami_id(), name, list(devices), **facts)
        self.amis[image.id] = image
        return image

    def _completed(self, device: BlockDevice) -> BlockDevice:
        """With the size of its snapshot where none is asked for."""
        if device.snapshot_id is None:
            return device
        snapshot = self.get_snapshot(device.snapshot_id)
        asked = {} if device.size_gib else {"VolumeSize": snapshot.volume.size}
        return merged([device], [{"DeviceName": device.device, "Ebs": {**asked, "Encrypted": snapshot.encrypted}}])[0]
