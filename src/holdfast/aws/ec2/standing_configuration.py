"""Bringing a standing instance back to the configuration of a point: what differs is changed, the rest is not touched.

What an instance keeps for life needs no change: zone, architecture, image, root device, key pair, primary interface.
"""

import base64
from collections.abc import Mapping
from typing import Any

from holdfast.appliance.ports.cloud import InstanceOrder, InterfaceOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.configuration import read_configuration
from holdfast.aws.ec2.launch_request import metadata_options
from holdfast.aws.ownership import RESERVED, as_list, people_tags
from holdfast.domain.workload import InstanceConfiguration, InterfaceConfiguration


def apply_stopped(ec2: PatientClient, instance_id: str, order: InstanceOrder) -> None:
    """What EC2 changes in a stopped instance only: type, EBS optimisation, user data."""
    wanted, now = order.configuration, read_configuration(ec2, instance_id, order.configuration.account_id)
    if order.instance_type != now.instance_type:
        _modify(ec2, instance_id, InstanceType={"Value": order.instance_type})
    if wanted.ebs_optimized != now.ebs_optimized:
        _modify(ec2, instance_id, EbsOptimized={"Value": wanted.ebs_optimized})
    if (wanted.user_data or None) != now.user_data:
        # botocore encodes this one itself.
        _modify(ec2, instance_id, UserData={"Value": base64.b64decode(wanted.user_data or "")})


def apply_running(ec2: PatientClient, instance_id: str, order: InstanceOrder) -> None:
    """Everything else; protections last."""
    wanted, now = order.configuration, read_configuration(ec2, instance_id, order.configuration.account_id)
    _tags(ec2, instance_id, people_tags(order.tags), people_tags(now.tags))
    _interfaces(ec2, instance_id, order, now)
    _profile(ec2, instance_id, order.instance_profile_arn, now.instance_profile_arn)
    if wanted.shutdown_behavior != now.shutdown_behavior:
        _modify(ec2, instance_id, InstanceInitiatedShutdownBehavior={"Value": wanted.shutdown_behavior})
    if metadata_options(order) != _metadata_of(now):
        ec2.call("ModifyInstanceMetadataOptions", instance_id, InstanceId=instance_id, **metadata_options(order))
    if wanted.monitoring != now.monitoring:
        operation = "MonitorInstances" if wanted.monitoring else "UnmonitorInstances"
        ec2.call(operation, instance_id, InstanceIds=[instance_id])
    if wanted.termination_protection != now.termination_protection:
        _modify(ec2, instance_id, DisableApiTermination={"Value": wanted.termination_protection})
    if wanted.stop_protection != now.stop_protection:
        _modify(ec2, instance_id, DisableApiStop={"Value": wanted.stop_protection})


def _modify(ec2: PatientClient, instance_id: str, **attribute: Any) -> None:
    ec2.call("ModifyInstanceAttribute", instance_id, InstanceId=instance_id, **attribute)


def _metadata_of(now: InstanceConfiguration) -> dict[str, Any]:
    return {
        "HttpTokens": now.metadata_tokens,
        "HttpPutResponseHopLimit": now.metadata_hop_limit,
        "InstanceMetadataTags": "enabled" if now.metadata_tags else "disabled",
    }


def _tags(ec2: PatientClient, resource_id: str, wanted: Mapping[str, str], now: Mapping[str, str]) -> None:
    changed = {key: value for key, value in wanted.items() if now.get(key) != value}
    gone = [key for key in now if key not in wanted and not key.startswith(RESERVED)]
    if changed:
        ec2.call("CreateTags", resource_id, Resources=[resource_id], Tags=as_list(changed))
    if gone:
        ec2.call("DeleteTags", resource_id, Resources=[resource_id], Tags=[{"Key": key} for key in gone])


def _interfaces(ec2: PatientClient, instance_id: str, order: InstanceOrder, now: InstanceConfiguration) -> None:
    """Groups and the check of addresses; an interface that was attached since, or taken off, is left as it is."""
    filters = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    found = ec2.pages("DescribeNetworkInterfaces", instance_id, "NetworkInterfaces", Filters=filters)
    ids = {int(one["Attachment"]["DeviceIndex"]): str(one["NetworkInterfaceId"]) for one in found}
    known = {one.device_index: one for one in now.interfaces}
    for wanted in order.interfaces:
        if wanted.device_index in ids and wanted.device_index in known:
            _interface(ec2, ids[wanted.device_index], wanted, known[wanted.device_index])


def _interface(ec2: PatientClient, interface_id: str, wanted: InterfaceOrder, now: InterfaceConfiguration) -> None:
    changes: list[dict[str, Any]] = []
    if set(wanted.security_group_ids) != set(now.security_groups):
        changes.append({"Groups": list(wanted.security_group_ids)})
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
    for one in found["IamInstanceProfileAssociations"]:
        if one["State"] in ("associating", "associated"):
            ec2.call("DisassociateIamInstanceProfile", instance_id, AssociationId=one["AssociationId"])
    if wanted:
        ec2.call("AssociateIamInstanceProfile", instance_id, InstanceId=instance_id, IamInstanceProfile={"Arn": wanted})
