"""What the management server's own AWS credentials must allow: the stack of the plug-in, and its appliances.

CloudFormation acts with the rights of whoever asks it, so the stack's resources are in here, too. Everything is told by
its name or by the tag of the server: a stack of anybody else is out of reach.
"""

from dataclasses import dataclass

from holdfast.aws.policies.grants import CREATIONS, Grant, reads
from holdfast.aws.policies.instances import Ec2Names, volume_key_grants
from holdfast.domain.ownership import PURPOSE, SERVER

_BORN_OURS = {"Null": {f"aws:RequestTag/{SERVER}": "false"}}
_OURS = {"Null": {f"aws:ResourceTag/{SERVER}": "false"}}
# To be said of each resource of the stack.
_BY_CLOUDFORMATION = "the stack's {0}, which CloudFormation makes, changes and removes with these rights"


@dataclass(frozen=True, slots=True)
class ServerScope:
    """`server` is the beginning of the server's id, as its stack's name has it, or `*` before it is known.
    `volume_key_arns`: the customer's own KMS key that is the account's default for EBS, where there is one.
    """

    partition: str
    account_id: str
    region: str
    server: str = "*"
    volume_key_arns: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The stack's name, with which those of its resources begin."""
        return f"holdfast-{self.server}"

    @property
    def bucket(self) -> str:
        """The ARN of the stack's bucket."""
        return f"arn:{self.partition}:s3:::{self.name}-{self.account_id}-{self.region}"

    def of(self, service: str, name: str) -> str:
        """An ARN of the account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{name}"

    def iam(self, kind: str) -> tuple[str, ...]:
        """What CloudFormation makes under the stack's name, in the path that is ours; no role of a worker."""
        return (f"arn:{self.partition}:iam::{self.account_id}:{kind}/holdfast/{self.name}-*",)


def plugin_grants(scope: ServerScope) -> list[Grant]:
    """Installing the plug-in, looking at what it installed, and removing it."""
    return [
        Grant(
            "Stack",
            "the one stack of a server",
            (
                "cloudformation:CreateStack",
                "cloudformation:DeleteStack",
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStackResources",
                "cloudformation:DescribeStacks",
                "cloudformation:UpdateStack",
            ),
            (scope.of("cloudformation", f"stack/{scope.name}/*"),),
        ),
        Grant(
            "Bundles",
            "bundles go in, certificates of new appliances come out, and at the end all of it goes",
            ("s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"),
            (f"{scope.bucket}/*",),
        ),
        Grant(
            "BundleNames",
            "what is there already, and what is to be removed",
            ("s3:ListBucket", "s3:ListBucketVersions"),
            (scope.bucket,),
        ),
        *_stack_resources(scope),
    ]


def deployment_grants(scope: ServerScope) -> list[Grant]:
    """Appliances: launched beside their stack, and removed."""
    names = Ec2Names(scope.partition, scope.account_id, scope.region)
    born = {"StringEquals": {f"aws:RequestTag/{PURPOSE}": "deployment"}, **_BORN_OURS}
    return [
        reads(
            "LookAround",
            "ec2:DescribeImages",
            "ec2:DescribeInstances",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ),
        Grant(
            "LaunchAppliances",
            "with a metadata service that asks for tokens",
            ("ec2:RunInstances",),
            names.all("instance"),
            {**born, "StringEquals": {**born["StringEquals"], "ec2:MetadataHttpTokens": "required"}},
        ),
        Grant(
            "ApplianceParts",
            "disk and interface of an appliance",
            ("ec2:RunInstances",),
            names.all("network-interface", "volume"),
            born,
        ),
        Grant(
            "InTheirPlace",
            "image, network, group and key pair that it is made of",
            ("ec2:RunInstances",),
            names.all("image", "key-pair", "security-group", "snapshot", "subnet"),
        ),
        Grant(
            "GiveApplianceRole",
            "an appliance has the role of the stack, and no other",
            ("iam:PassRole",),
            scope.iam("role"),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        *_keeping_appliances(names),
        *volume_key_grants(scope.volume_key_arns),
    ]


def _keeping_appliances(names: Ec2Names) -> list[Grant]:
    return [
        Grant(
            "ApplianceGroup",
            "a group that lets the server in and nobody else",
            ("ec2:CreateSecurityGroup",),
            names.all("security-group"),
            _BORN_OURS,
        ),
        Grant("ApplianceNetwork", "in this network", ("ec2:CreateSecurityGroup",), names.all("vpc")),
        Grant(
            "KeepGroup",
            "its one rule; and its end",
            ("ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"),
            names.all("security-group"),
            _OURS,
        ),
        Grant(
            "TagAtBirth",
            "nothing is made without our tags",
            ("ec2:CreateTags",),
            names.all("instance", "network-interface", "security-group", "volume"),
            {"StringEquals": {"ec2:CreateAction": ("CreateSecurityGroup", "RunInstances")}},
        ),
        Grant(
            "KeepAppliances",
            "why one did not boot; and its end",
            ("ec2:GetConsoleOutput", "ec2:TerminateInstances"),
            names.all("instance"),
            _OURS,
        ),
    ]


def _stack_resources(scope: ServerScope) -> list[Grant]:
    return [*_bucket_and_queue(scope), *_key(scope), *_roles(scope)]


def _bucket_and_queue(scope: ServerScope) -> list[Grant]:
    return [
        Grant(
            "StackBucket",
            _BY_CLOUDFORMATION.format("bucket"),
            (
                "s3:CreateBucket",
                "s3:DeleteBucket",
                "s3:DeleteBucketPolicy",
                "s3:GetBucketPolicy",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            ),
            (scope.bucket,),
        ),
        Grant(
            "StackQueue",
            _BY_CLOUDFORMATION.format("queue of events"),
            (
                "sqs:CreateQueue",
                "sqs:DeleteQueue",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ListQueueTags",
                "sqs:SetQueueAttributes",
                "sqs:TagQueue",
                "sqs:UntagQueue",
            ),
            (scope.of("sqs", f"holdfast-events-{scope.server}"),),
        ),
    ]


def _key(scope: ServerScope) -> list[Grant]:
    return [
        Grant("NewKey", CREATIONS["kms:CreateKey"], ("kms:CreateKey",), ("*",), _BORN_OURS),
        reads("KeyNames", "kms:ListAliases"),
        Grant(
            "StackKey",
            _BY_CLOUDFORMATION.format("key"),
            (
                "kms:CreateAlias",
                "kms:DeleteAlias",
                "kms:DescribeKey",
                "kms:EnableKeyRotation",
                "kms:GetKeyPolicy",
                "kms:GetKeyRotationStatus",
                "kms:ListResourceTags",
                "kms:PutKeyPolicy",
                "kms:ScheduleKeyDeletion",
                "kms:TagResource",
                "kms:UntagResource",
            ),
            (scope.of("kms", "key/*"),),
            _OURS,
        ),
        Grant("TagNewKey", "it bears our tag at once", ("kms:TagResource",), (scope.of("kms", "key/*"),), _BORN_OURS),
        Grant(
            "StackKeyName",
            "the key's name in the console",
            ("kms:CreateAlias", "kms:DeleteAlias"),
            (scope.of("kms", f"alias/{scope.name}"),),
        ),
    ]


def _roles(scope: ServerScope) -> list[Grant]:
    return [
        Grant(
            "StackBoundary",
            _BY_CLOUDFORMATION.format("permissions boundary"),
            (
                "iam:CreatePolicy",
                "iam:CreatePolicyVersion",
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:GetPolicy",
                "iam:GetPolicyVersion",
                "iam:ListEntitiesForPolicy",
                "iam:ListPolicyVersions",
            ),
            scope.iam("policy"),
        ),
        Grant(
            "StackRole",
            _BY_CLOUDFORMATION.format("role of appliances"),
            (
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:PutRolePolicy",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRole",
            ),
            scope.iam("role"),
        ),
        Grant(
            "StackProfile",
            _BY_CLOUDFORMATION.format("instance profile"),
            (
                "iam:AddRoleToInstanceProfile",
                "iam:CreateInstanceProfile",
                "iam:DeleteInstanceProfile",
                "iam:GetInstanceProfile",
                "iam:RemoveRoleFromInstanceProfile",
            ),
            scope.iam("instance-profile"),
        ),
        Grant(
            "PassRoleToProfile",
            "a role is put into a profile by whoever may pass it",
            ("iam:PassRole",),
            scope.iam("role"),
        ),
    ]
