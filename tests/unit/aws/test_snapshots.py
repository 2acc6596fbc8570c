"""Snapshots of an instance: exactly once though EC2 knows no client token, and never an incomplete set."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from holdfast.appliance.points.snapshot_tags import MOST_PARTS
from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.clients import SHOWN_AFTER_SECONDS
from holdfast.aws.ec2.snapshots import (
    DESCRIPTION_TAGS,
    MAX_TAGS,
    create_snapshots,
    delete_snapshots,
    described_snapshots,
    foreign_snapshots,
    snapshots_percent,
    tag_snapshots,
)
from holdfast.aws.ownership import as_list
from holdfast.aws.written_down import Book
from holdfast.domain.errors import ConflictError, PermissionDeniedError, QuotaReachedError, UnavailableError
from holdfast.signed_http.aws_answers import Refusal
from tests.unit.aws.memory_ledger import MemoryLedger
from tests.unit.aws.recorded_ec2 import RecordedEc2
from tests.unit.sleeping_clock import SleepingClock

OWNER = Ownership("a" * 32, "5" * 32, "7" * 32, 1, "snapshot")
DEVICES = {"/dev/xvda": "vol-0", "/dev/sdf": "vol-1", "/dev/sdg": "vol-2"}
INSTANCE = {
    "InstanceId": "i-1",
    "State": {"Name": "running"},
    "RootDeviceName": "/dev/xvda",
    "BlockDeviceMappings": [{"DeviceName": device, "Ebs": {"VolumeId": one}} for device, one in DEVICES.items()],
}
DESCRIBED = {"Reservations": [{"Instances": [INSTANCE]}]}


def made(*volume_ids):
    return [{"VolumeId": one, "SnapshotId": f"snap-of-{one}", "State": "pending"} for one in volume_ids]


def take(ec2, ledger, *volume_ids):
    book = Book(ledger, lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    return create_snapshots(ec2, book, OWNER, "i-1", volume_ids, {}, "", copy_tags=False)


def client(*, before=(), created=None, delete=None):
    return RecordedEc2(
        {
            "DescribeInstances": [DESCRIBED],
            "DescribeSnapshots": [{"Snapshots": list(before)}],
            "CreateSnapshots": [{"Snapshots": created}] if isinstance(created, list) else [created],
            "DeleteSnapshot": [delete or {}],
        }
    )


def test_the_copied_tags_of_a_snapshot_that_ec2_does_not_know_yet_are_asked_for_again():
    ec2 = client(created=made("vol-1"))
    ec2.answer("DescribeVolumes", {"Volumes": [{"VolumeId": "vol-1", "Tags": [{"Key": "Name", "Value": "shop"}]}]})
    unknown = Refusal(400, "InvalidSnapshot.NotFound", "it is not there")
    ec2.answer("CreateTags", unknown, unknown, {})
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    create_snapshots(ec2, book, OWNER, "i-1", ("vol-1",), {}, "", copy_tags=True)
    assert ec2.operations("CreateTags") == ["CreateTags"] * 3
    ec2.answer("CreateTags", Refusal(403, "UnauthorizedOperation", "you may not"))
    with pytest.raises(PermissionDeniedError):
        create_snapshots(ec2, book, OWNER, "i-1", ("vol-1",), {}, "", copy_tags=True)


def bearing(snapshot_id, owner):
    return {"SnapshotId": snapshot_id, "State": "completed", "Tags": as_list(owner.tags())}


def test_a_snapshot_is_foreign_until_ec2_shows_it_with_the_tags_of_the_attempt():
    clock = SleepingClock()
    answers = [{"Snapshots": []}, {"Snapshots": [bearing("snap-1", OWNER)]}]
    ec2 = RecordedEc2({"DescribeSnapshots": list(answers)})
    assert foreign_snapshots(ec2, clock.waiting(), OWNER, ("snap-1",)) == ()
    assert 0 < clock.seconds < SHOWN_AFTER_SECONDS
    assert {"Name": "tag:holdfast:task", "Values": [OWNER.task_id]} in ec2.parameters("DescribeSnapshots")["Filters"]


def test_foreign_snapshots_are_named():
    other = replace(OWNER, purpose="restored")
    ec2 = RecordedEc2({"DescribeSnapshots": [{"Snapshots": [bearing("snap-1", OWNER), bearing("snap-2", other)]}]})
    clock = SleepingClock()
    asked = ("snap-3", "snap-2", "snap-1")
    assert foreign_snapshots(ec2, clock.waiting(), OWNER, asked) == ("snap-2", "snap-3")
    assert clock.seconds >= SHOWN_AFTER_SECONDS


def test_what_is_not_asked_for_is_excluded_in_the_words_of_ec2():
    ec2 = client(created=made("vol-1"))
    assert take(ec2, MemoryLedger(), "vol-1") == {"vol-1": "snap-of-vol-1"}
    asked = ec2.parameters("CreateSnapshots")["InstanceSpecification"]
    assert asked == {"InstanceId": "i-1", "ExcludeBootVolume": True, "ExcludeDataVolumeIds": ["vol-2"]}


def test_all_volumes_exclude_nothing():
    ec2 = client(created=made(*DEVICES.values()))
    take(ec2, MemoryLedger(), *DEVICES.values())
    assert ec2.parameters("CreateSnapshots")["InstanceSpecification"] == {"InstanceId": "i-1"}


def test_an_answer_that_was_lost_is_found_by_its_tags():
    ec2, ledger = client(before=made("vol-0", "vol-1")), MemoryLedger()
    assert take(ec2, ledger, "vol-0", "vol-1") == {"vol-0": "snap-of-vol-0", "vol-1": "snap-of-vol-1"}
    assert ec2.operations("CreateSnapshots") == []
    assert ledger.open_objects() == {("snapshot", "snap-of-vol-0"), ("snapshot", "snap-of-vol-1")}


def test_a_set_that_lacks_a_volume_is_deleted_before_another_is_made():
    ec2 = client(before=made("vol-0"), created=made("vol-0", "vol-1"))
    take(ec2, MemoryLedger(), "vol-0", "vol-1")
    assert ec2.operations("CreateSnapshots", "DeleteSnapshot") == ["DeleteSnapshot", "CreateSnapshots"]


def test_of_two_sets_neither_is_believed():
    twice = [*made("vol-0", "vol-1"), {**made("vol-0")[0], "SnapshotId": "snap-of-another-moment"}]
    ec2 = client(before=twice, created=made("vol-0", "vol-1"))
    take(ec2, MemoryLedger(), "vol-0", "vol-1")
    assert ec2.operations("CreateSnapshots", "DeleteSnapshot") == ["DeleteSnapshot"] * 3 + ["CreateSnapshots"]


def test_a_volume_attached_meanwhile_spoils_the_set():
    ec2, ledger = client(created=made("vol-0", "vol-1", "vol-9")), MemoryLedger()
    with pytest.raises(ConflictError, match="not of the volumes asked for"):
        take(ec2, ledger, "vol-0", "vol-1")
    assert ec2.operations("DeleteSnapshot") == ["DeleteSnapshot"] * 3


def test_every_snapshot_is_in_the_ledger_before_it_can_exist():
    ledger = MemoryLedger()
    ec2 = client(created=UnavailableError("no answer", why="cut", cure="again"))
    with pytest.raises(UnavailableError):
        take(ec2, ledger, "vol-0", "vol-1")
    assert [(row.kind, row.object_id) for row in ledger.open_rows()] == [("snapshot", "")] * 2


def test_a_quota_says_which_action_reached_it():
    ec2 = client(created=Refusal(400, "SnapshotLimitExceeded", "too many"))
    with pytest.raises(QuotaReachedError, match="ec2:CreateSnapshots"):
        take(ec2, MemoryLedger(), "vol-0")


def test_a_snapshot_that_failed_is_told():
    ec2 = RecordedEc2({"DescribeSnapshots": [{"Snapshots": [{"SnapshotId": "snap-1", "State": "error"}]}]})
    with pytest.raises(UnavailableError, match="snap-1 failed"):
        snapshots_percent(ec2, ("snap-1",))
    assert snapshots_percent(ec2, ()) == 100


def test_a_snapshot_behind_an_image_is_not_deleted_silently():
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    with pytest.raises(ConflictError):
        delete_snapshots(client(delete=Refusal(400, "InvalidSnapshot.InUse", "ami-1 uses it")), book, ("snap-1",))


def test_copied_tags_leave_room_for_the_description():
    many = [{"Key": f"key-{number}", "Value": "v"} for number in range(MAX_TAGS)]
    ec2 = RecordedEc2(
        {
            "DescribeInstances": [DESCRIBED],
            "DescribeSnapshots": [{"Snapshots": []}],
            "CreateSnapshots": [{"Snapshots": made("vol-1")}],
            "DescribeVolumes": [{"Volumes": [{"VolumeId": "vol-1", "Tags": many}]}],
            "CreateTags": [{}],
        }
    )
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    create_snapshots(ec2, book, OWNER, "i-1", ("vol-1",), {"why": "daily"}, "", copy_tags=True)
    born = ec2.parameters("CreateSnapshots")["TagSpecifications"][0]["Tags"]
    assert len(born) + len(ec2.parameters("CreateTags")["Tags"]) + DESCRIPTION_TAGS == MAX_TAGS
    assert DESCRIPTION_TAGS == MOST_PARTS + 1


def test_described_snapshots_are_told_in_one_call_and_found_by_their_tag():
    tags = [
        {"Key": key, "Value": value}
        for key, value in (
            ("holdfast:appliance", "a" * 32), ("holdfast:session", "5" * 32), ("holdfast:task", "7" * 32),
            ("holdfast:attempt", "1"), ("holdfast:purpose", "snapshot"), ("holdfast:point", "1 x 0 y"),
        )
    ]  # fmt: skip
    found = [
        {"SnapshotId": "snap-1", "State": "completed", "Tags": tags},
        {"SnapshotId": "snap-2", "State": "pending", "Tags": [{"Key": "holdfast:point", "Value": ""}]},
        {"SnapshotId": "snap-3", "State": "error", "Tags": tags},
    ]
    ec2 = RecordedEc2({"DescribeSnapshots": [{"Snapshots": found}], "CreateTags": [{}]})
    first, second = described_snapshots(ec2)
    assert (first.id, first.ownership, first.completed, first.tags["holdfast:point"]) == (
        "snap-1", OWNER, True, "1 x 0 y",
    )  # fmt: skip
    assert (second.id, second.ownership, second.completed) == ("snap-2", None, False)
    asked = ec2.parameters("DescribeSnapshots")
    assert asked == {"OwnerIds": ["self"], "Filters": [{"Name": "tag-key", "Values": ["holdfast:point"]}]}
    tag_snapshots(ec2, ("snap-1", "snap-2"), {"k": "v"})
    assert ec2.parameters("CreateTags") == {"Resources": ["snap-1", "snap-2"], "Tags": [{"Key": "k", "Value": "v"}]}


def test_snapshots_are_at_a_hundred_percent_when_each_is_completed():
    def percent(*facts):
        found = [{"SnapshotId": f"snap-{number}", "State": state, "Progress": progress}
                 for number, (state, progress) in enumerate(facts)]  # fmt: skip
        ec2 = RecordedEc2({"DescribeSnapshots": [{"Snapshots": found}]})
        return snapshots_percent(ec2, tuple(one["SnapshotId"] for one in found))

    assert percent(("completed", "100%"), ("completed", "100%")) == 100
    assert percent(("completed", "100%"), ("pending", "100%")) == 99
    assert percent(("completed", "100%"), ("pending", "")) == 50
    assert percent(("pending", "12%"), ("pending", "7%")) == 9
