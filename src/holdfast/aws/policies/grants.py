"""What a policy is made of: grants with their reasons, and the document that IAM reads."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# IAM counts the characters of all inline policies of a role, white space left out.
MAX_ROLE_CHARACTERS = 10_240
Conditions = Mapping[str, Mapping[str, str | tuple[str, ...]]]

# Actions for which AWS knows no resource: whoever may ask sees all of the account. Each with what we look for.
LIST_READS: Mapping[str, str] = {
    "ec2:DescribeAddresses": "whether an elastic address of a restore is free",
    "ec2:DescribeIamInstanceProfileAssociations": "which role a standing instance has, when it is restored into",
    "ec2:DescribeImages": "Debian's image for appliances and workers, and the temporary images of restores",
    "ec2:DescribeInstanceStatus": "whether an instance that was restored into passes its status checks",
    "ec2:DescribeInstances": "which instances a policy protects, how they are made up, how workers and appliances do",
    "ec2:DescribeKeyPairs": "whether the key pair of a restore exists",
    "ec2:DescribeNetworkInterfaces": "addresses and groups of instances, and which addresses are taken",
    "ec2:DescribeSecurityGroups": "the groups of appliances, of workers and of restores",
    "ec2:DescribeSnapshots": "whether snapshots are completed, and which are ours",
    "ec2:DescribeSubnets": "where appliances, workers and restored instances can stand",
    "ec2:DescribeVolumes": "sizes, types and tags of volumes",
    "ec2:DescribeVpcs": "the default VPC, in which an appliance stands unless told otherwise",
    "ec2:GetEbsDefaultKmsKeyId": "the key that encrypts a restore worker's snapshots where nobody names one",
    "ec2:GetEbsEncryptionByDefault": "whether EBS encrypts a restore worker's snapshots in any case",
    "iam:ListInstanceProfiles": "profiles of workers that were left behind",
    "iam:ListRoles": "roles of workers that were left behind",
    "kms:ListAliases": "whether the stack's key has its name, which CloudFormation looks for",
    "sqs:ListQueues": "queues of workers that were left behind",
}
# What creates something that has no ARN yet, and of which AWS knows no pattern of ARNs: bounded by a condition.
CREATIONS: Mapping[str, str] = {
    "kms:CreateKey": "the stack's key, which bears the server's tag at once",
    "s3:CreateJob": "one job that retrieves all that a restore from an archive reads, and does nothing else",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """Some actions on some resources. `name` is the statement's id, `why` says what they are needed for. One that
    `denies` takes them away, whatever else gives them.
    """

    name: str
    why: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Conditions = field(default_factory=dict)
    denies: bool = False


def reads(name: str, *actions: str) -> Grant:
    """The grant of actions of `LIST_READS`."""
    why = "; ".join(f"{action}: {LIST_READS[action]}" for action in actions)
    return Grant(name, why, actions, ("*",))


def document(grants: Iterable[Grant]) -> dict[str, Any]:
    """IAM's policy document."""
    return {"Version": "2012-10-17", "Statement": [_statement(grant) for grant in grants]}


def as_text(grants: Iterable[Grant]) -> str:
    """The document as JSON, without a space too many: IAM counts characters."""
    return json.dumps(document(grants), separators=(",", ":"))


def actions_of(grants: Iterable[Grant]) -> list[str]:
    """Every action, once, by name."""
    return sorted({action for grant in grants for action in grant.actions})


def trusts_ec2() -> dict[str, Any]:
    """The trust policy of a role that instances have."""
    principal = {"Service": "ec2.amazonaws.com"}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }


def trusts_role(role_arn: str, external_id: str) -> dict[str, Any]:
    """The trust policy of a role in another account that an appliance assumes."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": role_arn},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            }
        ],
    }


def _statement(grant: Grant) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": grant.name,
        "Effect": "Deny" if grant.denies else "Allow",
        "Action": list(grant.actions),
        "Resource": list(grant.resources),
    }
    if grant.conditions:
        statement["Condition"] = {
            operator: {key: list(value) if isinstance(value, tuple) else value for key, value in pairs.items()}
            for operator, pairs in grant.conditions.items()
        }
    return statement
