"""What RegisterImage and RunInstances are told for an InstanceOrder. Pure."""

import base64
from typing import Any

from holdfast.appliance.ports.cloud import InstanceOrder, InterfaceOrder, Ownership
from holdfast.aws.ec2.volumes import properties
from holdfast.aws.ownership import as_list, people_tags
from holdfast.domain.workload import InstanceConfiguration


def image_request(owner: Ownership, order: InstanceOrder, name: str) -> dict[str, Any]:
    """A temporary image of the root volume alone: all other volumes are named at the launch."""
    configuration, root = order.configuration, order.volumes[order.root_device]
    request: dict[str, Any] = {
        "Name": name,
        "Description": f"Holdfast restores {configuration.instance_id} from this; it is removed right after",
        "Architecture": configuration.architecture,
        "RootDeviceName": order.root_device,
        "VirtualizationType": configuration.virtualization,
        "EnaSupport": configuration.ena_support,
        "BlockDeviceMappings": [
            {"DeviceName": order.root_device, "Ebs": {"SnapshotId": root.snapshot_id, "VolumeSize": root.size_gib}}
        ],
        "TagSpecifications": [{"ResourceType": "image", "Tags": as_list(owner.tags())}],
    }
    if configuration.boot_mode:
        request["BootMode"] = configuration.boot_mode
    return request


def launch_request(owner: Ownership, order: InstanceOrder, image_id: str) -> dict[str, Any]:
    """Everything goes with the instance until it is finished: what DeleteOnTermination is to be is said then."""
    configuration = order.configuration
    request: dict[str, Any] = {
        "ImageId": image_id,
        "InstanceType": order.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "Placement": {"AvailabilityZone": order.zone, "Tenancy": configuration.tenancy},
        "EbsOptimized": configuration.ebs_optimized,
        "Monitoring": {"Enabled": configuration.monitoring},
        "InstanceInitiatedShutdownBehavior": configuration.shutdown_behavior,
        "MetadataOptions": metadata_options(configuration),
        "BlockDeviceMappings": _mappings(order),
        "NetworkInterfaces": [_interface(one) for one in order.interfaces],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": as_list(people_tags(order.tags) | owner.tags())},
            {"ResourceType": "volume", "Tags": as_list(owner.tags())},
            {"ResourceType": "network-interface", "Tags": as_list(owner.tags())},
        ],
    }
    if order.key_name:
        request["KeyName"] = order.key_name
    if order.instance_profile_arn:
        request["IamInstanceProfile"] = {"Arn": order.instance_profile_arn}
    if configuration.user_data:
        # botocore encodes it again.
        request["UserData"] = base64.b64decode(configuration.user_data)
    return request


def metadata_options(configuration: InstanceConfiguration) -> dict[str, Any]:
    """How the instance's metadata service answers."""
    return {
        "HttpTokens": configuration.metadata_tokens,
        "HttpPutResponseHopLimit": configuration.metadata_hop_limit,
        "InstanceMetadataTags": "enabled" if configuration.metadata_tags else "disabled",
    }


def deletes_with_instance(order: InstanceOrder, device: str) -> bool:
    """Whether a volume is to go with the instance."""
    known = {volume.device: volume.delete_on_termination for volume in order.configuration.volumes}
    return known.get(device, False)


def _mappings(order: InstanceOrder) -> list[dict[str, Any]]:
    mappings = []
    for device, volume in order.volumes.items():
        ebs = properties(volume) | {"VolumeSize": volume.size_gib, "DeleteOnTermination": True}
        if device != order.root_device:
            ebs["SnapshotId"] = volume.snapshot_id
        mappings.append({"DeviceName": device, "Ebs": ebs})
    return mappings


def _interface(order: InterfaceOrder) -> dict[str, Any]:
    interface: dict[str, Any] = {
        "DeviceIndex": order.device_index,
        "SubnetId": order.subnet_id,
        "Groups": list(order.security_group_ids),
        "Description": order.description,
        "DeleteOnTermination": True,
    }
    if order.private_addresses:
        interface["PrivateIpAddresses"] = [
            {"PrivateIpAddress": address, "Primary": number == 0}
            for number, address in enumerate(order.private_addresses)
        ]
    return interface
