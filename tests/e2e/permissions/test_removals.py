"""Each action of a policy is taken away in turn: what needs it fails with exit code 5 and names it, nothing else does,
and nothing is left when the appliance has cleaned up with its rights back.

The default run takes a share of the actions; `REMOVALS=all` takes every one, `SEED` chooses another share.
"""

import os
import random
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.domain.errors import PermissionDeniedError
from holdfast.domain.policy import Selection
from tests.e2e.permissions.account_in_lab import REGION
from tests.e2e.permissions.calls import APPLIANCE, Calls
from tests.e2e.permissions.flows import Scene, workers_without
from tests.e2e.permissions.ways import FIRST, WAYS

ALL = os.environ.get("REMOVALS") == "all"
SEED = int(os.environ.get("SEED", "1"))
SHARE = 6
# Work that is done is not undone because its traces cannot be removed, or because nobody could hear of it: it is said
# as a warning, and what is left is removed later.
WARNINGS = {
    "ec2:DeleteSnapshot", "ec2:DeleteVolume", "ec2:DeregisterImage", "ec2:TerminateInstances",
    "iam:DeleteInstanceProfile", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:RemoveRoleFromInstanceProfile",
    "iam:ListInstanceProfiles", "iam:ListRoles", "iam:GetInstanceProfile", "iam:GetRole", "sqs:DeleteMessage",
    "sqs:DeleteQueue", "sqs:ListQueues", "sqs:ListQueueTags", "sqs:ReceiveMessage", "ec2:DeleteNetworkInterface",
    "ec2:DeleteSecurityGroup", "ec2:GetConsoleOutput", "s3:DeleteObject", "ec2:DescribeInstanceStatus",
    "ec2:DisassociateIamInstanceProfile", "ec2:UnassignPrivateIpAddresses", "ec2:UnmonitorInstances",
}  # fmt: skip
# Where the first way that asks for it only tidies up with it.
BETTER = {
    "ec2:DescribeImages": "restore an instance into a new place",
    "ec2:DescribeSecurityGroups": "image backup",
    "ec2:GetConsoleOutput": "image backup by a worker that cannot start",
}
# What a worker is denied, by statement of its policy; and the way that needs it.
BACKUP, RESTORE, ARCHIVE = (
    "image backup",
    "restore volumes from an image backup",
    "archive an image backup, and ask it back",
)
OF_WORKERS = [
    ("TakeTask", "sqs:ReceiveMessage", BACKUP),
    ("TakeTask", "sqs:DeleteMessage", BACKUP),
    ("Report", "sqs:SendMessage", BACKUP),
    ("OpenTask", "kms:Decrypt", BACKUP),
    ("ReadRepository", "s3:GetObject", BACKUP),
    ("WriteSession", "s3:PutObject", BACKUP),
    ("WritePacks", "s3:PutObject", BACKUP),
    ("RepositoryKeys", "kms:GenerateDataKey", BACKUP),
    ("ReadSnapshots", "ebs:GetSnapshotBlock", BACKUP),
    ("ReadSnapshots", "ebs:ListChangedBlocks", BACKUP),
    ("ReadRepository", "s3:GetObject", RESTORE),
    ("RepositoryKeys", "kms:Decrypt", RESTORE),
    ("StartSnapshots", "ebs:StartSnapshot", RESTORE),
    ("TagStartedSnapshots", "ec2:CreateTags", RESTORE),
    ("WriteSnapshots", "ebs:PutSnapshotBlock", RESTORE),
    ("WriteSnapshots", "ebs:CompleteSnapshot", RESTORE),
    ("SeeSnapshots", "ec2:DescribeSnapshots", RESTORE),
    ("ReadSource", "s3:GetObject", ARCHIVE),
    ("WritePacks", "s3:PutObject", ARCHIVE),
]


@pytest.fixture
def scene(account):
    account.install()
    made = Scene(account)
    yield made
    made.close()


def share(of, count=SHARE):
    return list(of) if ALL else sorted(random.Random(SEED).sample(sorted(of), count))


def left(scene):
    """What there is, but for restore points of ours, and what they are made of."""
    points = scene.appliance.records.points.page(before=None, limit=1000)
    kept = {snapshot for point in points for snapshot in point.snapshots.values()}
    # A standing instance that was restored into has other volumes than before; what it had before is the customer's,
    # and stays under a tag that says so when it could be neither put back nor deleted.
    kept |= set(scene.account.customer.volumes(scene.rich).values())
    replaced = [{"Name": "tag-key", "Values": ["holdfast:kept-by"]}]
    kept |= {one["VolumeId"] for one in scene.ec2.describe_volumes(Filters=replaced)["Volumes"]}
    census = scene.hand.lab("census")
    return {
        (account, kind, one)
        for account, found in census.items()
        for kind, names in found.items()
        for one in names
        if one not in kept and kind not in ("security_groups",)
    }


def judged(action, outcome, before, scene):
    """What is wrong with how a way ended that was denied something, if anything is."""
    wrong = _judged(action, outcome, before, scene)
    # A campaign that is cut short shows what it has found so far.
    sys.stdout.write("".join(f"{line}\n" for line in wrong or [f"{action}: as it should be"]))
    return wrong


def _judged(action, outcome, before, scene):
    wrong = []
    if outcome.fine or not outcome.names(action):
        wrong.append(f"{action} is not named: {outcome}")
    elif action not in WARNINGS and not any(
        one.code == PermissionDeniedError.code and one.exit_status == 5 and action in f"{one.what} {one.why}"
        for one in outcome.errors
    ):
        wrong.append(f"{action} is no error of its own: {outcome}")
    report = scene.appliance.reap()
    scene.hand.settled()
    # What was put back only in part is put back whole by then.
    state = scene.account.customer.instance(scene.rich)["State"]["Name"]
    wrong += [] if state == "running" else [f"{action} leaves the instance {state}"]
    if report.failed or (remains := left(scene) - before):
        wrong.append(f"{action} leaves {report.failed or sorted(remains)}")
    return wrong


@pytest.mark.timeout(3600)
def test_without_an_action_of_the_appliance(scene):
    calls, wrong = Calls(scene.account), []
    with calls.made_by(FIRST):
        scene.prepare()
    for name, way in WAYS.items():
        if "worker" not in name:
            with calls.made_by(name):
                assert way(scene).fine, name
    needs: dict[str, Any] = {}
    for name, asked in calls.ways.items():
        for who, action in asked:
            if who == APPLIANCE and name in WAYS:
                needs.setdefault(action, name)
    needs |= BETTER
    # What was asked back is under way, so the second time nobody asks: `test_named_rights` denies it.
    for action in ("s3:CreateJob", "s3:DescribeJob", "s3:RestoreObject"):
        del needs[action]
    assert len(needs) > 50
    for action in share(needs):
        scene.appliance.reap()
        before = left(scene)
        with scene.account.without(action), scene.appliance.impatient():
            outcome = WAYS[needs[action]](scene)
        wrong += [f"{needs[action]}: {one}" for one in judged(action, outcome, before, scene)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(3600)
def test_without_an_action_of_a_worker(scene):
    scene.prepare()
    wrong = []
    for statement, action, way in share(OF_WORKERS, SHARE // 2):
        scene.appliance.reap()
        before = left(scene)
        with workers_without(statement, action), scene.appliance.impatient():
            outcome = WAYS[way](scene)
        wrong += [f"{way}, {statement}: {one}" for one in judged(action, outcome, before, scene)]
    assert not wrong, "\n".join(wrong)


def test_one_instance_is_denied_and_the_others_are_backed_up(scene):
    """A denial by the customer, of one instance: it has its error, and the session goes on."""
    scene.prepare()
    other = scene.account.customer.run()["InstanceId"]
    policy = scene.appliance.records.policies.get("shop").policy
    both = replace(policy, select=Selection(ids=(scene.rich, other)))
    scene.appliance.records.policies.put(both, datetime.now(UTC))
    with scene.account.denying("ec2:CreateSnapshots", f"arn:aws:ec2:{REGION}:123456789012:instance/{other}"):
        detail = scene.appliance.act(lambda service: service.run_policy("shop", ("snapshot",)))
    tasks = {task.workload.id: task for task in detail.tasks}
    assert (tasks[scene.rich].state, tasks[other].state) == ("succeeded", "failed")
    error = tasks[other].error
    assert (error.code, error.exit_status) == ("permission-denied", 5)
    assert "ec2:CreateSnapshots" in error.what
    assert detail.session.state == "failed"
