"""A lab that is started again on its folder has what it had, under the same ids."""

import os
import signal

import pytest

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
