"""Where a worker stands and what it starts from: instance type, image, subnet, security group."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import as_list, tags_of
from holdfast.aws.written_down import Book
from holdfast.domain.errors import NotFoundError
from holdfast.domain.ownership import DEPLOYMENT
from holdfast.signed_http.aws_answers import Refusal

GIB, TIB = 1024**3, 1024**4
# By the size of all volumes of the instance that is protected (W04): beyond these a larger worker pays.
MEDIUM_FROM_BYTES, LARGE_FROM_BYTES = 1024 * GIB, 16 * TIB
SMALL, MEDIUM, LARGE = "c5.large", "c5.2xlarge", "c5.4xlarge"
GROUP_NAME = "holdfast-worker"
# As long as this, EC2 may not list what it has made.
NEW_GROUP = timedelta(minutes=2)


def instance_type_for(order: WorkerOrder) -> str:
    """What was asked for, else by the size of what is moved."""
    if order.instance_type:
        return order.instance_type
    if order.volume_bytes < MEDIUM_FROM_BYTES:
        return SMALL
    return MEDIUM if order.volume_bytes <= LARGE_FROM_BYTES else LARGE


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

    def find(self, order: WorkerOrder) -> tuple[str, list[str]]:
        """(subnet, security groups): those asked for, else a default subnet and the workers' own group."""
        subnet = self._named_subnet(order.subnet_id) if order.subnet_id else self._default_subnet()
        groups = list(order.security_group_ids) or [self._group(order.owner, str(subnet["VpcId"]))]
        return str(subnet["SubnetId"]), groups

    def _named_subnet(self, subnet_id: str) -> dict[str, Any]:
        subnet: dict[str, Any] = self._ec2.call("DescribeSubnets", subnet_id, SubnetIds=[subnet_id])["Subnets"][0]
        return subnet

    def _default_subnet(self) -> Mapping[str, Any]:
        """The default subnet with the most free addresses."""
        filters = [{"Name": "default-for-az", "Values": ["true"]}]
        found = list(self._ec2.pages("DescribeSubnets", "default subnets", "Subnets", Filters=filters))
        if not found:
            raise NotFoundError(
                f"no subnet for a worker in {self._ec2.region}",
                why="the account has no default VPC there, and the policy names no subnet",
                cure="name one under `worker.subnet_id` in the policy; it needs a way to S3, SQS, KMS and EBS",
            )
        free: Mapping[str, Any] = max(
            found, key=lambda one: (int(one.get("AvailableIpAddressCount", 0)), one["SubnetId"])
        )
        return free

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
            TagSpecifications=[{"ResourceType": "security-group", "Tags": as_list(tags_of(keeper))}],
        )
        if isinstance(answer, Refusal):
            # Another worker was launched at the same moment.
            found = self._find_group(name, vpc_id) if answer.code == "InvalidGroup.Duplicate" else None
            if found is None:
                raise self._ec2.meaning(answer, "CreateSecurityGroup", f"group {name}")
            return found
        return str(answer["GroupId"])
