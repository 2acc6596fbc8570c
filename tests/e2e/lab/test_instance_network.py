"""Interfaces, addresses and groups of instances, as a restore asks for them."""

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.fleet import ASKING, Fleet


@pytest.fixture
def fleet(account):
    return Fleet(account)


@pytest.fixture
def network(account):
    """A subnet of a VPC of its own, with two groups."""
    ec2 = account.ec2
    vpc_id = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.1.2.0/28", AvailabilityZone="us-east-1b")["Subnet"]
    groups = [ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc_id)["GroupId"] for n in ("one", "two")]
    return {"vpc": vpc_id, "subnet": subnet["SubnetId"], "groups": groups}


def addresses(instance):
    return [
        [a["PrivateIpAddress"] for a in interface["PrivateIpAddresses"]]
        for interface in sorted(instance["NetworkInterfaces"], key=lambda i: i["Attachment"]["DeviceIndex"])
    ]


def refused(code, call, **options):
    with pytest.raises(ClientError) as error:
        call(**options)
    assert error.value.response["Error"]["Code"] == code


def test_address_asked_for_is_given_once(fleet, network):
    asked = {"SubnetId": network["subnet"], "PrivateIpAddress": "10.1.2.9"}
    instance_id = fleet.launched(**asked)
    shown = fleet.instance(instance_id)
    assert (shown["PrivateIpAddress"], shown["SubnetId"], shown["VpcId"]) == ("10.1.2.9", *_ids(network))
    assert shown["Placement"]["AvailabilityZone"] == "us-east-1b"
    refused("InvalidIPAddress.InUse", fleet.launch, **asked)
    fleet.terminated(instance_id)
    assert fleet.instance(fleet.launched(**asked))["PrivateIpAddress"] == "10.1.2.9"


def _ids(network):
    return network["subnet"], network["vpc"]


@pytest.mark.parametrize("address", ["10.9.9.9", "10.1.2.3", "10.1.2.15", "words"])
def test_addresses_that_are_none_of_the_subnet_are_refused(fleet, network, address):
    refused("InvalidParameterValue", fleet.launch, SubnetId=network["subnet"], PrivateIpAddress=address)


def test_a_subnet_has_so_many_addresses(fleet, network):
    """A /28 has 16, of which AWS keeps five."""
    instances = [fleet.launch(SubnetId=network["subnet"]) for _ in range(11)]
    assert len({fleet.instance(i)["PrivateIpAddress"] for i in instances}) == 11
    refused("InsufficientFreeAddressesInSubnet", fleet.launch, SubnetId=network["subnet"])


def test_interfaces_with_several_addresses_and_groups_of_their_own(fleet, network):
    listed = [{"PrivateIpAddress": "10.1.2.5", "Primary": True}, {"PrivateIpAddress": "10.1.2.6", "Primary": False}]
    made = fleet.account.ec2.create_network_interface(
        SubnetId=network["subnet"], PrivateIpAddresses=listed, Groups=[network["groups"][1]], Description="kept"
    )["NetworkInterface"]
    interfaces = [
        {
            "DeviceIndex": 0,
            "SubnetId": network["subnet"],
            "Groups": [network["groups"][0]],
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.1.2.10", "Primary": True}],
            "SecondaryPrivateIpAddressCount": 1,
        },
        {"DeviceIndex": 1, "NetworkInterfaceId": made["NetworkInterfaceId"]},
    ]
    script = ASKING + (
        "macs = get('meta-data/network/interfaces/macs/').split()\n"
        "say(addresses=sorted(get(f'meta-data/network/interfaces/macs/{mac}local-ipv4s').split() for mac in macs))\n"
    )
    instance_id = fleet.launched(script, NetworkInterfaces=interfaces)
    shown = fleet.instance(instance_id)
    assert addresses(shown) == [["10.1.2.10", "10.1.2.4"], ["10.1.2.5", "10.1.2.6"]]
    groups = {i["NetworkInterfaceId"]: [g["GroupId"] for g in i["Groups"]] for i in shown["NetworkInterfaces"]}
    assert groups.pop(made["NetworkInterfaceId"]) == [network["groups"][1]]
    assert [*groups.values()] == [[network["groups"][0]]]
    assert [group["GroupId"] for group in shown["SecurityGroups"]] == [network["groups"][0]]
    assert sorted(map(tuple, fleet.says(instance_id)["addresses"])) == [
        ("10.1.2.10", "10.1.2.4"), ("10.1.2.5", "10.1.2.6"),
    ]  # fmt: skip
    fleet.terminated(instance_id)
    (left,) = fleet.account.ec2.describe_network_interfaces(
        Filters=[{"Name": "subnet-id", "Values": [network["subnet"]]}]
    )["NetworkInterfaces"]
    assert (left["NetworkInterfaceId"], left["Status"]) == (made["NetworkInterfaceId"], "available")


def test_interfaces_are_attached_and_detached(fleet, network):
    ec2 = fleet.account.ec2
    instance_id = fleet.launched(SubnetId=network["subnet"])
    made = ec2.create_network_interface(SubnetId=network["subnet"])["NetworkInterface"]["NetworkInterfaceId"]
    index_in_use = {"NetworkInterfaceId": made, "InstanceId": instance_id, "DeviceIndex": 0}
    refused("InvalidParameterValue", ec2.attach_network_interface, **index_in_use)
    attachment = ec2.attach_network_interface(**{**index_in_use, "DeviceIndex": 1})["AttachmentId"]
    refused("InvalidNetworkInterface.InUse", ec2.attach_network_interface, **{**index_in_use, "DeviceIndex": 2})
    refused("InvalidNetworkInterface.InUse", ec2.delete_network_interface, NetworkInterfaceId=made)
    assert len(fleet.instance(instance_id)["NetworkInterfaces"]) == 2
    ec2.detach_network_interface(AttachmentId=attachment)
    (primary,) = fleet.instance(instance_id)["NetworkInterfaces"]
    refused("OperationNotPermitted", ec2.detach_network_interface, AttachmentId=primary["Attachment"]["AttachmentId"])
    ec2.delete_network_interface(NetworkInterfaceId=made)


def test_addresses_added_later_are_unique(fleet, network):
    ec2 = fleet.account.ec2
    made = [
        ec2.create_network_interface(SubnetId=network["subnet"])["NetworkInterface"]["NetworkInterfaceId"]
        for _ in range(2)
    ]
    ec2.assign_private_ip_addresses(NetworkInterfaceId=made[0], PrivateIpAddresses=["10.1.2.12"])
    ec2.assign_private_ip_addresses(NetworkInterfaceId=made[1], SecondaryPrivateIpAddressCount=2)
    asked = {"NetworkInterfaceId": made[1], "PrivateIpAddresses": ["10.1.2.12"]}
    refused("InvalidIPAddress.InUse", ec2.assign_private_ip_addresses, **asked)
    shown = ec2.describe_network_interfaces(NetworkInterfaceIds=made)["NetworkInterfaces"]
    every = [a["PrivateIpAddress"] for interface in shown for a in interface["PrivateIpAddresses"]]
    assert len(every) == len(set(every)) == 5


def test_group_that_is_not_there_is_refused_and_leaves_nothing(fleet, network):
    before = fleet.account.lab("census")
    interfaces = [
        {"DeviceIndex": 0, "SubnetId": network["subnet"]},
        {"DeviceIndex": 1, "SubnetId": network["subnet"], "Groups": ["sg-0123456789abcdef0"]},
    ]
    refused("InvalidGroup.NotFound", fleet.launch, NetworkInterfaces=interfaces)
    assert fleet.account.lab("census") == before


def test_group_of_another_network_is_refused(fleet, network):
    default = fleet.account.ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    other = next(group["GroupId"] for group in default if group["VpcId"] != network["vpc"])
    refused("InvalidParameter", fleet.launch, SubnetId=network["subnet"], SecurityGroupIds=[other])


def test_groups_and_subnets_in_use_are_not_deleted(fleet, network):
    ec2, group = fleet.account.ec2, network["groups"][0]
    instance_id = fleet.launched(SubnetId=network["subnet"], SecurityGroupIds=[group])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=network["subnet"])
    fleet.terminated(instance_id)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=network["subnet"])


def test_elastic_address_stays_over_a_stop_and_is_free_at_the_end(fleet):
    """A public address that came by itself is another one after a stop."""
    ec2 = fleet.account.ec2
    instance_id = fleet.launched()
    own = fleet.instance(instance_id)["PublicIpAddress"]
    address = ec2.allocate_address(Domain="vpc")
    for elastic in (False, True):
        if elastic:
            ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id)
        ec2.stop_instances(InstanceIds=[instance_id])
        fleet.reaches(instance_id, "stopped")
        assert fleet.instance(instance_id).get("PublicIpAddress") == (address["PublicIp"] if elastic else None)
        ec2.start_instances(InstanceIds=[instance_id])
        fleet.reaches(instance_id, "running")
        now = fleet.instance(instance_id)["PublicIpAddress"]
        assert (now == address["PublicIp"]) if elastic else (now != own)
    fleet.terminated(instance_id)
    (shown,) = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"]
    assert not shown.get("AssociationId")
    ec2.release_address(AllocationId=address["AllocationId"])


def test_groups_of_an_instance_are_those_of_its_primary_interface(fleet, network):
    instance_id = fleet.launched(SubnetId=network["subnet"], SecurityGroupIds=network["groups"][:1])
    fleet.account.ec2.modify_instance_attribute(InstanceId=instance_id, Groups=network["groups"])
    shown = fleet.instance(instance_id)
    assert {group["GroupId"] for group in shown["SecurityGroups"]} == set(network["groups"])
    (interface,) = shown["NetworkInterfaces"]
    assert {group["GroupId"] for group in interface["Groups"]} == set(network["groups"])
