"""What CloudFormation asks IAM for before it makes, changes or removes a resource: with the rights of its caller, or of
the role that the stack was given.

The actions are those of each type's handlers in AWS's resource type schemas (`handlers` of AWS::S3::Bucket, …), as far
as the template names what they are for; what a create handler reads of a resource that it has made is among them. Types
that are not in the table are made without asking.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moto.cloudformation.parsing import ResourceMap
from moto.core.common_models import CloudFormationModel
from moto.kms.models import kms_backends
from moto.utilities.utils import get_partition

from holdfast.lab.access.evaluator import Demand
from holdfast.lab.access.on_behalf import NotAllowedError, ask

CREATE, UPDATE, DELETE = "create", "update", "delete"
_READ_KEY = ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags")
_READ_ROLE = ("iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies")
_READ_POLICY = ("iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListEntitiesForPolicy")
_READ_QUEUE = ("sqs:GetQueueAttributes", "sqs:ListQueueTags")
_BUCKET = (
    "s3:PutBucketTagging", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
    "s3:PutBucketPublicAccessBlock", "s3:PutBucketVersioning", "s3:PutBucketOwnershipControls",
)  # fmt: skip
_HANDLERS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "AWS::S3::Bucket": {CREATE: ("s3:CreateBucket", *_BUCKET), UPDATE: _BUCKET, DELETE: ("s3:DeleteBucket",)},
    "AWS::S3::BucketPolicy": {
        CREATE: ("s3:GetBucketPolicy", "s3:PutBucketPolicy"),
        UPDATE: ("s3:GetBucketPolicy", "s3:PutBucketPolicy"),
        DELETE: ("s3:GetBucketPolicy", "s3:DeleteBucketPolicy"),
    },
    "AWS::KMS::Key": {
        CREATE: ("kms:CreateKey", "kms:EnableKeyRotation", "kms:PutKeyPolicy", "kms:TagResource", *_READ_KEY),
        UPDATE: ("kms:EnableKeyRotation", "kms:PutKeyPolicy", "kms:TagResource", "kms:UntagResource", *_READ_KEY),
        DELETE: ("kms:DescribeKey", "kms:ScheduleKeyDeletion"),
    },
    "AWS::KMS::Alias": {
        CREATE: ("kms:CreateAlias", "kms:ListAliases"),
        UPDATE: ("kms:UpdateAlias", "kms:ListAliases"),
        DELETE: ("kms:DeleteAlias",),
    },
    "AWS::SQS::Queue": {
        CREATE: ("sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:TagQueue", *_READ_QUEUE),
        UPDATE: ("sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue", *_READ_QUEUE),
        DELETE: ("sqs:DeleteQueue", "sqs:GetQueueAttributes"),
    },
    "AWS::IAM::Role": {
        CREATE: ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:TagRole", *_READ_ROLE),
        UPDATE: (
            "iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy",
            "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:TagRole", "iam:UntagRole", *_READ_ROLE,
        ),
        DELETE: ("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", *_READ_ROLE),
    },
    "AWS::IAM::InstanceProfile": {
        CREATE: ("iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:PassRole", "iam:GetInstanceProfile"),
        UPDATE: (
            "iam:RemoveRoleFromInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:PassRole",
            "iam:GetInstanceProfile",
        ),
        DELETE: ("iam:GetInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile"),
    },
    "AWS::IAM::ManagedPolicy": {
        CREATE: ("iam:CreatePolicy", *_READ_POLICY),
        UPDATE: ("iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:ListPolicyVersions", *_READ_POLICY),
        DELETE: ("iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:ListPolicyVersions", *_READ_POLICY),
    },
}  # fmt: skip
# Asked for where the template names this.
_ONLY_WITH = {
    "s3:PutBucketTagging": "Tags",
    "s3:PutEncryptionConfiguration": "BucketEncryption",
    "s3:PutLifecycleConfiguration": "LifecycleConfiguration",
    "s3:PutBucketPublicAccessBlock": "PublicAccessBlockConfiguration",
    "s3:PutBucketVersioning": "VersioningConfiguration",
    "s3:PutBucketOwnershipControls": "OwnershipControls",
    "kms:EnableKeyRotation": "EnableKeyRotation",
    "kms:TagResource": "Tags",
    "kms:UntagResource": "Tags",
    "sqs:TagQueue": "Tags",
    "sqs:UntagQueue": "Tags",
    "iam:TagRole": "Tags",
    "iam:UntagRole": "Tags",
    "iam:PutRolePolicy": "Policies",
    "iam:GetRolePolicy": "Policies",
    "iam:DeleteRolePolicy": "Policies",
    "iam:AttachRolePolicy": "ManagedPolicyArns",
    "iam:DetachRolePolicy": "ManagedPolicyArns",
}
# No key or alias is meant.
_OF_NOTHING = ("kms:CreateKey", "kms:ListAliases")
_ON_KEY_TOO = ("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias")


class AskingResourceMap(ResourceMap):
    """The resources of a stack. What was made although the caller may not have it is gone again before it is seen;
    `denied` says of which resource the caller was denied what.
    """

    def __init__(self, *arguments: Any, **facts: Any) -> None:
        self.denied: dict[str, str] = {}
        super().__init__(*arguments, **facts)

    def __getitem__(self, key: str) -> Any:
        known = key in self._parsed_resources
        made: Any = super().__getitem__(key)
        if not known and isinstance(made, CloudFormationModel):
            try:
                self._ask(CREATE, made, self._resource_json_map[key])
            except NotAllowedError:
                del self._parsed_resources[key]
                super()._delete_resource(made, self._resource_json_map[key])
                raise
        return made

    def update(self, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
        """Change what the other template has in other words."""
        for name in self.build_resource_diff(template, parameters)["Modify"]:
            self._ask(UPDATE, self._parsed_resources[name], template["Resources"][name])
        super().update(template, parameters)

    def _delete_resource(self, parsed_resource: Any, resource_json: dict[str, Any]) -> None:
        self._ask(DELETE, parsed_resource, resource_json)
        super()._delete_resource(parsed_resource, resource_json)

    def _ask(self, phase: str, resource: Any, document: Mapping[str, Any]) -> None:
        named = document.get("Properties", {})
        for action in _HANDLERS.get(document["Type"], {}).get(phase, ()):
            if _ONLY_WITH.get(action, "") in ("", *named):
                self._ask_all(self._demands(action, document["Type"], resource), resource.logical_resource_id)

    def _ask_all(self, demands: Iterator[Demand], name: str) -> None:
        try:
            for demand in demands:
                ask(demand)
        except NotAllowedError as error:
            self.denied[name] = str(error)
            raise

    def _demands(self, action: str, kind: str, resource: Any) -> Iterator[Demand]:
        partition = get_partition(self._region_name)
        if action == "iam:PassRole":
            to_instances = {"iam:passedtoservice": ("ec2.amazonaws.com",)}
            yield from (Demand(action, role.arn, to_instances) for role in resource.roles)
        elif kind.startswith("AWS::S3::"):
            yield Demand(action, f"arn:{partition}:s3:::{resource.name}", {})
        elif kind == "AWS::SQS::Queue":
            yield Demand(action, resource.queue_arn, _tags(resource.tags or {}))
        elif kind == "AWS::KMS::Alias":
            name = f"arn:{partition}:kms:{self._region_name}:{self._account_id}:{resource.alias_name}"
            yield Demand(action, "*" if action in _OF_NOTHING else name, {})
            if action in _ON_KEY_TOO:
                yield self._on_key(action, resource.target_key_id)
        elif kind == "AWS::KMS::Key":
            yield self._on_key(action, resource.id)
        else:
            tags = {tag["Key"]: tag["Value"] for tag in getattr(resource, "tags", None) or () if isinstance(tag, dict)}
            yield Demand(action, resource.arn, _tags(tags))

    def _on_key(self, action: str, key_id: str) -> Demand:
        backend = kms_backends[self._account_id][self._region_name]
        key = backend.keys[key_id.rpartition("/")[2]]
        tags = {tag["TagKey"]: tag["TagValue"] for tag in backend.list_resource_tags(key.id)["Tags"]}
        return Demand(action, "*" if action in _OF_NOTHING else key.arn, _tags(tags))


def _tags(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """A template's tags are the request's and the resource's."""
    found = {
        f"aws:{which}tag/{key.lower()}": (value,) for key, value in tags.items() for which in ("request", "resource")
    }
    return found | ({"aws:tagkeys": tuple(tags)} if tags else {})
