"""EC2 snapshots: what was in the volume's file at that moment, kept until the snapshot is deleted."""

from functools import partial

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import BLOCK_BYTES, HOUR_SECONDS, ZONE, Account, block, until
from tests.e2e.lab.fleet import Fleet


def code_of(error):
    return error.value.response["Error"]["Code"]


def volume_of(slow_account):
    """A volume of a lab whose clock the test turns."""
    volume_id = slow_account.ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
    slow_account.advance(HOUR_SECONDS)
    return volume_id


def stored_blocks(state):
    return {path.name for path in state.glob("blobs/*/*")}


def test_snapshot_has_the_blocks_with_data_and_no_others(account):
    volume_id = account.new_volume()
    blocks = {0: block(0), 1: block(1), 700: block(700), 2047: block(2047)}
    account.write(volume_id, blocks | {5: bytes(BLOCK_BYTES)})
    assert account.blocks(account.snapshot(volume_id)) == blocks


def test_snapshot_of_an_untouched_volume_is_empty(account):
    assert account.blocks(account.snapshot(account.new_volume())) == {}


def test_snapshot_is_of_the_moment_it_was_asked_for(account):
    volume_id = account.new_volume()
    account.write(volume_id, {4: block(4)})
    made = account.ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"]
    account.write(volume_id, {4: block(4, seed=1), 5: block(5)})
    assert account.blocks(account.completed(made)) == {4: block(4)}


def test_snapshot_is_pending_and_then_completed(slow_account):
    made = slow_account.ec2.create_snapshot(VolumeId=volume_of(slow_account), Description="why")
    assert (made["State"], made["Description"], made["VolumeSize"]) == ("pending", "why", 1)
    assert slow_account.state(made["SnapshotId"]) == "pending"
    slow_account.advance(HOUR_SECONDS)
    assert slow_account.state(made["SnapshotId"]) == "completed"


def test_no_volume_is_made_from_a_pending_snapshot(account):
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    with pytest.raises(ClientError) as error:
        account.ec2.create_volume(SnapshotId=snapshot_id, AvailabilityZone=ZONE)
    assert code_of(error) == "IncorrectState"


def test_volume_from_a_snapshot_has_the_data_and_may_be_larger(account):
    volume_id = account.new_volume()
    account.write(volume_id, {9: block(9)})
    snapshot_id = account.snapshot(volume_id)
    restored = account.new_volume(None, snapshot_id)
    assert account.volume(restored)["Size"] == 1
    assert account.content(restored, 9) == block(9)
    assert account.content(restored, 8) == bytes(BLOCK_BYTES)
    assert account.path(restored).stat().st_blocks * 512 == BLOCK_BYTES
    assert account.content(account.new_volume(3, snapshot_id), 9) == block(9)


def test_volume_smaller_than_its_snapshot_is_refused(account):
    snapshot_id = account.snapshot(account.new_volume(2))
    with pytest.raises(ClientError) as error:
        account.ec2.create_volume(SnapshotId=snapshot_id, AvailabilityZone=ZONE, Size=1)
    assert code_of(error) == "InvalidParameterValue"


def test_size_of_a_snapshot_stays_when_its_volume_grows(account):
    volume_id = account.new_volume(1)
    snapshot_id = account.snapshot(volume_id)
    account.ec2.modify_volume(VolumeId=volume_id, Size=2)
    (found,) = account.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert found["VolumeSize"] == 1


def test_snapshot_outlives_its_volume(account):
    volume_id = account.new_volume()
    account.write(volume_id, {1: block(1)})
    snapshot_id = account.snapshot(volume_id)
    account.ec2.delete_volume(VolumeId=volume_id)
    assert account.blocks(snapshot_id) == {1: block(1)}
    found = account.ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Snapshots"]
    assert [snapshot["SnapshotId"] for snapshot in found] == [snapshot_id]


def test_data_goes_with_the_last_snapshot_that_has_it(new_account, tmp_path):
    account = new_account(state=tmp_path)
    volume_id = account.new_volume()
    account.write(volume_id, {1: block(1), 2: block(2)})
    first = account.snapshot(volume_id)
    account.write(volume_id, {2: block(2, seed=1)})
    second = account.snapshot(volume_id)
    assert len(stored_blocks(tmp_path)) == 3
    account.ec2.delete_snapshot(SnapshotId=first)
    assert len(stored_blocks(tmp_path)) == 2
    assert account.blocks(second) == {1: block(1), 2: block(2, seed=1)}
    account.ec2.delete_snapshot(SnapshotId=second)
    assert stored_blocks(tmp_path) == set()
    with pytest.raises(ClientError) as error:
        account.state(second)
    assert code_of(error) == "InvalidSnapshot.NotFound"


def test_copy_has_the_blocks_of_its_source_in_a_lineage_of_its_own(account):
    volume_id = account.new_volume()
    account.write(volume_id, {6: block(6)})
    source = account.snapshot(volume_id)
    copied = account.ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source)["SnapshotId"]
    account.ec2.delete_snapshot(SnapshotId=source)
    assert account.blocks(account.completed(copied)) == {6: block(6)}


def test_copy_into_another_region_is_found_there(account):
    volume_id = account.new_volume()
    account.write(volume_id, {6: block(6)})
    source = account.snapshot(volume_id)
    abroad = Account(account.endpoint, region="eu-west-1")
    copied = abroad.ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source)["SnapshotId"]
    assert abroad.blocks(abroad.completed(copied)) == {6: block(6)}


def test_all_volumes_of_an_instance_in_one_call(account):
    image = account.ec2.register_image(Name="lab", RootDeviceName="/dev/xvda")["ImageId"]
    launched = account.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]
    data = account.new_volume()
    Fleet(account).reaches(launched["InstanceId"], "running")
    account.ec2.attach_volume(VolumeId=data, InstanceId=launched["InstanceId"], Device="/dev/sdf")
    account.write(data, {1: block(1)})
    specification = {"InstanceId": launched["InstanceId"], "ExcludeBootVolume": False}
    made = account.ec2.create_snapshots(InstanceSpecification=specification)["Snapshots"]
    of_data = next(snapshot["SnapshotId"] for snapshot in made if snapshot["VolumeId"] == data)
    assert len(made) == 2
    assert account.blocks(account.completed(of_data)) == {1: block(1)}


# Copying, sharing and encryption, as the EBS user guide and the API reference of CopySnapshot say it.

OTHER = "210987654321"


def described(account, snapshot_id):
    return account.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]


def encrypted_snapshot(account, key=None):
    made = {"Encrypted": True, **({"KmsKeyId": key} if key else {})}
    volume = account.ec2.create_volume(Size=1, AvailabilityZone=ZONE, **made)["VolumeId"]
    until(lambda: account.volume(volume)["State"] == "available")
    return account.snapshot(volume)


def in_error(account, snapshot_id):
    return account.state(snapshot_id) == "error"


def new_key(account):
    return account.client("kms").create_key()["KeyMetadata"]["Arn"]


def test_copy_takes_time_and_only_what_is_completed_is_copied(slow_account):
    account = slow_account
    with pytest.raises(ClientError) as error:
        account.ec2.copy_snapshot(
            SourceRegion="us-east-1", SourceSnapshotId=account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
        )
    assert code_of(error) == "IncorrectState"
    source = account.ec2.create_snapshot(VolumeId=volume_of(account))["SnapshotId"]
    account.advance(HOUR_SECONDS)
    abroad = Account(account.endpoint, region="eu-west-1")
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "k", "Value": "v"}]}]
    asked = {"SourceRegion": "us-east-1", "SourceSnapshotId": source, "Description": "far", "TagSpecifications": tags}
    copied = abroad.ec2.copy_snapshot(**asked)["SnapshotId"]
    found = described(abroad, copied)
    assert (found["State"], found["VolumeId"], found["Description"]) == ("pending", "vol-ffffffff", "far")
    assert found["Tags"] == tags[0]["Tags"]
    account.advance(HOUR_SECONDS)
    found = described(abroad, copied)
    assert (found["State"], found["Progress"]) == ("completed", "100%")
    with pytest.raises(ClientError) as error:
        abroad.ec2.copy_snapshot(**{**asked, "SourceRegion": "eu-west-1"})
    assert code_of(error) == "InvalidSnapshot.NotFound"


def test_copies_of_encrypted_snapshots_stay_encrypted_under_a_key_of_the_region(account):
    source, abroad = encrypted_snapshot(account, new_key(account)), Account(account.endpoint, region="eu-west-1")
    asked = {"SourceRegion": "us-east-1", "SourceSnapshotId": source}
    plain = described(abroad, abroad.completed(abroad.ec2.copy_snapshot(**asked)["SnapshotId"]))
    default = next(
        one["TargetKeyId"]
        for one in abroad.client("kms").list_aliases()["Aliases"]
        if one["AliasName"] == "alias/aws/ebs"
    )
    assert plain["Encrypted"]
    assert plain["KmsKeyId"].endswith(default)
    key = new_key(abroad)
    named = abroad.ec2.copy_snapshot(**asked, Encrypted=True, KmsKeyId=key)["SnapshotId"]
    assert described(abroad, abroad.completed(named))["KmsKeyId"] == key
    volume = abroad.ec2.create_volume(SnapshotId=named, AvailabilityZone="eu-west-1a")
    assert (volume["Encrypted"], volume["KmsKeyId"]) == (True, key), "as its snapshot is"


def test_unencrypted_ones_are_encrypted_when_asked_and_a_key_asks_for_it(account):
    asked = {"SourceRegion": "us-east-1", "SourceSnapshotId": account.snapshot(account.new_volume())}
    plain = account.ec2.copy_snapshot(**asked)["SnapshotId"]
    assert not described(account, account.completed(plain))["Encrypted"]
    sealed = account.ec2.copy_snapshot(**asked, Encrypted=True)["SnapshotId"]
    assert described(account, account.completed(sealed))["Encrypted"]
    with pytest.raises(ClientError) as error:
        account.ec2.copy_snapshot(**asked, KmsKeyId=new_key(account))
    assert code_of(error) == "InvalidParameterDependency"


def test_a_key_that_cannot_be_used_shows_when_the_copy_fails(account):
    asked = {"SourceRegion": "us-east-1", "SourceSnapshotId": account.snapshot(account.new_volume())}
    elsewhere = new_key(Account(account.endpoint, region="eu-west-1"))
    for key in ("alias/nobodys", elsewhere):
        copied = account.ec2.copy_snapshot(**asked, Encrypted=True, KmsKeyId=key)["SnapshotId"]
        until(partial(in_error, account, copied))
        assert described(account, copied)["StateMessage"] == "Given key ID is not accessible"
        with pytest.raises(ClientError):
            account.ec2.create_volume(SnapshotId=copied, AvailabilityZone=ZONE)
        account.ec2.delete_snapshot(SnapshotId=copied)


def test_another_account_copies_what_is_shared_with_it(account):
    other = Account(account.endpoint, region="eu-west-1", access_key=OTHER)
    volume_id = account.new_volume()
    account.write(volume_id, {3: block(3)})
    source = account.snapshot(volume_id)
    asked = {"SourceRegion": "us-east-1", "SourceSnapshotId": source}
    with pytest.raises(ClientError) as error:
        other.ec2.copy_snapshot(**asked)
    assert code_of(error) == "InvalidSnapshot.NotFound"
    share = {"Attribute": "createVolumePermission", "OperationType": "add", "UserIds": [OTHER]}
    account.ec2.modify_snapshot_attribute(SnapshotId=source, **share)
    copied = other.completed(other.ec2.copy_snapshot(**asked)["SnapshotId"])
    account.ec2.delete_snapshot(SnapshotId=source)
    assert other.blocks(copied) == {3: block(3)}
    assert described(other, copied)["OwnerId"] == OTHER


def test_what_is_encrypted_under_the_default_key_is_not_shared(account):
    share = {"Attribute": "createVolumePermission", "OperationType": "add", "UserIds": [OTHER]}
    with pytest.raises(ClientError) as error:
        account.ec2.modify_snapshot_attribute(SnapshotId=encrypted_snapshot(account), **share)
    assert code_of(error) == "OperationNotPermitted"
    account.ec2.modify_snapshot_attribute(SnapshotId=encrypted_snapshot(account, new_key(account)), **share)


def test_encryption_by_default_encrypts_whatever_is_made(account):
    """As "Encryption outcomes for EBS direct APIs" in the EBS user guide says it."""
    here = Account(account.endpoint, region="eu-north-1")
    plain = here.snapshot(here.ec2.create_volume(Size=1, AvailabilityZone="eu-north-1a")["VolumeId"])
    assert not here.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    assert here.ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    here.ec2.enable_ebs_encryption_by_default()
    volume = here.ec2.create_volume(Size=1, AvailabilityZone="eu-north-1a")
    started = here.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    copied = here.ec2.copy_snapshot(SourceRegion="eu-north-1", SourceSnapshotId=plain)["SnapshotId"]
    made = [volume, described(here, started), described(here, copied)]
    assert all(one["Encrypted"] for one in made)
    assert len({one["KmsKeyId"] for one in made}) == 1
    here.ebs.complete_snapshot(SnapshotId=started, ChangedBlocksCount=0)
    sharing = {"Attribute": "createVolumePermission", "OperationType": "add", "UserIds": [OTHER]}
    with pytest.raises(ClientError) as error:
        here.ec2.modify_snapshot_attribute(SnapshotId=here.completed(started), **sharing)
    assert code_of(error) == "OperationNotPermitted"
    with pytest.raises(ClientError) as error:
        here.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=plain)
    assert code_of(error) == "ValidationException"


def test_a_default_key_stays_when_aws_s_own_is_used(account):
    here = Account(account.endpoint, region="eu-south-1")
    key = here.client("kms").create_key()["KeyMetadata"]["Arn"]
    here.ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    started = here.ebs.start_snapshot(VolumeSize=1, Encrypted=True)["SnapshotId"]
    assert described(here, started)["KmsKeyId"] == key
    here.ebs.complete_snapshot(SnapshotId=started, ChangedBlocksCount=0)
    sharing = {"Attribute": "createVolumePermission", "OperationType": "add", "UserIds": [OTHER]}
    here.ec2.modify_snapshot_attribute(SnapshotId=here.completed(started), **sharing)
    assert here.ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key
