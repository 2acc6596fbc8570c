"""Which kinds of resources AWS knows for each action that a policy of ours grants.

After the Service Authorization Reference ("Actions, resources, and condition keys" of each service), without the kinds
that nothing of ours touches (access points, capacity reservations, placement groups, launch templates). An action
without a kind can only be granted on `*`.
"""

from collections.abc import Mapping

_TABLE = """
cloudformation | stack | CreateStack DeleteStack DescribeStackEvents DescribeStackResources DescribeStacks
cloudformation | stack | UpdateStack
ebs | snapshot | CompleteSnapshot GetSnapshotBlock ListChangedBlocks ListSnapshotBlocks PutSnapshotBlock
ebs | snapshot | StartSnapshot
ec2 | - | DescribeAddresses DescribeIamInstanceProfileAssociations DescribeImages DescribeInstances DescribeKeyPairs
ec2 | - | DescribeNetworkInterfaces DescribeSecurityGroups DescribeSnapshots DescribeSubnets DescribeVolumes
ec2 | - | DescribeInstanceStatus DescribeVpcs GetEbsDefaultKmsKeyId GetEbsEncryptionByDefault
ec2 | elastic-ip instance network-interface | AssociateAddress
ec2 | image | DeregisterImage
ec2 | image instance key-pair network-interface security-group snapshot subnet volume | RunInstances
ec2 | image instance network-interface security-group snapshot volume | CreateTags DeleteTags
ec2 | image snapshot | RegisterImage
ec2 | instance | AssociateIamInstanceProfile DescribeInstanceAttribute DisassociateIamInstanceProfile
ec2 | instance | GetConsoleOutput ModifyInstanceMetadataOptions MonitorInstances StartInstances StopInstances
ec2 | instance | ReplaceIamInstanceProfileAssociation TerminateInstances UnmonitorInstances
ec2 | instance network-interface security-group subnet | ModifyNetworkInterfaceAttribute
ec2 | instance security-group volume | ModifyInstanceAttribute
ec2 | instance snapshot volume | CreateSnapshots
ec2 | instance volume | AttachVolume DetachVolume
ec2 | network-interface | AssignPrivateIpAddresses DeleteNetworkInterface UnassignPrivateIpAddresses
ec2 | security-group | AuthorizeSecurityGroupIngress DeleteSecurityGroup
ec2 | security-group vpc | CreateSecurityGroup
ec2 | snapshot | CopySnapshot DeleteSnapshot ModifySnapshotAttribute
ec2 | snapshot volume | CreateVolume
ec2 | volume | DeleteVolume
iam | - | ListInstanceProfiles ListRoles
iam | instance-profile | AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile GetInstanceProfile
iam | instance-profile | RemoveRoleFromInstanceProfile TagInstanceProfile
iam | policy | CreatePolicy CreatePolicyVersion DeletePolicy DeletePolicyVersion GetPolicy GetPolicyVersion
iam | policy | ListEntitiesForPolicy ListPolicyVersions
iam | role | CreateRole DeleteRole DeleteRolePolicy GetRole GetRolePolicy PassRole PutRolePolicy TagRole UntagRole
iam | role | ListAttachedRolePolicies ListRolePolicies UpdateAssumeRolePolicy UpdateRole
kms | - | CreateKey ListAliases
kms | alias key | CreateAlias DeleteAlias
kms | key | CreateGrant Decrypt DescribeKey EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext
kms | key | GetKeyPolicy GetKeyRotationStatus ListResourceTags PutKeyPolicy ReEncryptFrom ReEncryptTo
kms | key | ScheduleKeyDeletion TagResource UntagResource
s3 | bucket | CreateBucket DeleteBucket DeleteBucketPolicy GetBucketPolicy ListBucket ListBucketVersions
s3 | bucket | PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging
s3 | bucket | PutBucketVersioning PutEncryptionConfiguration PutLifecycleConfiguration
s3 | object | DeleteObject DeleteObjectVersion GetObject GetObjectRetention GetObjectVersion PutObject
s3 | object | PutObjectRetention RestoreObject
sqs | - | ListQueues
sqs | queue | CreateQueue DeleteMessage DeleteQueue GetQueueAttributes ListQueueTags ReceiveMessage SendMessage
sqs | queue | GetQueueUrl SetQueueAttributes TagQueue UntagQueue
sts | role | AssumeRole
"""


def _read() -> Mapping[str, frozenset[str]]:
    found = {}
    for line in _TABLE.strip().splitlines():
        service, kinds, names = (part.strip() for part in line.split("|"))
        for name in names.split():
            found[f"{service}:{name}"] = frozenset(kinds.split()) - {"-"}
    return found


KINDS = _read()


def kind_of(arn: str) -> str:
    """The kind of resource that an ARN, or a pattern of ARNs, names."""
    _, _, service, _, _, name = arn.split(":", 5)
    if service == "s3":
        return "object" if "/" in name else "bucket"
    return "queue" if service == "sqs" else name.partition("/")[0]
