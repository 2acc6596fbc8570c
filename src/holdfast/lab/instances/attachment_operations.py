"""Volumes and interfaces of instances in moto's EC2: attached, detached, snapshotted together."""

import threading
from collections.abc import Sequence
from typing import Any, cast

from moto.core.utils import utcnow
from moto.ec2.exceptions import (
    DependencyViolationError,
    EC2ClientError,
    InvalidNetworkInterfaceIdError,
    InvalidSecurityGroupNotFoundError,
    VolumeInUseError,
)
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import Snapshot, VolumeAttachment
from moto.ec2.models.elastic_network_interfaces import NetworkInterface

from holdfast.lab.ec2_volumes import LabAttachment, LabVolume
from holdfast.lab.instances.image_operations import ImageOperations
from holdfast.lab.instances.interfaces import LabNetworkInterface, choose_addresses, taken_addresses
from holdfast.lab.instances.lab_instance import LabInstance, in_use
from holdfast.lab.instances.power import RUNNING, STOPPED

# Of all captures and all choices of an address in a lab, one at a time.
_CAPTURES = threading.Lock()
_ADDRESSES = threading.RLock()


class AttachmentOperations(ImageOperations):
    """The part of EC2 that is about what instances are made of."""

    # ------------------------------------------------------------------------------------------------------- volumes

    def attach_volume(
        self, volume_id: str, instance_id: str, device_path: str, delete_on_termination: bool = False
    ) -> VolumeAttachment:
        """Attach a volume; it is `attaching` for a moment."""
        volume, instance = self.get_volume(volume_id), self.get_instance(instance_id)
        if volume.attachment is not None:
            raise EC2ClientError("VolumeInUse", f"{volume_id} is already attached to an instance")
        if volume.status != "available":
            raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is not 'available'.")
        if instance.state not in (RUNNING, STOPPED):
            raise EC2ClientError("IncorrectState", f"Instance '{instance_id}' is not 'running'.")
        if volume.availability_zone != instance.availability_zone:
            words = f"The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"
            raise EC2ClientError("InvalidVolume.ZoneMismatch", words)
        return self.put_in(volume, instance, device_path, delete_on_termination)

    def put_in(
        self, volume: Any, instance: Any, device_path: str, delete_on_termination: bool, *, at_once: bool = False
    ) -> VolumeAttachment:
        """Attach without asking for states: a volume that is launched with its instance is attached from the start."""
        if device_path in instance.block_device_mapping:
            words = f"Invalid value '{device_path}' for unixDevice. Attachment point {device_path} is already in use"
            raise EC2ClientError("InvalidParameterValue", words)
        attached_at = self.service.now() + (0 if at_once else self.service.pending_seconds)
        # moto marks what CloudFormation would call as abstract, and leaves it so.
        attachment = LabAttachment(  # type: ignore[abstract]
            volume, instance, device_path, self.service.now, attached_at
        )
        volume.attachment = attachment
        instance.block_device_mapping[device_path] = BlockDeviceType(
            volume_id=volume.id,
            status="attached",
            size=volume.size,
            attach_time=utcnow(),
            delete_on_termination=delete_on_termination,
        )
        return attachment

    def detach_volume(self, volume_id: str, instance_id: str, device_path: str) -> VolumeAttachment:
        """Detach a volume; it is `detaching` for a moment. The root volume comes off a stopped instance only."""
        volume = self.get_volume(volume_id)
        attachment = volume.attachment
        if not isinstance(attachment, LabAttachment) or attachment.gone_at is not None:
            raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
        instance = attachment.instance
        if (instance_id and instance_id != instance.id) or (device_path and device_path != attachment.device):
            words = f"The volume '{volume_id}' is not attached to instance '{instance_id}' as device '{device_path}'"
            raise EC2ClientError("InvalidAttachment.NotFound", words)
        if attachment.device == instance.root_device_name and instance.state != STOPPED:
            words = f"Unable to detach root volume '{volume_id}' from instance '{instance.id}'"
            raise EC2ClientError("OperationNotPermitted", words)
        instance.block_device_mapping.pop(attachment.device, None)
        attachment.gone_at = self.service.now() + self.service.pending_seconds
        return attachment

    def delete_volume(self, volume_id: str) -> Any:
        """Delete a volume that is available: made, and no instance has it (EC2 API reference, DeleteVolume)."""
        volume = self.get_volume(volume_id)
        if volume.attachment is not None:
            raise VolumeInUseError(volume_id, volume.attachment.instance.id)
        if volume.status == "creating":
            raise EC2ClientError("IncorrectState", f"The volume '{volume_id}' is 'creating'")
        return super().delete_volume(volume_id)

    def create_snapshots(
        self, instance_spec: dict[str, Any], description: str, tags: dict[str, str], copy_tags: bool = False
    ) -> list[Snapshot]:
        """Snapshot the volumes of an instance at one moment: none of its processes runs meanwhile."""
        instance = self.get_instance(instance_spec["InstanceId"])
        attached = {block.volume_id: device for device, block in instance.get_block_device_mapping}
        excluded = set(instance_spec.get("ExcludeDataVolumeIds") or ())
        data = {volume_id for volume_id, device in attached.items() if device != instance.root_device_name}
        if excluded - data:
            words = f"Volume {min(excluded - data)} is not a data volume of instance {instance.id}"
            raise EC2ClientError("InvalidParameterValue", words)
        without_root = str(instance_spec.get("ExcludeBootVolume", False)).lower() == "true"
        wanted = [v for v in attached if v not in excluded and not (without_root and v not in data)]
        if not wanted:
            raise EC2ClientError("InvalidParameterCombination", "No volumes are left to snapshot")
        with _CAPTURES, cast(LabInstance, instance).frozen():
            made = [(volume_id, self.create_snapshot(volume_id, description)) for volume_id in wanted]
        for volume_id, snapshot in made:
            snapshot.add_tags({**(self.tags.get(volume_id, {}) if copy_tags else {}), **tags})
        return [snapshot for _, snapshot in made]

    # ---------------------------------------------------------------------------------------------------- interfaces

    def create_network_interface(
        self,
        subnet: Any,
        private_ip_address: str | list[str],
        private_ip_addresses: Sequence[Any] | None = None,
        group_ids: list[str] | None = None,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        delete_on_termination: bool | None = False,
        **facts: Any,
    ) -> NetworkInterface:
        """Make an interface with the addresses asked for, or with free ones."""
        if isinstance(subnet, str):
            subnet = self.get_subnet(subnet)
        for group_id in group_ids or ():
            group = self.get_security_group_from_id(group_id)
            if group is None:
                raise InvalidSecurityGroupNotFoundError(group_id)
            if group.vpc_id != subnet.vpc_id:
                words = f"Security group {group_id} and subnet {subnet.id} belong to different networks."
                raise EC2ClientError("InvalidParameter", words)
        primary = (
            private_ip_address if isinstance(private_ip_address, str) else next(iter(private_ip_address or ()), None)
        )
        more_count = int(facts.pop("secondary_ips_count", None) or 0)
        with _ADDRESSES:
            taken = taken_addresses(list(self.enis.values()), subnet)
            chosen = choose_addresses(subnet, taken, primary, private_ip_addresses or (), more_count)
            return super().create_network_interface(
                subnet,
                chosen[0]["PrivateIpAddress"],
                chosen,
                group_ids,
                description,
                tags,
                delete_on_termination,
                **facts,
            )

    def assign_private_ip_addresses(
        self, eni_id: str, private_ip_addresses: list[str] | None = None, secondary_ips_count: int | None = None
    ) -> NetworkInterface:
        """Give an interface more addresses."""
        interface = self.get_network_interface(eni_id)
        with _ADDRESSES:
            taken = taken_addresses(list(self.enis.values()), interface.subnet)
            had = {address["PrivateIpAddress"] for address in interface.private_ip_addresses}
            listed = [{"PrivateIpAddress": a, "Primary": False} for a in private_ip_addresses or () if a not in had]
            # A primary one is chosen for the sake of the order, and left.
            chosen = choose_addresses(interface.subnet, taken, None, listed, int(secondary_ips_count or 0))[1:]
            interface.private_ip_addresses.extend(chosen)
        return interface

    def get_network_interface(self, eni_id: str) -> NetworkInterface:
        """The interface; other threads may be making some meanwhile."""
        interface = self.enis.get(eni_id)
        if interface is None:
            raise InvalidNetworkInterfaceIdError(eni_id)
        return interface

    def delete_network_interface(self, eni_id: str) -> None:
        """Delete an interface that no instance has."""
        if self.get_network_interface(eni_id).instance is not None:
            raise in_use(eni_id)
        super().delete_network_interface(eni_id)

    def detach_network_interface(self, attachment_id: str) -> None:
        """Detach an interface; the primary one stays."""
        found = next((i for i in list(self.enis.values()) if i.attachment_id == attachment_id), None)
        if found is not None and found.device_index == 0:
            words = "The network interface at device index 0 cannot be detached."
            raise EC2ClientError("OperationNotPermitted", words)
        super().detach_network_interface(attachment_id)

    def delete_security_group(self, name: str | None = None, group_id: str | None = None) -> None:
        """Delete a group that no interface has."""
        group = (
            self.get_security_group_from_id(group_id) if group_id else self.get_security_group_by_name_or_id(name or "")
        )
        if group is not None and group.name == "default":
            words = f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
            raise EC2ClientError("CannotDelete", words)
        if group is not None and any(group in i._group_set for i in list(self.enis.values())):
            raise DependencyViolationError(f"resource {group.id} has a dependent object")
        super().delete_security_group(name, group_id)

    def delete_vpc(self, vpc_id: str) -> Any:
        """Delete a VPC; its default group, which nobody can delete, goes with it."""
        groups = self.groups.get(vpc_id, {})
        default = {group_id: group for group_id, group in groups.items() if group.name == "default"}
        for group_id in default:
            del groups[group_id]
        try:
            return super().delete_vpc(vpc_id)
        except EC2ClientError:
            groups.update(default)
            raise

    def delete_subnet(self, subnet_id: str) -> Any:
        """Delete a subnet that no interface is in."""
        if any(interface.subnet.id == subnet_id for interface in list(self.enis.values())):
            raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        return super().delete_subnet(subnet_id)

    # ---------------------------------------------------------------------------------------------------- termination

    def on_terminated(self, instance: LabInstance) -> None:
        """The instance has ended: what goes with it goes, the rest is free."""
        for device, block in instance.get_block_device_mapping:
            volume = self.volumes.get(block.volume_id)
            instance.block_device_mapping.pop(device, None)
            if isinstance(volume, LabVolume):
                volume.attachment = None
                if block.delete_on_termination:
                    self.delete_volume(volume.id)
        for interface in list(instance.nics.values()):
            address = cast(LabNetworkInterface, interface).elastic_address
            if address is not None:
                address.eni = address.instance = address.association_id = None
            interface.public_ip = None
            instance.detach_eni(interface)
            if interface.delete_on_termination and isinstance(interface, LabNetworkInterface):
                interface.delete()
        association = self.iam_instance_profile_associations.get(instance.id)
        if association is not None:
            self.disassociate_iam_instance_profile(association.association_id)
        instance.terminated_at = self.service.now()
