"""Bringing a standing instance to another configuration, a point's or its own of before: what differs is changed, the
rest is not touched.

What an instance keeps for life needs no change: zone, architecture, image, root device, key pair, primary interface.
"""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from holdfast.appliance.ports.cloud import InstanceOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.configuration import read_configuration
from holdfast.aws.ec2.launch_request import metadata_options
from holdfast.aws.ec2.states import instance_state
from holdfast.aws.ownership import RESERVED, as_list, people_tags
from holdfast.domain.workload import InstanceConfiguration, InterfaceConfiguration


def wanted_by(order: InstanceOrder) -> InstanceConfiguration:
    """The configuration that an order asks of an instance that stands."""
    return replace(
        order.configuration,
        instance_type=order.instance_type,
        instance_profile_arn=order.instance_profile_arn,
        tags=order.tags,
    )


def apply_stopped(ec2: PatientClient, instance_id: str, wanted: InstanceConfiguration) -> None:
    """What EC2 changes in a stopped instance only: type, EBS optimisation, user data."""
    now = read_configuration(ec2, instance_id, wanted.account_id)
    if wanted.instance_type != now.instance_type:
        _modify(ec2, instance_id, InstanceType={"Value": wanted.instance_type})
    if wanted.ebs_optimized != now.ebs_optimized:
        _modify(ec2, instance_id, EbsOptimized={"Value": wanted.ebs_optimized})
    if (wanted.user_data or None) != now.user_data:
        # botocore encodes this one itself.
        _modify(ec2, instance_id, UserData={"Value": base64.b64decode(wanted.user_data or "")})


def same_stopped(one: InstanceConfiguration, other: InstanceConfiguration) -> bool:
    """Whether `apply_stopped` has nothing to change between them."""
    return (one.instance_type, one.ebs_optimized, one.user_data or None) == (
        other.instance_type,
        other.ebs_optimized,
        other.user_data or None,
    )


def apply_running(ec2: PatientClient, instance_id: str, wanted: InstanceConfiguration) -> None:
    """Everything else; protections last."""
    now = read_configuration(ec2, instance_id, wanted.account_id)
    _tags(ec2, instance_id, people_tags(wanted.tags), people_tags(now.tags))
    _interfaces(ec2, instance_id, wanted, now)
    _profile(ec2, instance_id, wanted.instance_profile_arn, now.instance_profile_arn)
    if wanted.shutdown_behavior != now.shutdown_behavior:
        _modify(ec2, instance_id, InstanceInitiatedShutdownBehavior={"Value": wanted.shutdown_behavior})
    if metadata_options(wanted) != metadata_options(now):
        ec2.call("ModifyInstanceMetadataOptions", instance_id, InstanceId=instance_id, **metadata_options(wanted))
    if wanted.monitoring != now.monitoring:
        operation = "MonitorInstances" if wanted.monitoring else "UnmonitorInstances"
        ec2.call(operation, instance_id, InstanceIds=[instance_id])
    if wanted.termination_protection != now.termination_protection:
        _modify(ec2, instance_id, DisableApiTermination={"Value": wanted.termination_protection})
    if wanted.stop_protection != now.stop_protection:
        _modify(ec2, instance_id, DisableApiStop={"Value": wanted.stop_protection})


def drop_addresses(ec2: PatientClient, instance_id: str, was: InstanceConfiguration) -> None:
    """Secondary addresses that interfaces did not have before go."""
    kept = {one.device_index: set(one.private_addresses) for one in was.interfaces}
    for index, interface in _attached(ec2, instance_id).items():
        addresses = [str(one["PrivateIpAddress"]) for one in interface["PrivateIpAddresses"] if not one["Primary"]]
        added = [one for one in addresses if one not in kept.get(index, addresses)]
        if added:
            interface_id = str(interface["NetworkInterfaceId"])
            ec2.call(
                "UnassignPrivateIpAddresses", interface_id, NetworkInterfaceId=interface_id, PrivateIpAddresses=added
            )


def _modify(ec2: PatientClient, instance_id: str, **attribute: Any) -> None:
    ec2.call("ModifyInstanceAttribute", instance_id, InstanceId=instance_id, **attribute)


def _tags(ec2: PatientClient, resource_id: str, wanted: Mapping[str, str], now: Mapping[str, str]) -> None:
    changed = {key: value for key, value in wanted.items() if now.get(key) != value}
    gone = [key for key in now if key not in wanted and not key.startswith(RESERVED)]
    if changed:
        ec2.call("CreateTags", resource_id, Resources=[resource_id], Tags=as_list(changed))
    if gone:
        ec2.call("DeleteTags", resource_id, Resources=[resource_id], Tags=[{"Key": key} for key in gone])


def _interfaces(
    ec2: PatientClient, instance_id: str, wanted: InstanceConfiguration, now: InstanceConfiguration
) -> None:
    """Groups and the check of addresses; an interface that was attached since, or taken off, is left as it is."""
    ids = {index: str(one["NetworkInterfaceId"]) for index, one in _attached(ec2, instance_id).items()}
    known = {one.device_index: one for one in now.interfaces}
    for one in wanted.interfaces:
        if one.device_index in ids and one.device_index in known:
            _interface(ec2, ids[one.device_index], one, known[one.device_index])


def _attached(ec2: PatientClient, instance_id: str) -> dict[int, dict[str, Any]]:
    """EC2's own description of the interfaces, by their device index."""
    filters = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    found = ec2.pages("DescribeNetworkInterfaces", instance_id, "NetworkInterfaces", Filters=filters)
    return {int(one["Attachment"]["DeviceIndex"]): one for one in found}


def _interface(
    ec2: PatientClient, interface_id: str, wanted: InterfaceConfiguration, now: InterfaceConfiguration
) -> None:
    changes: list[dict[str, Any]] = []
    if set(wanted.security_groups) != set(now.security_groups):
        changes.append({"Groups": list(wanted.security_groups)})
    if wanted.source_dest_check != now.source_dest_check:
        changes.append({"SourceDestCheck": {"Value": wanted.source_dest_check}})
    for change in changes:
        ec2.call("ModifyNetworkInterfaceAttribute", interface_id, NetworkInterfaceId=interface_id, **change)
    missing = [one for one in wanted.private_addresses if one not in now.private_addresses]
    if missing:
        ec2.call(
            "AssignPrivateIpAddresses",
            interface_id,
            NetworkInterfaceId=interface_id,
            PrivateIpAddresses=missing,
            AllowReassignment=False,
        )


def _profile(ec2: PatientClient, instance_id: str, wanted: str | None, now: str | None) -> None:
    if wanted == now:
        return
    filters = [{"Name": "instance-id", "Values": [instance_id]}]
    found = ec2.call("DescribeIamInstanceProfileAssociations", instance_id, Filters=filters)
    had = [
        str(one["AssociationId"])
        for one in found["IamInstanceProfileAssociations"]
        if one["State"] in ("associating", "associated")
    ]
    if wanted and had and instance_state(ec2, instance_id) == "running":
        # Whoever may not give the new one has not taken the old one off. EC2 offers it for running instances alone.
        profile = {"AssociationId": had[0], "IamInstanceProfile": {"Arn": wanted}}
        ec2.call("ReplaceIamInstanceProfileAssociation", instance_id, **profile)
        return
    for association_id in had:
        ec2.call("DisassociateIamInstanceProfile", instance_id, AssociationId=association_id)
    if wanted:
        ec2.call("AssociateIamInstanceProfile", instance_id, InstanceId=instance_id, IamInstanceProfile={"Arn": wanted})
