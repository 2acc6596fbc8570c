"""A lab that is started again on its folder, even after it was killed, has what it had under the same ids."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import Account, block
from tests.labs import start_lab

FAULTS = "quota=off,pending=50ms"
LARGE = os.urandom(3 * 1024 * 1024)
PARTS = [os.urandom(5 * 1024 * 1024), b"tail"]
ODD = "ä b%20/../ü"


class Before:
    """What was done in the first lab, and what was seen there at the end."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.ids: dict[str, str] = {}
        self.volumes_and_snapshots()
        self.open_snapshot()
        self.objects()
        self.versions()
        self.parts()
        self.seen = [self.volume_view(account), object_view(account), version_view(account)]

    def volumes_and_snapshots(self) -> None:
        account = self.account
        volume_id = self.ids["volume"] = account.new_volume()
        account.ec2.create_tags(Resources=[volume_id], Tags=[{"Key": "Name", "Value": "kept"}])
        account.write(volume_id, {1: block(1)})
        first = self.ids["first"] = account.snapshot(volume_id)
        account.write(volume_id, {2: block(2)})
        account.ec2.modify_volume(VolumeId=volume_id, Size=2)
        account.ec2.delete_volume(VolumeId=account.new_volume())
        account.ec2.delete_snapshot(SnapshotId=account.snapshot_of({9: block(9)}))
        account.ec2.modify_snapshot_attribute(
            SnapshotId=first, Attribute="createVolumePermission", OperationType="add", UserIds=["210987654321"]
        )
        archived = self.ids["archived"] = account.snapshot_of({})
        account.ec2.modify_snapshot_tier(SnapshotId=archived, StorageTier="archive")
        self.ids["token"] = account.listed(first)[1]

    def open_snapshot(self) -> None:
        account = self.account
        parent = account.snapshot_of({0: block(0), 1: block(1)})
        started = self.ids["open"] = account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)["SnapshotId"]
        account.put(started, 1, block(1, seed=1))
        account.put(started, 5, block(5))

    def objects(self) -> None:
        s3 = self.account.s3
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="a/large", Body=LARGE, Metadata={"who": "me"}, StorageClass="STANDARD_IA")
        s3.put_object(Bucket="kept", Key=ODD, Body=b"odd name", Tagging="a=b")
        s3.put_object(Bucket="kept", Key="twice", Body=b"first")
        s3.put_object(Bucket="kept", Key="twice", Body=b"second")
        for number in range(4):
            s3.put_object(Bucket="kept", Key=f"gone/{number}", Body=os.urandom(100_000))
        s3.delete_object(Bucket="kept", Key="gone/0")
        s3.delete_objects(Bucket="kept", Delete={"Objects": [{"Key": f"gone/{number}"} for number in (1, 2, 3)]})
        s3.put_object(Bucket="kept", Key="cold", Body=b"cold", StorageClass="DEEP_ARCHIVE")
        s3.restore_object(
            Bucket="kept", Key="cold", RestoreRequest={"Days": 2, "GlacierJobParameters": {"Tier": "Bulk"}}
        )
        s3.create_bucket(Bucket="gone")
        s3.delete_bucket(Bucket="gone")

    def versions(self) -> None:
        s3 = self.account.s3
        until = datetime.now(UTC) + timedelta(days=30)
        s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        lock: dict[str, Any] = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
        self.ids["locked"] = s3.put_object(Bucket="locked", Key="k", Body=b"1", **lock)["VersionId"]
        s3.put_object(Bucket="locked", Key="k", Body=b"2")
        s3.delete_object(Bucket="locked", Key="k")

    def parts(self) -> None:
        s3 = self.account.s3
        s3.create_bucket(Bucket="parts")
        upload = {"Bucket": "parts", "Key": "k"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        done = [
            {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
            for number, body in enumerate(PARTS, 1)
        ]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

    def volume_view(self, account: Account) -> Any:
        snapshots = account.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        return account.ec2.describe_volumes()["Volumes"], snapshots


def object_view(account: Account) -> Any:
    listed = account.s3.list_objects_v2(Bucket="kept")["Contents"]
    heads = [account.s3.head_object(Bucket="kept", Key=entry["Key"]) for entry in listed]
    heads.append(account.s3.head_object(Bucket="parts", Key="k"))
    for head in heads:
        del head["ResponseMetadata"]
    tags = account.s3.get_object_tagging(Bucket="kept", Key=ODD)["TagSet"]
    return listed, heads, tags, account.s3.list_buckets()["Buckets"]


def version_view(account: Account) -> Any:
    listed = account.s3.list_object_versions(Bucket="locked")
    return listed["Versions"], listed["DeleteMarkers"]


@pytest.fixture(scope="module", params=["stopped", "killed"])
def labs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Before, Account]]:
    """What was before, and the lab after."""
    folder = tmp_path_factory.mktemp("state")
    lab = start_lab(folder, FAULTS)
    try:
        before = Before(Account(lab.endpoint))
        if request.param == "killed":
            os.kill(lab.pid, signal.SIGKILL)
    finally:
        lab.stop()
    with start_lab(folder, FAULTS) as again:
        yield before, Account(again.endpoint)


def contents(account: Account) -> list[Path]:
    return list(account.path(account.ec2.describe_volumes()["Volumes"][0]["VolumeId"]).parents[1].glob("s3/contents/*"))


def test_everything_looks_as_it_did(labs):
    before, after = labs
    assert [before.volume_view(after), object_view(after), version_view(after)] == before.seen
    assert after.s3.head_object(Bucket="kept", Key="cold")["Restore"] == 'ongoing-request="true"'


def test_volumes_and_snapshots_have_their_data(labs):
    before, after = labs
    ids = before.ids
    assert after.read(ids["first"], 1, ids["token"]) == block(1)
    assert after.content(ids["volume"], 2) == block(2)
    assert after.changed(ids["first"], after.snapshot(ids["volume"])) == {2: (False, True)}


def test_sharing_and_tier_are_kept(labs):
    before, after = labs
    shared = after.ec2.describe_snapshot_attribute(SnapshotId=before.ids["first"], Attribute="createVolumePermission")
    assert shared["CreateVolumePermissions"] == [{"UserId": "210987654321"}]
    with pytest.raises(ClientError, match="archived"):
        after.listed(before.ids["archived"])


def test_snapshot_that_was_being_written_goes_on(labs):
    before, after = labs
    started = before.ids["open"]
    assert after.state(started) == "pending"
    after.put(started, 6, block(6))
    after.ebs.complete_snapshot(SnapshotId=started, ChangedBlocksCount=3)
    found = after.blocks(after.completed(started))
    assert found == {0: block(0), 1: block(1, seed=1), 5: block(5), 6: block(6)}


def test_objects_have_their_content(labs):
    _, after = labs
    assert after.s3.get_object(Bucket="kept", Key="a/large")["Body"].read() == LARGE
    assert after.s3.get_object(Bucket="kept", Key="a/large", Range="bytes=5-9")["Body"].read() == LARGE[5:10]
    assert after.s3.get_object(Bucket="kept", Key="twice")["Body"].read() == b"second"
    assert after.s3.get_object(Bucket="parts", Key="k")["Body"].read() == b"".join(PARTS)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        after.s3.put_object(Bucket="kept", Key="twice", Body=b"third", IfNoneMatch="*")


def test_locked_version_stays_locked(labs):
    before, after = labs
    version = {"Bucket": "locked", "Key": "k", "VersionId": before.ids["locked"]}
    assert after.s3.get_object(**version)["Body"].read() == b"1"
    with pytest.raises(ClientError, match="AccessDenied"):
        after.s3.delete_object(**version)


def test_what_was_deleted_takes_no_room(labs):
    """Four objects, one in parts, two versions: seven contents and no more, and those of deleted objects go."""
    _, after = labs
    assert len(contents(after)) == 7
    for key in ("a/large", "cold", "twice", ODD):
        after.s3.delete_object(Bucket="kept", Key=key)
    after.s3.delete_bucket(Bucket="kept")
    assert len(contents(after)) == 3
