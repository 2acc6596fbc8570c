"""What a worker's one policy says, and how long it gets."""

import dataclasses
import json

import pytest

from holdfast.appliance.ports.cloud import CopiedRepository, Ownership, WorkerOrder
from holdfast.aws.ownership import as_list
from holdfast.aws.policies.grants import MAX_ROLE_CHARACTERS
from holdfast.aws.worker_rights import grants_of, policy_of
from holdfast.domain.errors import UsageError
from holdfast.protocol.appliance_answers import AwsSettings
from tests.unit.aws.recorded_ec2 import RecordedEc2

OWN, OTHER = "123456789012", "210987654321"
OWNER = Ownership("a" * 32, "5" * 32, "7" * 32, 1, "worker")
BEFORE = Ownership("a" * 32, "4" * 32, "6" * 32, 1, "snapshot")
KEY = f"arn:aws:kms:ap-southeast-1:{OWN}:key/{'1' * 36}"
QUEUE = f"https://sqs.ap-southeast-1.amazonaws.com/{OWN}/holdfast-worker-aaaaaaaa-{'b' * 24}"
SETTINGS = AwsSettings(
    "stack", "ap-southeast-1", OWN, f"holdfast-{'5' * 12}-{OWN}-ap-southeast-1", {}, KEY,
    f"https://sqs.ap-southeast-1.amazonaws.com/{OWN}/holdfast-events-{'5' * 12}", "boundary",
)  # fmt: skip
# What EC2 attaches to one instance at most (EC2 user guide, "Amazon EBS volume limits").
MOST_VOLUMES = 128


def snapshots(count, owner, account_id=OWN, first=0, **facts):
    tags = as_list(owner.tags()) if owner is not None else []
    return [
        {"SnapshotId": f"snap-{number:017x}", "OwnerId": account_id, "Tags": tags, **facts}
        for number in range(first, first + count)
    ]


def grants(found, wanted=None):
    ids = tuple(one["SnapshotId"] for one in wanted or found)
    order = WorkerOrder(OWNER, "s3://the-bucket-of-a-repository/prefix", "8" * 32, ids)
    ec2 = RecordedEc2({"DescribeSnapshots": [{"Snapshots": found}]})
    return grants_of(ec2, SETTINGS, order, QUEUE, f"bundles/{'c' * 64}.tar.gz"), ec2


def named(found):
    return {grant.name: grant for grant in found}


def test_the_most_that_an_instance_has_fits_with_the_snapshots_before():
    found = snapshots(MOST_VOLUMES, OWNER) + snapshots(MOST_VOLUMES, BEFORE, first=MOST_VOLUMES)
    made, ec2 = grants(found)
    assert len(policy_of(made)) < 3_000
    tags = named(made)["ReadSnapshots"].conditions["StringEquals"]
    assert tags == {
        "aws:ResourceTag/holdfast:appliance": OWNER.appliance_id,
        "aws:ResourceTag/holdfast:task": (BEFORE.task_id, OWNER.task_id),
    }
    assert "ReadNamedSnapshots" not in named(made)
    asked = [values["Filters"][0]["Values"] for _, values in ec2.asked]
    assert [len(values) for values in asked] == [200, 56]


def test_as_many_of_another_account_fit_where_there_is_no_point_before():
    made, _ = grants(snapshots(MOST_VOLUMES, OWNER, OTHER))
    assert "ReadSnapshots" not in named(made)
    assert len(named(made)["ReadNamedSnapshots"].resources) == MOST_VOLUMES
    assert len(policy_of(made)) <= MAX_ROLE_CHARACTERS


def test_more_than_fit_are_refused_with_a_cure():
    made, _ = grants(snapshots(2 * MOST_VOLUMES, OWNER, OTHER))
    with pytest.raises(UsageError, match="256 snapshots of another account") as error:
        policy_of(made)
    assert "10240" in error.value.why
    assert "exclude" in error.value.cure


@pytest.mark.parametrize("owner", [None, Ownership("b" * 32, "4" * 32, "6" * 32, 1, "snapshot")])
def test_what_does_not_bear_our_tags_is_named(owner):
    """A base that another appliance took, one whose tags somebody removed, and one that is gone."""
    old, new = snapshots(1, owner, first=1), snapshots(1, OWNER, first=2)
    made, _ = grants(old + new, old + new + snapshots(1, None, first=3))
    ids = [one.rpartition("/")[2] for one in named(made)["ReadNamedSnapshots"].resources]
    assert ids == [f"snap-{1:017x}", f"snap-{3:017x}"]
    assert named(made)["ReadSnapshots"].conditions["StringEquals"]["aws:ResourceTag/holdfast:task"] == ("7" * 32,)


def test_keys_are_those_of_the_snapshots():
    made, _ = grants(snapshots(2, OWNER, Encrypted=True, KmsKeyId=KEY))
    statements = {one["Sid"]: one for one in json.loads(policy_of(made))["Statement"]}
    assert statements["OpenSnapshots"]["Resource"] == [KEY]


def test_a_worker_that_verifies_may_write_its_result_and_touch_no_snapshot():
    order = WorkerOrder(OWNER, "s3://the-bucket-of-a-repository/prefix", "8" * 32)
    ec2 = RecordedEc2({})
    made = named(grants_of(ec2, SETTINGS, order, QUEUE, f"bundles/{'c' * 64}.tar.gz"))
    writing = [grant for grant in made.values() if "s3:PutObject" in grant.actions]
    assert [grant.resources for grant in writing] == [
        (f"arn:aws:s3:::the-bucket-of-a-repository/prefix/sessions/{'8' * 32}/*",)
    ]
    assert not [action for grant in made.values() for action in grant.actions if action.startswith(("ebs:", "ec2:"))]
    assert ec2.asked == []
    behind = dataclasses.replace(order, reads_versions=True)
    assert "LookBehind" in named(grants_of(ec2, SETTINGS, behind, QUEUE, "bundle")).keys() - made.keys()


def test_who_copies_reads_the_source_and_no_snapshot():
    source = CopiedRepository("s3://the-source/standard", "5" * 32)
    order = WorkerOrder(OWNER, "s3://the-archive/deep", "8" * 32, copies_from=source)
    text = policy_of(grants_of(RecordedEc2({}), SETTINGS, order, QUEUE, "bundle"))
    for arn in ("the-source/standard/packs/*", "the-archive/deep/packs/*", f"standard/sessions/{'5' * 32}/alive-*"):
        assert arn in text
    assert "ebs:" not in text
    assert "GetObjectVersion" not in text
    behind = named(grants_of(RecordedEc2({}), SETTINGS, dataclasses.replace(order, reads_versions=True), QUEUE, "b"))
    assert all("the-source/standard/" in resource for resource in behind["LookBehind"].resources)
    local = dataclasses.replace(order, copies_from=CopiedRepository("/a/folder", "5" * 32))
    with pytest.raises(UsageError, match="cannot reach /a/folder"):
        grants_of(RecordedEc2({}), SETTINGS, local, QUEUE, "bundle")


def test_a_restore_worker_tags_and_writes_snapshots_of_its_own_attempt_alone():
    order = WorkerOrder(OWNER, "s3://the-bucket-of-a-repository/prefix", "8" * 32, writes_snapshots=True)
    granted = named(grants_of(RecordedEc2({}), SETTINGS, order, QUEUE, "bundle"))
    tags = dataclasses.replace(OWNER, purpose="restore").tags()
    asked = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    assert granted["StartSnapshots"].conditions == {"StringEquals": asked}
    assert granted["TagStartedSnapshots"].conditions == {"StringEquals": asked}
    there = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    assert granted["WriteSnapshots"].conditions == {"StringEquals": there}


@pytest.mark.parametrize("writes", [True, False])
def test_keys_of_buckets_are_a_worker_s_as_they_are_the_appliance_s(writes):
    key = f"arn:aws:kms:eu-north-1:{OWN}:key/{'2' * 36}"
    settings = dataclasses.replace(SETTINGS, repository_key_arns=(key,))
    order = WorkerOrder(OWNER, "s3://the-bucket-of-a-repository/prefix", "8" * 32, writes_snapshots=writes)
    made = grants_of(RecordedEc2({}), settings, order, QUEUE, f"bundles/{'c' * 64}.tar.gz")
    assert named(made)["RepositoryKeys"].resources == (key,)
    assert "RepositoryKeys" not in named(grants_of(RecordedEc2({}), SETTINGS, order, QUEUE, "bundles/c"))
