"""What an appliance may do in addition where workers are processes beside it (`worker: {mode: local}`)."""

from holdfast.aws.policies.grants import Grant
from holdfast.aws.policies.instances import BORN_OURS, OURS, Ec2Names, standing_snapshots_grant
from holdfast.domain.ownership import APPLIANCE


def local_worker_grants(names: Ec2Names) -> list[Grant]:
    """Blocks of snapshots that bear an appliance's tag. Those of another account do not show theirs here, and stay
    closed: workers on instances name them one by one.
    """
    snapshots = names.all("snapshot")
    return [
        Grant(
            "Blocks",
            "blocks of our snapshots, and what changed since the last; blocks of the snapshots that it started",
            (
                "ebs:CompleteSnapshot",
                "ebs:GetSnapshotBlock",
                "ebs:ListChangedBlocks",
                "ebs:ListSnapshotBlocks",
                "ebs:PutSnapshotBlock",
            ),
            snapshots,
            OURS,
        ),
        Grant(
            "StartSnapshots",
            "a new snapshot for each volume; with tags it asks for both",
            ("ebs:StartSnapshot", "ec2:CreateTags"),
            snapshots,
            BORN_OURS,
        ),
        standing_snapshots_grant(
            names,
            {"Null": {f"aws:RequestTag/{APPLIANCE}": "false", f"aws:ResourceTag/{APPLIANCE}": "true"}},
        ),
    ]
