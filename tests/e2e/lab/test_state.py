"""A lab that is started again on its folder has what it had, under the same ids."""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from holdfast.lab.process import start_lab
from tests.e2e.lab.account import Account, block

FAULTS = "quota=off,pending=50ms"


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_everything_of_ec2_is_there_again(tmp_path, end):
    lab = start_lab(tmp_path, FAULTS)
    account = Account(lab.endpoint)
    volume_id = account.new_volume()
    account.ec2.create_tags(Resources=[volume_id], Tags=[{"Key": "Name", "Value": "kept"}])
    account.write(volume_id, {1: block(1)})
    first = account.snapshot(volume_id)
    account.write(volume_id, {2: block(2)})
    account.ec2.modify_volume(VolumeId=volume_id, Size=2)
    gone = account.new_volume()
    account.ec2.delete_volume(VolumeId=gone)
    token = account.listed(first)[1]
    before = account.volume(volume_id), account.ec2.describe_snapshots(SnapshotIds=[first])["Snapshots"]
    if end == "killed":
        os.kill(lab.pid, signal.SIGKILL)
    lab.stop()

    with start_lab(tmp_path, FAULTS) as again:
        account = Account(again.endpoint)
        after = account.volume(volume_id), account.ec2.describe_snapshots(SnapshotIds=[first])["Snapshots"]
        assert after == before
        assert [found["VolumeId"] for found in account.ec2.describe_volumes()["Volumes"]] == [volume_id]
        assert account.read(first, 1, token) == block(1)
        assert account.content(volume_id, 2) == block(2)
        assert account.changed(first, account.snapshot(volume_id)) == {2: (False, True)}


def test_snapshot_that_was_being_written_goes_on(tmp_path):
    lab = start_lab(tmp_path, FAULTS)
    account = Account(lab.endpoint)
    parent = account.snapshot_of({0: block(0), 1: block(1)})
    started = account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)["SnapshotId"]
    account.put(started, 1, block(1, seed=1))
    account.put(started, 5, block(5))
    os.kill(lab.pid, signal.SIGKILL)
    lab.stop()

    with start_lab(tmp_path, FAULTS) as again:
        account = Account(again.endpoint)
        assert account.state(started) == "pending"
        account.put(started, 6, block(6))
        account.ebs.complete_snapshot(SnapshotId=started, ChangedBlocksCount=3)
        found = account.blocks(account.completed(started))
        assert found == {0: block(0), 1: block(1, seed=1), 5: block(5), 6: block(6)}


def test_sharing_and_tier_are_kept(tmp_path):
    with start_lab(tmp_path, FAULTS) as lab:
        account = Account(lab.endpoint)
        shared, archived = account.snapshot_of({}), account.snapshot_of({})
        account.ec2.modify_snapshot_attribute(
            SnapshotId=shared, Attribute="createVolumePermission", OperationType="add", UserIds=["210987654321"]
        )
        account.ec2.modify_snapshot_tier(SnapshotId=archived, StorageTier="archive")
    with start_lab(tmp_path, FAULTS) as again:
        account = Account(again.endpoint)
        attribute = account.ec2.describe_snapshot_attribute(SnapshotId=shared, Attribute="createVolumePermission")
        assert attribute["CreateVolumePermissions"] == [{"UserId": "210987654321"}]
        (found,) = account.ec2.describe_snapshots(SnapshotIds=[archived])["Snapshots"]
        assert found["StorageTier"] == "archive"


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_buckets_and_objects_are_there_again(tmp_path, end):
    lab = start_lab(tmp_path, FAULTS)
    s3 = Account(lab.endpoint).s3
    large = os.urandom(3 * 1024 * 1024)
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="a/large", Body=large, Metadata={"who": "me"}, StorageClass="STANDARD_IA")
    s3.put_object(Bucket="kept", Key="ä b%20/../ü", Body=b"odd name", Tagging="a=b")
    s3.put_object(Bucket="kept", Key="twice", Body=b"first")
    s3.put_object(Bucket="kept", Key="twice", Body=b"second")
    for number in range(4):
        s3.put_object(Bucket="kept", Key=f"gone/{number}", Body=os.urandom(100_000))
    s3.delete_object(Bucket="kept", Key="gone/0")
    s3.delete_objects(Bucket="kept", Delete={"Objects": [{"Key": f"gone/{number}"} for number in (1, 2, 3)]})
    s3.create_bucket(Bucket="gone")
    s3.delete_bucket(Bucket="gone")

    def seen(client):
        listed = client.list_objects_v2(Bucket="kept")["Contents"]
        heads = [client.head_object(Bucket="kept", Key=entry["Key"]) for entry in listed]
        for head in heads:
            del head["ResponseMetadata"]
        buckets = client.list_buckets()["Buckets"]
        return listed, heads, buckets, client.get_object_tagging(Bucket="kept", Key="ä b%20/../ü")["TagSet"]

    before = seen(s3)
    if end == "killed":
        os.kill(lab.pid, signal.SIGKILL)
    lab.stop()

    with start_lab(tmp_path, FAULTS) as again:
        s3 = Account(again.endpoint).s3
        assert seen(s3) == before
        assert [entry["Key"] for entry in before[0]] == ["a/large", "twice", "ä b%20/../ü"]
        assert s3.get_object(Bucket="kept", Key="a/large")["Body"].read() == large
        assert s3.get_object(Bucket="kept", Key="a/large", Range="bytes=5-9")["Body"].read() == large[5:10]
        assert s3.get_object(Bucket="kept", Key="twice")["Body"].read() == b"second"
        with pytest.raises(ClientError):
            s3.put_object(Bucket="kept", Key="twice", Body=b"third", IfNoneMatch="*")
        # Three contents and no more: what was overwritten or deleted takes no room.
        assert len(list(tmp_path.glob("s3/contents/*"))) == 3
        for key in ("a/large", "twice", "ä b%20/../ü"):
            s3.delete_object(Bucket="kept", Key=key)
        s3.delete_bucket(Bucket="kept")
        assert list(tmp_path.glob("s3/contents/*")) == []


def test_versions_and_locks_are_there_again(tmp_path):
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    with start_lab(tmp_path, FAULTS) as lab:
        s3 = Account(lab.endpoint).s3
        s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        first = s3.put_object(
            Bucket="locked", Key="k", Body=b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
        )["VersionId"]
        s3.put_object(Bucket="locked", Key="k", Body=b"2")
        s3.delete_object(Bucket="locked", Key="k")
        before = s3.list_object_versions(Bucket="locked")
    with start_lab(tmp_path, FAULTS) as again:
        s3 = Account(again.endpoint).s3
        after = s3.list_object_versions(Bucket="locked")
        assert (after["Versions"], after["DeleteMarkers"]) == (before["Versions"], before["DeleteMarkers"])
        assert s3.get_object(Bucket="locked", Key="k", VersionId=first)["Body"].read() == b"1"
        assert s3.head_object(Bucket="locked", Key="k", VersionId=first)["ObjectLockMode"] == "GOVERNANCE"
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket="locked", Key="k", VersionId=first)


def test_object_put_in_parts_is_there_again(tmp_path):
    parts = [os.urandom(5 * 1024 * 1024), b"tail"]
    with start_lab(tmp_path, FAULTS) as lab:
        s3 = Account(lab.endpoint).s3
        s3.create_bucket(Bucket="parts")
        upload = s3.create_multipart_upload(Bucket="parts", Key="k")["UploadId"]
        done = [
            {
                "PartNumber": n,
                "ETag": s3.upload_part(Bucket="parts", Key="k", UploadId=upload, PartNumber=n, Body=b)["ETag"],
            }
            for n, b in enumerate(parts, 1)
        ]
        s3.complete_multipart_upload(Bucket="parts", Key="k", UploadId=upload, MultipartUpload={"Parts": done})
        etag = s3.head_object(Bucket="parts", Key="k")["ETag"]
    with start_lab(tmp_path, FAULTS) as again:
        found = Account(again.endpoint).s3.get_object(Bucket="parts", Key="k")
        assert (found["ETag"], found["Body"].read()) == (etag, b"".join(parts))
