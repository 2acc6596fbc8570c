"""What backups and restores of EC2 instances need in the account where the instances are."""

from dataclasses import dataclass

from holdfast.aws.policies.grants import Conditions, Grant, reads
from holdfast.domain.ownership import APPLIANCE, PURPOSE, RESTORE

BORN_OURS = {"Null": {f"aws:RequestTag/{APPLIANCE}": "false"}}
OURS = {"Null": {f"aws:ResourceTag/{APPLIANCE}": "false"}}
_KEPT = {"Null": {"aws:ResourceTag/holdfast:kept-by": "false"}}
# What EBS asks for where encrypted volumes are made, and where encrypted snapshots are written ("Amazon EBS encryption"
# and "Control access to EBS direct APIs using IAM" in the EBS user guide), each time beside a grant.
_FOR_VOLUMES = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
FOR_SNAPSHOTS = tuple(sorted((*_FOR_VOLUMES, "kms:Encrypt", "kms:GenerateDataKey")))


@dataclass(frozen=True, slots=True)
class Ec2Names:
    """ARNs of EC2 in one account; every region unless one is named. Snapshots and images name no account."""

    partition: str
    account_id: str
    region: str = "*"

    def all(self, *kinds: str) -> tuple[str, ...]:
        """Everything of these kinds."""
        owners = {kind: "" if kind in ("image", "snapshot") else self.account_id for kind in kinds}
        return tuple(f"arn:{self.partition}:ec2:{self.region}:{owner}:{kind}/*" for kind, owner in owners.items())

    def copied(self) -> tuple[str, ...]:
        """Snapshots that stand already, of whatever account."""
        return (f"arn:{self.partition}:ec2:{self.region}::snapshot/snap-*",)

    def roles(self, path: str) -> tuple[str, ...]:
        """Roles of the account under a path, which ends with what stands for their names."""
        return (f"arn:{self.partition}:iam::{self.account_id}:role/{path}",)


def standing_snapshots_grant(names: Ec2Names, conditions: Conditions) -> Grant:
    """Denied: tags for a snapshot that has an id. EC2 is asked for `snapshot/*` where one is made; should EBS name the
    id of what StartSnapshot makes, it is told by its action, or by the service that asks on our behalf. None of that is
    documented, so one is enough.
    """
    by_hand: Conditions = {
        "StringNotEquals": {"ec2:CreateAction": "StartSnapshot"},
        "BoolIfExists": {"aws:ViaAWSService": "false"},
    }
    why = "no snapshot that stands becomes ours by a tag, or it could be deleted as ours"
    return Grant("LeaveStanding", why, ("ec2:CreateTags",), names.copied(), {**by_hand, **conditions}, denies=True)


def discovery_grants(names: Ec2Names, *more: str) -> list[Grant]:
    """Seeing what there is; `more` are further actions of `LIST_READS`: a statement of their own would be longer."""
    return [
        reads(
            "LookAround",
            "ec2:DescribeAddresses",
            "ec2:DescribeIamInstanceProfileAssociations",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceStatus",
            "ec2:DescribeInstances",
            "ec2:DescribeKeyPairs",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSnapshots",
            "ec2:DescribeSubnets",
            "ec2:DescribeVolumes",
            *more,
        ),
        Grant(
            "ReadAttributes",
            "user data and protections, which DescribeInstances leaves out",
            ("ec2:DescribeInstanceAttribute",),
            names.all("instance"),
        ),
    ]


def snapshot_grants(names: Ec2Names) -> list[Grant]:
    """Snapshots of any instance; what is changed or deleted must be our own."""
    snapshots = names.all("snapshot")
    return [
        Grant("Snapshot", "whatever a policy protects", ("ec2:CreateSnapshots",), names.all("instance", "volume")),
        Grant(
            "BearSnapshots",
            "each bears our tags at once, copies too",
            ("ec2:CopySnapshot", "ec2:CreateSnapshots"),
            snapshots,
            BORN_OURS,
        ),
        Grant(
            "KeepSnapshots",
            "tags of volumes are copied; expired ones go; workers of another account read them",
            ("ec2:CreateTags", "ec2:DeleteSnapshot", "ec2:ModifySnapshotAttribute"),
            snapshots,
            OURS,
        ),
        # The one that is made is `snapshot/*` to IAM, the one that it is copied from has its id, and may be another
        # account's, whose tags nobody sees here (EBS user guide, policies for CopySnapshot).
        Grant("CopySnapshots", "manual snapshots that are kept elsewhere", ("ec2:CopySnapshot",), names.copied()),
    ]


def birth_grants(names: Ec2Names) -> list[Grant]:
    """Tags at the moment of creation, which AWS asks for on their own."""
    creations = (
        "CopySnapshot",
        "CreateSecurityGroup",
        "CreateSnapshots",
        "CreateVolume",
        "RegisterImage",
        "RunInstances",
    )
    kinds = names.all("image", "instance", "network-interface", "security-group", "snapshot", "volume")
    born = {"StringEquals": {"ec2:CreateAction": creations}}
    return [Grant("TagAtBirth", "nothing is made without our tags", ("ec2:CreateTags",), kinds, born)]


def restore_grants(names: Ec2Names, role_arns: tuple[str, ...]) -> list[Grant]:
    """Instances made again, or restored into where they stand; `role_arns` are the roles that they may have."""
    return [*_making_again(names), *_giving_roles(role_arns), *_exchanging(names), *_clearing_away(names)]


def _making_again(names: Ec2Names) -> list[Grant]:
    return [
        Grant(
            "RestoreVolumes",
            "volumes from snapshots, and the temporary image of a root volume",
            ("ec2:CreateVolume", "ec2:RegisterImage"),
            names.all("image", "volume"),
            BORN_OURS,
        ),
        Grant("FromSnapshots", "out of these", ("ec2:CreateVolume", "ec2:RegisterImage"), names.all("snapshot")),
        Grant(
            "RestoreInstance",
            "an instance that is unfinished until it runs",
            ("ec2:RunInstances",),
            names.all("instance", "network-interface", "volume"),
            {"StringEquals": {f"aws:RequestTag/{PURPOSE}": RESTORE}},
        ),
        Grant(
            "InItsPlace",
            "network, key pair, image and snapshots that it is made of",
            ("ec2:RunInstances",),
            names.all("image", "key-pair", "security-group", "snapshot", "subnet"),
        ),
    ]


def _giving_roles(role_arns: tuple[str, ...]) -> list[Grant]:
    """Whoever may give an instance a role can do what the role can: only those that somebody named."""
    if not role_arns:
        return []
    to_instances = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    return [
        Grant("GiveRoles", "restored instances have the role that they had", ("iam:PassRole",), role_arns, to_instances)
    ]


def _exchanging(names: Ec2Names) -> list[Grant]:
    return [
        Grant(
            "Exchange",
            "a standing instance is stopped, gets other volumes and the configuration of the point, and is started",
            (
                "ec2:AssociateIamInstanceProfile",
                "ec2:AttachVolume",
                "ec2:DetachVolume",
                "ec2:DisassociateIamInstanceProfile",
                "ec2:ModifyInstanceAttribute",
                "ec2:ModifyInstanceMetadataOptions",
                "ec2:MonitorInstances",
                "ec2:ReplaceIamInstanceProfileAssociation",
                "ec2:StartInstances",
                "ec2:StopInstances",
                "ec2:UnmonitorInstances",
            ),
            names.all("instance", "volume"),
        ),
        Grant(
            "Addresses",
            "groups, secondary and elastic addresses of restored interfaces",
            (
                "ec2:AssignPrivateIpAddresses",
                "ec2:AssociateAddress",
                "ec2:ModifyNetworkInterfaceAttribute",
                "ec2:UnassignPrivateIpAddresses",
            ),
            names.all("elastic-ip", "instance", "network-interface", "security-group"),
        ),
        Grant(
            "TagStanding",
            "people's tags come back; nothing becomes ours by a tag, or it could be terminated as ours",
            ("ec2:CreateTags", "ec2:DeleteTags"),
            names.all("instance", "network-interface", "volume"),
            {"Null": {f"aws:RequestTag/{APPLIANCE}": "true"}},
        ),
    ]


def _clearing_away(names: Ec2Names) -> list[Grant]:
    return [
        Grant(
            "ClearAway",
            "what of ours was left unfinished or is not needed any more",
            ("ec2:DeleteNetworkInterface", "ec2:DeleteVolume", "ec2:DeregisterImage", "ec2:TerminateInstances"),
            names.all("image", "instance", "network-interface", "volume"),
            OURS,
        ),
        Grant("DropKept", "volumes that a restore replaced", ("ec2:DeleteVolume",), names.all("volume"), _KEPT),
    ]


def volume_key_grants(key_arns: tuple[str, ...], *, writes_blocks: bool = False) -> list[Grant]:
    """The customer's own KMS keys that volumes and snapshots are encrypted under; AWS's default key needs none.
    `writes_blocks`: whether snapshots are written by whoever has this.
    """
    if not key_arns:
        return []
    uses = FOR_SNAPSHOTS if writes_blocks else _FOR_VOLUMES
    return [
        Grant("VolumeKeys", "encrypted volumes are made as whoever asks", uses, key_arns),
        Grant(
            "LendVolumeKeys",
            "EBS itself goes on using the key of an encrypted volume",
            ("kms:CreateGrant",),
            key_arns,
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]
