"""What an appliance may do in addition where workers are processes beside it (`worker: {mode: local}`)."""

from holdfast.aws.policies.grants import Grant
from holdfast.aws.policies.instances import BORN_OURS, OURS, Ec2Names


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
        Grant("StartSnapshots", "a new snapshot for each volume", ("ebs:StartSnapshot",), snapshots, BORN_OURS),
        Grant(
            "TagStartedSnapshots",
            "StartSnapshot with tags asks for this, too",
            ("ec2:CreateTags",),
            snapshots,
            {"StringEquals": {"ec2:CreateAction": "StartSnapshot"}, **BORN_OURS},
        ),
    ]
