"""Which rights the stack of a server gives: those of `aws/policies`, on what the stack makes."""

from dataclasses import dataclass

from holdfast.aws.deployment.stack_template import (
    ACCOUNT,
    BOUNDARY_ARN,
    KEY_ARN,
    PARTITION,
    QUEUE_ARN,
    StackPlan,
)
from holdfast.aws.policies.appliance import ApplianceScope, RepositoryPlace, appliance_grants
from holdfast.aws.policies.grants import document
from holdfast.aws.policies.worker import worker_boundary_grants
from holdfast.domain.errors import UsageError

# IAM counts the characters of all inline policies of a role, white space left out.
MAX_ROLE_CHARACTERS = 10_240


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person adds: repositories (`BUCKET` or `BUCKET/PREFIX`) and roles of other accounts."""

    repositories: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def stack_plan(server_id: str, rights: Rights) -> StackPlan:
    """The plan of a server's stack. Raises UsageError for what is no bucket or role."""
    scope = ApplianceScope(
        partition=PARTITION,
        account_id=ACCOUNT,
        kms_key_arn=KEY_ARN,
        event_queue_arn=QUEUE_ARN,
        worker_boundary_arn=BOUNDARY_ARN,
        repositories=tuple(_place(text) for text in rights.repositories),
        production_role_arns=tuple(_role(text) for text in rights.roles),
    )
    boundary = worker_boundary_grants(PARTITION, ACCOUNT, KEY_ARN, QUEUE_ARN)
    return StackPlan(server_id, document(appliance_grants(scope)), document(boundary))


def _place(text: str) -> RepositoryPlace:
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not bucket or any(character in bucket for character in "*?${}"):
        raise UsageError(f"{text!r} names no bucket", why="BUCKET or BUCKET/PREFIX is meant", cure="name one bucket")
    return RepositoryPlace(bucket, prefix.strip("/"))


def _role(text: str) -> str:
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "iam" or not parts[5].startswith("role/") or "*" in text:
        raise UsageError(
            f"{text!r} is no role", why="the ARN of one role is meant", cure="write arn:aws:iam::ACCOUNT:role/NAME"
        )
    return text
