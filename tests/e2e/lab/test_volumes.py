"""EC2 volumes: moto's, with a file behind each."""

import os

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import BLOCK_BYTES, HOUR_SECONDS, ZONE, block, until

GIB = 1024**3


def code_of(error):
    return error.value.response["Error"]["Code"]


def test_new_volume_is_a_sparse_file_of_its_size(account):
    path = account.path(account.new_volume(2))
    assert path.stat().st_size == 2 * GIB
    assert path.stat().st_blocks * 512 < BLOCK_BYTES


def test_volume_is_creating_before_it_is_available(slow_account):
    """And is deleted only then (API reference, DeleteVolume: "must be in the available state")."""
    made = slow_account.ec2.create_volume(Size=1, AvailabilityZone=ZONE)
    assert made["State"] == slow_account.volume(made["VolumeId"])["State"] == "creating"
    with pytest.raises(ClientError) as error:
        slow_account.ec2.delete_volume(VolumeId=made["VolumeId"])
    assert code_of(error) == "IncorrectState"
    slow_account.advance(HOUR_SECONDS)
    assert slow_account.volume(made["VolumeId"])["State"] == "available"


def test_deleted_volume_leaves_no_file(account):
    volume_id = account.new_volume()
    path = account.path(volume_id)
    account.ec2.delete_volume(VolumeId=volume_id)
    assert not path.exists()
    with pytest.raises(ClientError) as error:
        account.volume(volume_id)
    assert code_of(error) == "InvalidVolume.NotFound"


def test_grown_volume_keeps_its_data_and_reads_zeros_behind_it(account):
    volume_id = account.new_volume(1)
    account.write(volume_id, {3: block(3)})
    account.ec2.modify_volume(VolumeId=volume_id, Size=2)
    assert account.path(volume_id).stat().st_size == 2 * GIB
    assert account.content(volume_id, 3) == block(3)
    assert account.content(volume_id, 2048 + 7) == bytes(BLOCK_BYTES)


def test_volume_cannot_shrink(account):
    volume_id = account.new_volume(2)
    with pytest.raises(ClientError) as error:
        account.ec2.modify_volume(VolumeId=volume_id, Size=1)
    assert code_of(error) == "InvalidParameterValue"


@pytest.mark.parametrize("gib", [0, 65_537])
def test_impossible_sizes_are_refused(account, gib):
    with pytest.raises(ClientError) as error:
        account.ec2.create_volume(Size=gib, AvailabilityZone=ZONE)
    assert code_of(error) == "InvalidParameterValue"


def test_volume_of_16_tib_costs_nothing_and_is_listed_from_end_to_end(account):
    volume_id = account.new_volume(16 * 1024)
    last_but_one = 16 * 1024 * 2048 - 2
    account.write(volume_id, {0: block(0), last_but_one: block(last_but_one)})
    snapshot_id = account.snapshot(volume_id)
    assert account.blocks(snapshot_id) == {0: block(0), last_but_one: block(last_but_one)}
    account.ec2.delete_volume(VolumeId=volume_id)


def test_tags_are_found(account):
    tags = [{"Key": "lab", "Value": "volume-tags"}]
    specification = [{"ResourceType": "volume", "Tags": tags}]
    made = account.ec2.create_volume(Size=1, AvailabilityZone=ZONE, TagSpecifications=specification)
    found = account.ec2.describe_volumes(Filters=[{"Name": "tag:lab", "Values": ["volume-tags"]}])["Volumes"]
    assert [(volume["VolumeId"], volume["Tags"]) for volume in found] == [(made["VolumeId"], tags)]


def test_writing_needs_nothing_but_the_file(account):
    volume_id = account.new_volume()
    with account.path(volume_id).open("r+b") as file:
        os.pwrite(file.fileno(), b"superblock", 1024)
    assert account.blocks(account.snapshot(volume_id))[0][1024:1034] == b"superblock"


def test_a_client_token_makes_one_volume(account):
    """API reference, CreateVolume: "Unique, case-sensitive identifier that you provide to ensure the idempotency"."""
    request = {"AvailabilityZone": "us-east-1a", "Size": 1, "ClientToken": "once"}
    first = account.ec2.create_volume(**request)["VolumeId"]
    assert account.ec2.create_volume(**request)["VolumeId"] == first
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        account.ec2.create_volume(**request | {"Size": 2})
    until(lambda: account.volume(first)["State"] == "available")
    account.ec2.delete_volume(VolumeId=first)


def keys_that_cannot_be_used(account):
    kms = account.client("kms")
    disabled, dying = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.disable_key(KeyId=disabled)
    kms.schedule_key_deletion(KeyId=dying)
    return [disabled, dying, "alias/nobodys", "arn:aws:kms:eu-west-1:123456789012:key/elsewhere"]


def missing(account, volume_id):
    with pytest.raises(ClientError) as error:
        account.volume(volume_id)
    return code_of(error)


def test_a_volume_whose_key_cannot_be_used_is_creating_and_then_gone(slow_account):
    """EBS tells nobody: github.com/hashicorp/terraform/issues/23651, github.com/aws/aws-cli/issues/2604."""
    account = slow_account
    asked = {"Size": 1, "AvailabilityZone": ZONE, "Encrypted": True}
    good = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    made = [account.ec2.create_volume(**asked, KmsKeyId=key)["VolumeId"] for key in keys_that_cannot_be_used(account)]
    kept = [account.ec2.create_volume(**asked, KmsKeyId=key)["VolumeId"] for key in (good, "alias/aws/ebs")]
    paths = [account.path(one) for one in made]
    assert {account.volume(one)["State"] for one in made + kept} == {"creating"}
    account.advance(HOUR_SECONDS)
    assert {missing(account, one) for one in made} == {"InvalidVolume.NotFound"}
    assert [account.volume(one)["State"] for one in kept] == ["available"] * 2
    assert not any(path.exists() for path in paths)


def test_no_volume_comes_of_a_snapshot_whose_key_was_disabled_since(account):
    kms, ec2 = account.client("kms"), account.ec2
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    asked = {"Size": 1, "AvailabilityZone": ZONE, "Encrypted": True}
    source = ec2.create_volume(**asked, KmsKeyId=key)["VolumeId"]
    until(lambda: account.volume(source)["State"] == "available")
    snapshot_id = account.snapshot(source)
    kms.disable_key(KeyId=key)
    made = ec2.create_volume(SnapshotId=snapshot_id, AvailabilityZone=ZONE)["VolumeId"]
    until(lambda: made not in [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]])
    kms.enable_key(KeyId=key)
    account.new_volume(snapshot_id=snapshot_id)
