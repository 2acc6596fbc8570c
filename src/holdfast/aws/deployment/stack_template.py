"""The one stack of a server: a bucket for bundles, a key, the workers' event queue, the appliances' role, the one under
which S3 retrieves from archives.

Names that only AWS knows when it makes a resource stand in texts as `${Resource}` or `${Resource.Attribute}`, as in
CloudFormation; `_intrinsic` turns such texts into what a template needs.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.aws.policies.worker import WRITE_ONCE
from holdfast.domain.ownership import SERVER

# A noncurrent version is a bundle or certificate that was replaced; nothing boots from it any more.
OLD_BUNDLE_DAYS = 30
KEY_WAITING_DAYS = 7
EVENTS_KEPT_SECONDS = 14 * 24 * 3600

# Words that policies are written with before the resources exist.
PARTITION = "${AWS::Partition}"
ACCOUNT = "${AWS::AccountId}"
REGION = "${AWS::Region}"
BUCKET = "${BundleBucket}"
KEY_ARN = "${Key.Arn}"
QUEUE_ARN = "${EventQueue.Arn}"
BOUNDARY_ARN = "${WorkerBoundary}"
RETRIEVAL_ROLE_ARN = "${RetrievalRole.Arn}"
# Spelled out, not asked of the role: a role's policy that asks for its own ARN would be a circle.
APPLIANCE_CERTIFICATES = "appliances"

_OURS = re.compile(r"\$\{(?!AWS::|[A-Z])")


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What the template is made of. The policies may use the words above; `retrieval_policy`: where there
    are archives.
    """

    server_id: str
    appliance_policy: Mapping[str, Any]
    worker_boundary: Mapping[str, Any]
    retrieval_policy: Mapping[str, Any] | None = None

    @property
    def short_id(self) -> str:
        """Enough of the server's id to tell stacks apart."""
        return self.server_id[:12]

    @property
    def stack_name(self) -> str:
        """What the stack is called."""
        return f"holdfast-{self.short_id}"


def template_text(plan: StackPlan) -> str:
    """The template as CloudFormation reads it, without a space too many: it takes 51,200 bytes at most."""
    return json.dumps(template(plan), separators=(",", ":"))


def template(plan: StackPlan) -> dict[str, Any]:
    """The template."""
    resources = {
        "BundleBucket": _bucket(plan),
        "BundleBucketPolicy": _bucket_policy(),
        "Key": _key(plan),
        "KeyAlias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": f"alias/{plan.stack_name}", "TargetKeyId": {"Ref": "Key"}},
        },
        "EventQueue": _queue(plan),
        "WorkerBoundary": _boundary(plan),
        "RetrievalRole": _retrieval_role(plan),
        "ApplianceRole": _appliance_role(plan),
        "ApplianceProfile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Path": "/holdfast/", "Roles": [{"Ref": "ApplianceRole"}]},
        },
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Holdfast needs in this account and region; made and removed by its server.",
        "Resources": resources,
        "Outputs": {name: {"Value": value} for name, value in _outputs().items()},
    }


def _outputs() -> dict[str, Any]:
    return {
        "BundleBucket": {"Ref": "BundleBucket"},
        "KeyArn": {"Fn::GetAtt": ["Key", "Arn"]},
        "EventQueueUrl": {"Ref": "EventQueue"},
        "EventQueueArn": {"Fn::GetAtt": ["EventQueue", "Arn"]},
        "WorkerBoundaryArn": {"Ref": "WorkerBoundary"},
        "RetrievalRoleArn": {"Fn::GetAtt": ["RetrievalRole", "Arn"]},
        "ApplianceRoleArn": {"Fn::GetAtt": ["ApplianceRole", "Arn"]},
        "ApplianceProfile": {"Ref": "ApplianceProfile"},
    }


def _bucket(plan: StackPlan) -> dict[str, Any]:
    return {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketName": {"Fn::Sub": f"holdfast-{plan.short_id}-{ACCOUNT}-{REGION}"},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "VersioningConfiguration": {"Status": "Enabled"},
            "LifecycleConfiguration": {
                "Rules": [
                    {
                        "Id": "old-bundles",
                        "Status": "Enabled",
                        "Prefix": "bundles/",
                        "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_BUNDLE_DAYS},
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    }
                ]
            },
            "Tags": _tags(plan),
        },
    }


def _bucket_policy() -> dict[str, Any]:
    bucket = f"arn:{PARTITION}:s3:::{BUCKET}"
    statement = {
        "Sid": "EncryptedTransportOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, f"{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": {"Ref": "BundleBucket"}, "PolicyDocument": _intrinsic(_document([statement]))},
    }


def _key(plan: StackPlan) -> dict[str, Any]:
    # The account decides by its IAM policies who may use it, as AWS's own default has it.
    statement = {
        "Sid": "AccountDecides",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{PARTITION}:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {
        "Type": "AWS::KMS::Key",
        "Properties": {
            "Description": f"Wraps keys of workers and appliances (server {plan.short_id}); no repository needs it",
            "EnableKeyRotation": True,
            "PendingWindowInDays": KEY_WAITING_DAYS,
            "KeyPolicy": _intrinsic(_document([statement])),
            "Tags": _tags(plan),
        },
    }


def _queue(plan: StackPlan) -> dict[str, Any]:
    return {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": f"holdfast-events-{plan.short_id}",
            "SqsManagedSseEnabled": True,
            "MessageRetentionPeriod": EVENTS_KEPT_SECONDS,
            "VisibilityTimeout": 60,
            "Tags": _tags(plan),
        },
    }


def _boundary(plan: StackPlan) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Description": "What no worker of Holdfast may go beyond, whatever its own policy says",
            "Path": "/holdfast/",
            "PolicyDocument": _intrinsic(plan.worker_boundary),
        },
    }


def _appliance_role(plan: StackPlan) -> dict[str, Any]:
    own: list[Mapping[str, Any]] = [
        {
            "Sid": "Boot",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"arn:{PARTITION}:s3:::{BUCKET}/bundles/*",
        },
        {
            "Sid": "ShowCertificate",
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": f"arn:{PARTITION}:s3:::{BUCKET}/{APPLIANCE_CERTIFICATES}/*/certificate.pem",
            # Once: no other appliance can put its own in the place of one that the server waits for.
            "Condition": WRITE_ONCE,
        },
    ]
    policies = {"deployment": _document(own), "appliance": plan.appliance_policy}
    return _role_of(plan, "What an appliance of Holdfast may do in this account", "ec2", policies)


def _retrieval_role(plan: StackPlan) -> dict[str, Any]:
    """There whether or not a repository is an archive: what an update takes out of a stack and may not remove stays."""
    policies = {} if plan.retrieval_policy is None else {"retrieval": plan.retrieval_policy}
    description = "What S3 may do that retrieves from archives of Holdfast by jobs"
    return _role_of(plan, description, "batchoperations.s3", policies)


def _role_of(
    plan: StackPlan, description: str, service: str, policies: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A role that one service of AWS may take and nobody else."""
    principal = {"Service": f"{service}.amazonaws.com"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Description": description,
            "Path": "/holdfast/",
            "AssumeRolePolicyDocument": _document(
                [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]
            ),
            "Policies": [
                {"PolicyName": name, "PolicyDocument": _intrinsic(policy)} for name, policy in policies.items()
            ],
            "Tags": _tags(plan),
        },
    }


def _document(statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [dict(statement) for statement in statements]}


def _tags(plan: StackPlan) -> list[dict[str, str]]:
    return [{"Key": SERVER, "Value": plan.server_id}, {"Key": "Name", "Value": plan.stack_name}]


def _intrinsic(value: Any) -> Any:
    """`value` with every text that names a resource as Fn::Sub; IAM's own variables (`${aws:userid}`) stay."""
    if isinstance(value, Mapping):
        return {key: _intrinsic(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_intrinsic(part) for part in value]
    if isinstance(value, str) and "${" in value:
        escaped = _OURS.sub("${!", value)
        return {"Fn::Sub": escaped} if "${" in escaped.replace("${!", "") else value
    return value
