"""Where a new appliance stands: VPC, subnet, and the security group that lets its server in and nobody else."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.aws.clients import SHOWN_AFTER_SECONDS, PatientClient
from holdfast.aws.ec2.states import is_reached
from holdfast.domain.errors import ConflictError, NotFoundError, UnavailableError, UsageError
from holdfast.patience import Waiting
from holdfast.plugin_api import DeployOrder
from holdfast.signed_http.aws_answers import Refusal


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a network. `sources` may reach an appliance there."""

    vpc_id: str
    subnet_id: str
    sources: tuple[str, ...]


def chosen_site(ec2: PatientClient, order: DeployOrder) -> Site:
    """The subnet that the order means: the one it names, else one of its VPC, else of the region's default VPC.

    Raises NotFoundError, UsageError where nobody could reach the appliance.
    """
    subnet = _subnet(ec2, order)
    sources = tuple(_checked_block(source) for source in order.allowed_sources)
    if not sources and order.security_group_id is None:
        if order.public_address:
            # What the Internet sees of this server is not known here, and the whole world is not let in by default.
            raise UsageError(
                "nobody could reach the appliance",
                why="it has a public address, and no source is allowed",
                cure="name this server's public address: --allow ADDRESS/32",
            )
        sources = tuple(_vpc_blocks(ec2, str(subnet["VpcId"])))
    if sources and order.security_group_id is not None:
        raise UsageError(
            "two things say who may reach the appliance",
            why="a security group is named and sources are, too; a group that is yours is not changed",
            cure="leave one of them out",
        )
    return Site(str(subnet["VpcId"]), str(subnet["SubnetId"]), sources)


def create_group(ec2: PatientClient, waiting: Waiting, site: Site, name: str, tags: dict[str, str]) -> str:
    """A security group of that name, without a rule; its id. One that a lost answer left is taken."""
    what = f"security group {name}"
    answer = ec2.try_call(
        "CreateSecurityGroup",
        what,
        GroupName=name,
        Description="Who may reach an appliance of Holdfast",
        VpcId=site.vpc_id,
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": key, "Value": tags[key]} for key in sorted(tags)]}
        ],
    )
    if not isinstance(answer, Refusal):
        return str(answer["GroupId"])
    error = ec2.meaning(answer, "CreateSecurityGroup", what)
    if answer.code != "InvalidGroup.Duplicate":
        raise error
    found: list[str] = []

    def is_shown() -> bool:
        group_id = find_group(ec2, site.vpc_id, name)
        found.extend([group_id] if group_id else [])
        return bool(found)

    if not is_reached(waiting, SHOWN_AFTER_SECONDS, is_shown):
        raise UnavailableError(error.what, why=error.why, cure="run it again")
    return found[0]


def find_group(ec2: PatientClient, vpc_id: str | None, name: str) -> str | None:
    """The id of the group of that name, where there is one."""
    filters = [{"Name": "group-name", "Values": [name]}]
    if vpc_id is not None:
        filters.append({"Name": "vpc-id", "Values": [vpc_id]})
    found = ec2.call("DescribeSecurityGroups", f"security group {name}", Filters=filters)["SecurityGroups"]
    return str(found[0]["GroupId"]) if found else None


def allow(ec2: PatientClient, group_id: str, sources: tuple[str, ...], port: int) -> None:
    """Let the sources in at that port of a group that may have been made a moment ago; allowed already is no error."""
    for source in sources:
        kind, field = ("Ipv6Ranges", "CidrIpv6") if ":" in source else ("IpRanges", "CidrIp")
        rule = {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            kind: [{field: source, "Description": "holdfast server"}],
        }
        answer = ec2.try_call_on_new("AuthorizeSecurityGroupIngress", group_id, GroupId=group_id, IpPermissions=[rule])
        if isinstance(answer, Refusal) and answer.code != "InvalidPermission.Duplicate":
            raise ec2.meaning(answer, "AuthorizeSecurityGroupIngress", group_id)


def _subnet(ec2: PatientClient, order: DeployOrder) -> dict[str, Any]:
    if order.subnet_id is not None:
        found = ec2.call("DescribeSubnets", order.subnet_id, SubnetIds=[order.subnet_id])["Subnets"]
        if order.vpc_id is not None and found[0]["VpcId"] != order.vpc_id:
            raise ConflictError(
                f"subnet {order.subnet_id} is not in {order.vpc_id}",
                why=f"it is in {found[0]['VpcId']}",
                cure="name the VPC of the subnet, or none",
            )
        return dict(found[0])
    vpc_id = order.vpc_id or _default_vpc(ec2)
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "state", "Values": ["available"]}]
    found = ec2.call("DescribeSubnets", f"subnets of {vpc_id}", Filters=filters)["Subnets"]
    if not found:
        raise NotFoundError(f"{vpc_id} has no subnet", why="none is available", cure="name one: --subnet")
    first: dict[str, Any] = min(found, key=_preference)
    return first


def _preference(subnet: Mapping[str, Any]) -> tuple[bool, str, str]:
    return not subnet.get("DefaultForAz", False), str(subnet["AvailabilityZone"]), str(subnet["SubnetId"])


def _default_vpc(ec2: PatientClient) -> str:
    filters = [{"Name": "is-default", "Values": ["true"]}]
    found = ec2.call("DescribeVpcs", "the default VPC", Filters=filters)["Vpcs"]
    if not found:
        raise NotFoundError(
            f"region {ec2.region} has no default VPC",
            why="it was removed",
            cure="name a VPC or a subnet: --vpc, --subnet",
        )
    return str(found[0]["VpcId"])


def _vpc_blocks(ec2: PatientClient, vpc_id: str) -> list[str]:
    vpc = ec2.call("DescribeVpcs", vpc_id, VpcIds=[vpc_id])["Vpcs"][0]
    blocks = [one["CidrBlock"] for one in vpc.get("CidrBlockAssociationSet", ())]
    return sorted(blocks) or [str(vpc["CidrBlock"])]


def _checked_block(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no block of addresses", why=str(error), cure="write it like 203.0.113.7/32"
        ) from None
