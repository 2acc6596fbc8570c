"""What stands in the way of an order, told before anything is touched."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from holdfast.appliance.ports.cloud import InstanceOrder, InterfaceOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import people_tags
from holdfast.domain.errors import PermissionDeniedError
from holdfast.signed_http.aws_answers import Refusal

# EC2's bound, and the tags of ours that have to fit under it.
MAX_TAGS, OUR_TAGS = 50, 5


def problems_of(ec2: PatientClient, order: InstanceOrder, standing: str | None) -> Iterator[str]:
    """A line for each thing that is missing, taken or cannot be; none means that nothing known is in the way."""
    for interface in order.interfaces:
        yield from _network(ec2, order, interface, standing)
        if interface.allocation_id:
            yield from _elastic_address(ec2, interface.allocation_id, standing)
    if order.key_name:
        answer = ec2.try_call("DescribeKeyPairs", f"key pair {order.key_name}", KeyNames=[order.key_name])
        if isinstance(answer, Refusal):
            yield f"key pair {order.key_name}: {_told(ec2, answer, 'DescribeKeyPairs', order.key_name)}"
    if order.root_device not in order.volumes:
        yield f"the root volume {order.root_device} is not among the volumes of the point"
    yield from _snapshots(ec2, order)
    for what, tags in [("the instance", order.tags), *((f"volume {d}", v.tags) for d, v in order.volumes.items())]:
        if len(people_tags(tags)) > MAX_TAGS - OUR_TAGS:
            yield f"{what} has {len(people_tags(tags))} tags, and {OUR_TAGS} more are needed; AWS allows {MAX_TAGS}"


def _told(ec2: PatientClient, refusal: Refusal, operation: str, what: str) -> str:
    """What AWS says is wrong with it. Raises PermissionDeniedError: whoever may not look knows of no problem."""
    error = ec2.meaning(refusal, operation, what)
    if isinstance(error, PermissionDeniedError):
        raise error
    return refusal.message or refusal.code


def _network(
    ec2: PatientClient, order: InstanceOrder, interface: InterfaceOrder, standing: str | None
) -> Iterator[str]:
    subnets = ec2.try_call("DescribeSubnets", interface.subnet_id, SubnetIds=[interface.subnet_id])
    if isinstance(subnets, Refusal):
        yield f"subnet {interface.subnet_id}: {_told(ec2, subnets, 'DescribeSubnets', interface.subnet_id)}"
        return
    subnet = subnets["Subnets"][0]
    if subnet["AvailabilityZone"] != order.zone:
        yield f"subnet {interface.subnet_id} is in {subnet['AvailabilityZone']}, the instance is to be in {order.zone}"
    for group_id in interface.security_group_ids:
        groups = ec2.try_call("DescribeSecurityGroups", group_id, GroupIds=[group_id])
        if isinstance(groups, Refusal):
            yield f"security group {group_id}: {_told(ec2, groups, 'DescribeSecurityGroups', group_id)}"
        elif groups["SecurityGroups"][0]["VpcId"] != subnet["VpcId"]:
            yield f"security group {group_id} is not in the VPC of subnet {interface.subnet_id}"
    yield from _addresses(ec2, interface, str(subnet["CidrBlock"]), standing)


def _addresses(ec2: PatientClient, interface: InterfaceOrder, block: str, standing: str | None) -> Iterator[str]:
    for address in interface.private_addresses:
        if ip_address(address) not in ip_network(block):
            yield f"address {address} is not in subnet {interface.subnet_id} ({block})"
    if not interface.private_addresses:
        return
    filters: list[dict[str, Any]] = [
        {"Name": "subnet-id", "Values": [interface.subnet_id]},
        {"Name": "addresses.private-ip-address", "Values": list(interface.private_addresses)},
    ]
    for taken in ec2.pages("DescribeNetworkInterfaces", interface.subnet_id, "NetworkInterfaces", Filters=filters):
        holder = taken.get("Attachment", {}).get("InstanceId")
        if standing is None or holder != standing:
            addresses = {str(one["PrivateIpAddress"]) for one in taken.get("PrivateIpAddresses", ())}
            wanted = ", ".join(sorted(addresses & set(interface.private_addresses)))
            yield f"address {wanted} is in use by {holder or taken['NetworkInterfaceId']}"


def _elastic_address(ec2: PatientClient, allocation_id: str, standing: str | None) -> Iterator[str]:
    answer = ec2.try_call("DescribeAddresses", allocation_id, AllocationIds=[allocation_id])
    if isinstance(answer, Refusal):
        yield f"elastic address {allocation_id}: {_told(ec2, answer, 'DescribeAddresses', allocation_id)}"
        return
    address = answer["Addresses"][0]
    holder = address.get("InstanceId") or address.get("NetworkInterfaceId")
    if holder and (standing is None or holder != standing):
        yield f"elastic address {address.get('PublicIp', allocation_id)} is in use by {holder}"


def _snapshots(ec2: PatientClient, order: InstanceOrder) -> Iterator[str]:
    # A plan is checked before a worker has made what is to be restored from.
    wanted = {one.snapshot_id for one in order.volumes.values() if one.snapshot_id.startswith("snap-")}
    if not wanted:
        return
    filters: list[dict[str, Any]] = [{"Name": "snapshot-id", "Values": sorted(wanted)}]
    found = {
        str(one["SnapshotId"]) for one in ec2.pages("DescribeSnapshots", "snapshots", "Snapshots", Filters=filters)
    }
    for snapshot_id in sorted(wanted - found):
        yield f"snapshot {snapshot_id} does not exist any more"
