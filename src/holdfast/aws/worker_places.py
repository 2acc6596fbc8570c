"""Where a worker can stand: instance types, subnets with their zones, security group."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import as_list
from holdfast.aws.written_down import Book
from holdfast.domain.errors import NotFoundError
from holdfast.domain.ownership import DEPLOYMENT
from holdfast.signed_http.aws_answers import Refusal

GIB, TIB = 1024**3, 1024**4
# By the size of all volumes of the instance that is protected (W04): beyond these a larger worker pays.
MEDIUM_FROM_BYTES, LARGE_FROM_BYTES = 1024 * GIB, 16 * TIB
# No type is offered in every region and zone, and of each there may be none left: the next one of the same size is.
FAMILIES = ("c5", "c6i", "c5a", "m5")
SMALL, MEDIUM, LARGE = "large", "2xlarge", "4xlarge"
GROUP_NAME = "holdfast-worker"
# As long as this, EC2 may not list what it has made.
NEW_GROUP = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Place:
    """One place, as RunInstances is asked for it."""

    instance_type: str
    subnet_id: str
    zone: str
    group_ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.zone}, {self.subnet_id}"


def instance_types_for(order: WorkerOrder) -> tuple[str, ...]:
    """What was asked for, else by the size of what is moved; the first one that can be had. All of one architecture."""
    if order.instance_type:
        return (order.instance_type,)
    size = SMALL
    if order.volume_bytes >= MEDIUM_FROM_BYTES:
        size = MEDIUM if order.volume_bytes <= LARGE_FROM_BYTES else LARGE
    return tuple(f"{family}.{size}" for family in FAMILIES)


def architecture_of(instance_type: str) -> str:
    """`arm64` for Graviton, whose families bear a g behind the generation (c7g, t4g, m6gd)."""
    family = instance_type.partition(".")[0]
    digits = [position for position, letter in enumerate(family) if letter.isdigit()]
    graviton = family == "a1" or (bool(digits) and family[digits[-1] + 1 :].startswith("g"))
    return "arm64" if graviton else "x86_64"


class WorkerPlaces:
    """Networks of one region, for workers."""

    def __init__(self, ec2: PatientClient, book: Book) -> None:
        self._ec2 = ec2
        self._book = book

    def find(self, order: WorkerOrder) -> list[Place]:
        """In the order in which they are to be tried: each type in each subnet. Type, subnet and groups are those asked
        for, else default subnets and the workers' own group.
        """
        subnets = [self._named_subnet(order.subnet_id)] if order.subnet_id else self._default_subnets()
        groups = order.security_group_ids or (self._group(order.owner, str(subnets[0]["VpcId"])),)
        return [
            Place(kind, str(subnet["SubnetId"]), str(subnet.get("AvailabilityZone", "")), groups)
            for kind in instance_types_for(order)
            for subnet in subnets
        ]

    def _named_subnet(self, subnet_id: str) -> dict[str, Any]:
        subnet: dict[str, Any] = self._ec2.call("DescribeSubnets", subnet_id, SubnetIds=[subnet_id])["Subnets"][0]
        return subnet

    def _default_subnets(self) -> list[Mapping[str, Any]]:
        """Those of the default VPC, the one with the most free addresses first."""
        filters = [{"Name": "default-for-az", "Values": ["true"]}]
        found = list(self._ec2.pages("DescribeSubnets", "default subnets", "Subnets", Filters=filters))
        if not found:
            raise NotFoundError(
                f"no subnet for a worker in {self._ec2.region}",
                why="the account has no default VPC there, and the policy names no subnet",
                cure="name one under `worker.subnet_id` in the policy; it needs a way to S3, SQS, KMS and EBS",
            )
        return sorted(
            found, key=lambda one: (int(one.get("AvailableIpAddressCount", 0)), one["SubnetId"]), reverse=True
        )

    def _group(self, owner: Ownership, vpc_id: str) -> str:
        """The group that nothing reaches: made once for a VPC, and kept for the next worker."""
        keeper = replace(owner, session_id="", task_id="", attempt=0, purpose=DEPLOYMENT)
        name = f"{GROUP_NAME}-{owner.appliance_id}"
        found = self._find_group(name, vpc_id)
        if found is None:
            self._forget_removed(keeper, vpc_id)
            found = self._book.create("security-group", keeper, vpc_id, lambda token: self._make(keeper, name, vpc_id))
        return found

    def _forget_removed(self, keeper: Ownership, vpc_id: str) -> None:
        """A person may have removed the group: then another one is made. A new one may only not be seen yet."""
        known = self._book.intend("security-group", keeper, vpc_id)
        if not known.object_id or known.created_at is None or self._book.now() - known.created_at < NEW_GROUP:
            return
        answer = self._ec2.try_call("DescribeSecurityGroups", known.object_id, GroupIds=[known.object_id])
        if isinstance(answer, Refusal) and answer.code in ("InvalidGroup.NotFound", "InvalidGroupId.NotFound"):
            self._book.gone("security-group", known.object_id)

    def _find_group(self, name: str, vpc_id: str) -> str | None:
        filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc_id]}]
        groups = self._ec2.call("DescribeSecurityGroups", f"group {name}", Filters=filters)["SecurityGroups"]
        return str(groups[0]["GroupId"]) if groups else None

    def _make(self, keeper: Ownership, name: str, vpc_id: str) -> str:
        answer = self._ec2.try_call(
            "CreateSecurityGroup",
            f"group {name}",
            GroupName=name,
            Description="Workers of Holdfast: nothing comes in",
            VpcId=vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": as_list(keeper.tags())}],
        )
        if isinstance(answer, Refusal):
            # Another worker was launched at the same moment.
            found = self._find_group(name, vpc_id) if answer.code == "InvalidGroup.Duplicate" else None
            if found is None:
                raise self._ec2.meaning(answer, "CreateSecurityGroup", f"group {name}")
            return found
        return str(answer["GroupId"])
