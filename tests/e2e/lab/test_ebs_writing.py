"""The writing half of the EBS direct APIs, rule by rule; each test names the page of AWS's documentation it is from."""

import uuid

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import BLOCK_BYTES, HOUR_SECONDS, Account, aggregate, block, checksum

LINEAR = {"ChecksumAlgorithm": "SHA256", "ChecksumAggregationMethod": "LINEAR"}


def refused(error):
    answer = error.value.response
    return answer["Error"]["Code"], answer.get("Reason"), answer["ResponseMetadata"]["HTTPStatusCode"]


def test_start_tells_what_was_started(account):  # API_StartSnapshot
    tags = [{"Key": "lab", "Value": "started"}]
    answer = account.ebs.start_snapshot(VolumeSize=8, Description="d", Tags=tags)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    facts = {name: answer[name] for name in ("Status", "VolumeSize", "BlockSize", "Description", "Tags", "OwnerId")}
    assert facts == {
        "Status": "pending", "VolumeSize": 8, "BlockSize": BLOCK_BYTES, "Description": "d", "Tags": tags,
        "OwnerId": "123456789012",
    }  # fmt: skip


def test_snapshot_is_seen_by_ec2_from_start_to_end(slow_account):  # writesnapshots
    account = slow_account
    snapshot_id = account.ebs.start_snapshot(VolumeSize=2, Tags=[{"Key": "lab", "Value": "seen"}])["SnapshotId"]
    (found,) = account.ec2.describe_snapshots(Filters=[{"Name": "tag:lab", "Values": ["seen"]}])["Snapshots"]
    assert (found["SnapshotId"], found["State"], found["VolumeSize"]) == (snapshot_id, "pending", 2)
    # What DescribeSnapshots says of a snapshot without a volume.
    assert found["VolumeId"] == "vol-ffffffff"
    account.put(snapshot_id, 4, block(4))
    answer = account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    assert (answer["Status"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("pending", 202)
    assert account.state(snapshot_id) == "pending"
    account.advance(HOUR_SECONDS)
    assert account.state(snapshot_id) == "completed"
    assert account.blocks(snapshot_id) == {4: block(4)}


def test_volume_from_a_written_snapshot_has_its_data(account):
    restored = account.new_volume(None, account.snapshot_of({0: block(0), 2047: block(2047)}))
    assert account.content(restored, 0) == block(0)
    assert account.content(restored, 1) == bytes(BLOCK_BYTES)
    assert account.content(restored, 2047) == block(2047)


def test_child_has_the_blocks_of_its_parent_and_its_own_over_them(account):  # writesnapshots
    parent = account.snapshot_of({0: block(0), 1: block(1)})
    answer = account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)
    assert answer["ParentSnapshotId"] == parent
    child = account.written(answer["SnapshotId"], {1: block(1, seed=1), 7: block(7)})
    assert account.blocks(child) == {0: block(0), 1: block(1, seed=1), 7: block(7)}
    assert account.changed(parent, child) == {1: (True, True), 7: (False, True)}


def test_child_outlives_its_parent_even_while_it_is_written(account):
    parent = account.snapshot_of({0: block(0)})
    started = account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)["SnapshotId"]
    account.ec2.delete_snapshot(SnapshotId=parent)
    assert account.blocks(account.written(started, {1: block(1)})) == {0: block(0), 1: block(1)}


def test_block_that_is_put_again_is_overwritten(account):  # API_PutSnapshotBlock
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    account.put(snapshot_id, 3, block(3))
    answer = account.put(snapshot_id, 3, block(3, seed=1), Progress=50)
    assert (answer["Checksum"], answer["ChecksumAlgorithm"]) == (checksum(block(3, seed=1)), "SHA256")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    assert account.blocks(account.completed(snapshot_id)) == {3: block(3, seed=1)}


def test_written_zeros_are_a_block(account):
    assert account.blocks(account.snapshot_of({3: bytes(BLOCK_BYTES)})) == {3: bytes(BLOCK_BYTES)}


@pytest.mark.parametrize(
    ("number", "data", "options", "reason"),
    [
        (0, block(0), {"Checksum": checksum(block(1))}, "INVALID_PARAMETER_VALUE"),
        (0, block(0), {"Checksum": "AAAA"}, "INVALID_PARAMETER_VALUE"),
        (0, block(0), {"ChecksumAlgorithm": "MD5"}, "INVALID_PARAMETER_VALUE"),
        (0, block(0)[:-1], {}, "INVALID_PARAMETER_VALUE"),
        (0, block(0)[:-1], {"DataLength": BLOCK_BYTES}, "INVALID_PARAMETER_VALUE"),
        (0, block(0) + b"1", {"DataLength": BLOCK_BYTES}, "INVALID_PARAMETER_VALUE"),
        (0, block(0), {"Progress": 101}, "INVALID_PARAMETER_VALUE"),
        (2048, block(0), {}, "INVALID_BLOCK"),
    ],
)
def test_what_put_refuses(account, number, data, options, reason):  # API_PutSnapshotBlock
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    with pytest.raises(ClientError) as error:
        account.put(snapshot_id, number, data, **options)
    assert refused(error) == ("ValidationException", reason, 400)
    # Nothing of it is there.
    account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=0)


def test_nothing_is_put_into_a_completed_snapshot(account):  # API_CompleteSnapshot
    snapshot_id = account.snapshot_of({0: block(0)})
    with pytest.raises(ClientError) as error:
        account.put(snapshot_id, 1, block(1))
    assert refused(error) == ("ValidationException", "INVALID_SNAPSHOT_ID", 400)
    with pytest.raises(ClientError) as error:
        account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=1)
    assert refused(error) == ("ValidationException", "INVALID_SNAPSHOT_ID", 400)


def test_nothing_is_put_into_a_snapshot_of_a_volume(account):
    with pytest.raises(ClientError) as error:
        account.put(account.snapshot(account.new_volume()), 1, block(1))
    assert refused(error) == ("ValidationException", "INVALID_SNAPSHOT_ID", 400)


def test_complete_checks_the_aggregated_checksum(account):  # ebsapis-using-checksums
    blocks = {9: block(9), 2: block(2), 5: block(5)}
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    for number, data in blocks.items():
        account.put(snapshot_id, number, data)
    wrong = aggregate({2: block(9), 5: block(5), 9: block(2)})
    with pytest.raises(ClientError) as error:
        account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=3, Checksum=wrong, **LINEAR)
    assert refused(error) == ("ValidationException", "INVALID_PARAMETER_VALUE", 400)
    account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=3, Checksum=aggregate(blocks), **LINEAR)
    assert account.blocks(account.completed(snapshot_id)) == blocks


@pytest.mark.parametrize("count", [0, 2])
def test_complete_checks_the_number_of_blocks(account, count):  # API_CompleteSnapshot
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    account.put(snapshot_id, 1, block(1))
    with pytest.raises(ClientError) as error:
        account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=count)
    assert refused(error) == ("ValidationException", "INVALID_PARAMETER_VALUE", 400)


def test_client_token_makes_one_snapshot(account):  # ebs-direct-api-idempotency
    token = str(uuid.uuid4())
    started = [account.ebs.start_snapshot(VolumeSize=1, ClientToken=token)["SnapshotId"] for _ in range(2)]
    assert started[0] == started[1]
    with pytest.raises(ClientError) as error:
        account.ebs.start_snapshot(VolumeSize=2, ClientToken=token)
    assert refused(error) == ("ConflictException", None, 409)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"VolumeSize": 65_537}, "INVALID_VOLUME_SIZE"),
        ({"Timeout": 4_321}, "INVALID_PARAMETER_VALUE"),
        ({"Description": "x" * 256}, "INVALID_PARAMETER_VALUE"),
        ({"KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1"}, "INVALID_PARAMETER_VALUE"),
        ({"KmsKeyArn": "mine", "Encrypted": True}, "INVALID_CUSTOMER_KEY"),
        ({"Tags": [{"Key": str(number), "Value": ""} for number in range(51)]}, "INVALID_TAG"),
        ({"Tags": [{"Key": "aws:mine", "Value": ""}]}, "INVALID_TAG"),
    ],
)
def test_what_start_refuses(account, options, reason):  # API_StartSnapshot
    with pytest.raises(ClientError) as error:
        account.ebs.start_snapshot(**{"VolumeSize": 1} | options)
    assert refused(error) == ("ValidationException", reason, 400)


def test_parent_and_encrypted_exclude_each_other(account):  # API_StartSnapshot
    parent = account.snapshot_of({})
    with pytest.raises(ClientError) as error:
        account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent, Encrypted=True)
    assert refused(error) == ("ValidationException", "INVALID_PARAMETER_VALUE", 400)


def test_parent_must_fit_into_the_volume(account):
    parent = account.snapshot_of({}, gib=2)
    with pytest.raises(ClientError) as error:
        account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)
    assert refused(error) == ("ValidationException", "INVALID_VOLUME_SIZE", 400)


def test_parent_must_exist(account):
    with pytest.raises(ClientError) as error:
        account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId="snap-0123456789abcdef0")
    assert refused(error) == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)


def test_encryption_passes_from_snapshot_to_child_and_volume(account):  # ebsapis-using-encryption
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    parent = account.ebs.start_snapshot(VolumeSize=1, Encrypted=True, KmsKeyArn=key)["SnapshotId"]
    account.written(parent, {0: block(0)})
    answer = account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)
    assert answer["KmsKeyArn"] == key
    child = account.written(answer["SnapshotId"], {})
    assert account.volume(account.new_volume(None, child))["Encrypted"] is True


def test_at_most_100_snapshots_are_written_at_once(new_account):  # quota "Pending snapshots per account"
    account: Account = new_account()
    started = [account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"] for _ in range(100)]
    with pytest.raises(ClientError) as error:
        account.ebs.start_snapshot(VolumeSize=1)
    assert refused(error) == ("ConcurrentLimitExceededException", None, 400)
    account.ec2.delete_snapshot(SnapshotId=started[0])
    account.ebs.start_snapshot(VolumeSize=1)


def test_pending_snapshot_can_be_deleted(account):
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    account.put(snapshot_id, 0, block(0))
    account.ec2.delete_snapshot(SnapshotId=snapshot_id)
    with pytest.raises(ClientError) as error:
        account.put(snapshot_id, 1, block(1))
    assert refused(error) == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)
