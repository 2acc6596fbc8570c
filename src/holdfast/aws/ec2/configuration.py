"""How an instance is made up: everything that is needed to make it again."""

from collections.abc import Mapping
from typing import Any

from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.discovery import mappings_of
from holdfast.aws.ownership import as_map
from holdfast.domain.errors import NotFoundError
from holdfast.domain.workload import InstanceConfiguration, InterfaceConfiguration, VolumeConfiguration


def describe_instance(ec2: PatientClient, instance_id: str) -> dict[str, Any]:
    """EC2's own description. Raises NotFoundError when it is gone or terminated."""
    answer = ec2.call("DescribeInstances", instance_id, InstanceIds=[instance_id])
    for reservation in answer["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] not in ("terminated", "shutting-down"):
                found: dict[str, Any] = instance
                return found
    raise NotFoundError(
        f"instance {instance_id} not found",
        why=f"there is none of that id in {ec2.region}, or it is terminated",
        cure="check the id, the region and the account",
    )


def read_configuration(ec2: PatientClient, instance_id: str, account_id: str) -> InstanceConfiguration:
    """The instance as it is now. Raises NotFoundError when it is gone."""
    instance = describe_instance(ec2, instance_id)
    metadata = instance.get("MetadataOptions", {})
    placement = instance.get("Placement", {})
    return InstanceConfiguration(
        instance_id=instance_id,
        account_id=account_id,
        region=ec2.region,
        zone=str(placement.get("AvailabilityZone", "")),
        instance_type=str(instance["InstanceType"]),
        architecture=str(instance.get("Architecture", "x86_64")),
        image_id=str(instance.get("ImageId", "")),
        root_device=str(instance.get("RootDeviceName", "")),
        volumes=_volumes(ec2, instance),
        interfaces=_interfaces(ec2, instance),
        tags=as_map(instance.get("Tags")),
        key_name=instance.get("KeyName") or None,
        instance_profile_arn=instance.get("IamInstanceProfile", {}).get("Arn"),
        user_data=_attribute(ec2, instance_id, "userData", "UserData") or None,
        ebs_optimized=bool(instance.get("EbsOptimized", False)),
        monitoring=instance.get("Monitoring", {}).get("State") in ("enabled", "pending"),
        tenancy=str(placement.get("Tenancy") or "default"),
        virtualization=str(instance.get("VirtualizationType", "hvm")),
        ena_support=bool(instance.get("EnaSupport", True)),
        boot_mode=instance.get("BootMode") or None,
        termination_protection=bool(_attribute(ec2, instance_id, "disableApiTermination", "DisableApiTermination")),
        stop_protection=bool(_attribute(ec2, instance_id, "disableApiStop", "DisableApiStop")),
        shutdown_behavior=str(
            _attribute(ec2, instance_id, "instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior")
            or "stop"
        ),
        metadata_tokens=str(metadata.get("HttpTokens") or "optional"),
        metadata_hop_limit=int(metadata.get("HttpPutResponseHopLimit") or 1),
        metadata_tags=metadata.get("InstanceMetadataTags") == "enabled",
        platform=str(instance.get("PlatformDetails") or ""),
    )


def _attribute(ec2: PatientClient, instance_id: str, asked: str, answered: str) -> Any:
    answer = ec2.call("DescribeInstanceAttribute", instance_id, InstanceId=instance_id, Attribute=asked)
    return answer.get(answered, {}).get("Value")


def _volumes(ec2: PatientClient, instance: Mapping[str, Any]) -> tuple[VolumeConfiguration, ...]:
    mappings = mappings_of(instance)
    if not mappings:
        return ()
    ids = [str(one["Ebs"]["VolumeId"]) for one in mappings]
    described = ec2.call("DescribeVolumes", str(instance["InstanceId"]), VolumeIds=ids)["Volumes"]
    facts = {str(volume["VolumeId"]): volume for volume in described}
    return tuple(_volume(one, facts[one["Ebs"]["VolumeId"]], instance.get("RootDeviceName")) for one in mappings)


def _volume(mapping: Mapping[str, Any], volume: Mapping[str, Any], root_device: str | None) -> VolumeConfiguration:
    kind = str(volume.get("VolumeType", "gp2"))
    return VolumeConfiguration(
        volume_id=str(volume["VolumeId"]),
        device=str(mapping["DeviceName"]),
        size_gib=int(volume["Size"]),
        volume_type=kind,
        root=mapping["DeviceName"] == root_device,
        # EC2 reports the IOPS of gp2 and st1, too, where they follow from the size and cannot be asked for.
        iops=int(volume["Iops"]) if kind in ("io1", "io2", "gp3") and volume.get("Iops") else None,
        throughput=int(volume["Throughput"]) if kind == "gp3" and volume.get("Throughput") else None,
        encrypted=bool(volume.get("Encrypted", False)),
        kms_key_id=volume.get("KmsKeyId") or None,
        delete_on_termination=bool(mapping["Ebs"].get("DeleteOnTermination", False)),
        tags=as_map(volume.get("Tags")),
    )


def _interfaces(ec2: PatientClient, instance: Mapping[str, Any]) -> tuple[InterfaceConfiguration, ...]:
    attached = instance.get("NetworkInterfaces", ())
    if not attached:
        return ()
    ids = [str(one["NetworkInterfaceId"]) for one in attached]
    described = ec2.call("DescribeNetworkInterfaces", str(instance["InstanceId"]), NetworkInterfaceIds=ids)
    facts = {str(one["NetworkInterfaceId"]): one for one in described["NetworkInterfaces"]}
    found = [_interface(one, facts[one["NetworkInterfaceId"]]) for one in attached]
    return tuple(sorted(found, key=lambda one: one.device_index))


def _interface(attached: Mapping[str, Any], facts: Mapping[str, Any]) -> InterfaceConfiguration:
    attachment = facts.get("Attachment") or attached.get("Attachment", {})
    addresses = facts.get("PrivateIpAddresses") or [{"PrivateIpAddress": facts["PrivateIpAddress"], "Primary": True}]
    primary_first = sorted(addresses, key=lambda one: not one.get("Primary", False))
    association = facts.get("Association", {})
    return InterfaceConfiguration(
        device_index=int(attachment.get("DeviceIndex", 0)),
        subnet_id=str(facts["SubnetId"]),
        vpc_id=str(facts["VpcId"]),
        private_addresses=tuple(str(one["PrivateIpAddress"]) for one in primary_first),
        security_groups=tuple(str(group["GroupId"]) for group in facts.get("Groups", ())),
        description=str(facts.get("Description") or ""),
        source_dest_check=bool(facts.get("SourceDestCheck", True)),
        delete_on_termination=bool(attachment.get("DeleteOnTermination", True)),
        public_address=association.get("PublicIp") or None,
        allocation_id=association.get("AllocationId") or None,
        tags=as_map(facts.get("TagSet")),
    )
