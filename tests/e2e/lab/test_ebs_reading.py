"""The reading half of the EBS direct APIs, rule by rule; each test names the page of AWS's documentation it is from."""

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import BLOCK_BYTES, Account, block, checksum, paged

# The service model's limit is checked by the SDK before a request is sent; some rules are about requests beyond it.
UNCHECKED = {"parameter_validation": False}


def refused(error):
    answer = error.value.response
    return answer["Error"]["Code"], answer.get("Reason"), answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def thousand(account):
    """The example of the user guide: a full snapshot of blocks 0 to 999, and one where only block 999 differs."""
    volume_id = account.new_volume()
    account.write(volume_id, {number: block(number % 7) for number in range(1000)})
    first = account.snapshot(volume_id)
    account.write(volume_id, {999: block(999, seed=1)})
    return first, account.snapshot(volume_id)


def test_listing_tells_size_block_size_and_expiry(account):  # API_ListSnapshotBlocks
    snapshot_id = account.snapshot_of({5: block(5)}, gib=3)
    page = account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id)
    assert (page["VolumeSize"], page["BlockSize"], len(page["Blocks"])) == (3, BLOCK_BYTES, 1)
    # Block tokens are valid for seven days (ebsapi-faq).
    assert page["ExpiryTime"].timestamp() - account.lab("clock")["now"] == pytest.approx(7 * 24 * 3600, abs=60)


def test_blocks_come_once_each_and_in_order(account, thousand):  # ebsapi-faq
    first, _ = thousand
    pages = list(paged(account.ebs.list_snapshot_blocks, SnapshotId=first, MaxResults=300))
    assert [len(page["Blocks"]) for page in pages] == [300, 300, 300, 100]
    assert [entry["BlockIndex"] for page in pages for entry in page["Blocks"]] == list(range(1000))


def test_listing_begins_at_the_starting_block_or_the_next_one(account):  # API_ListSnapshotBlocks
    snapshot_id = account.snapshot_of({number: block(number) for number in (3, 8, 20)})
    page = account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id, StartingBlockIndex=4)
    assert [entry["BlockIndex"] for entry in page["Blocks"]] == [8, 20]


def test_page_token_overrules_the_starting_block(account, thousand):  # ebsapi-faq
    first, _ = thousand
    token = account.ebs.list_snapshot_blocks(SnapshotId=first, MaxResults=100)["NextToken"]
    page = account.ebs.list_snapshot_blocks(SnapshotId=first, NextToken=token, StartingBlockIndex=900, MaxResults=100)
    assert page["Blocks"][0]["BlockIndex"] == 100


def test_fewer_than_100_results_cannot_be_had(account, thousand):  # ebsapi-faq
    client = account.client("ebs", **UNCHECKED)
    assert len(client.list_snapshot_blocks(SnapshotId=thousand[0], MaxResults=7)["Blocks"]) == 100


def test_more_than_10000_results_are_refused(account, thousand):  # API_ListSnapshotBlocks: valid range
    with pytest.raises(ClientError) as error:
        account.ebs.list_snapshot_blocks(SnapshotId=thousand[0], MaxResults=10_001)
    assert refused(error) == ("ValidationException", "INVALID_PARAMETER_VALUE", 400)


def test_tokens_of_two_listings_differ_and_both_work(account):  # ebsapi-elements: they change with another listing
    snapshot_id = account.snapshot_of({1: block(1)})
    earlier, later = account.listed(snapshot_id)[1], account.listed(snapshot_id)[1]
    assert earlier != later
    assert account.read(snapshot_id, 1, earlier) == account.read(snapshot_id, 1, later) == block(1)


def test_block_comes_with_length_and_checksum(account):  # ebsapis-using-checksums
    snapshot_id = account.snapshot_of({1: block(1)})
    answer = account.ebs.get_snapshot_block(
        SnapshotId=snapshot_id, BlockIndex=1, BlockToken=account.listed(snapshot_id)[1]
    )
    assert answer["BlockData"].read() == block(1)
    assert (answer["DataLength"], answer["ChecksumAlgorithm"]) == (BLOCK_BYTES, "SHA256")
    assert answer["Checksum"] == checksum(block(1))


@pytest.mark.parametrize("wrong", ["another block", "another snapshot", "made up", "no base64"])
def test_token_is_good_for_its_block_of_its_snapshot_only(account, wrong):  # ValidationExceptionReason
    snapshot_id = account.snapshot_of({1: block(1), 2: block(2)})
    tokens = account.listed(snapshot_id)
    token = {
        "another block": tokens[2],
        "another snapshot": account.listed(account.snapshot_of({1: block(1)}))[1],
        "made up": tokens[1][:-6] + "AAAAA=",
        "no base64": "%%%",
    }[wrong]
    with pytest.raises(ClientError) as error:
        account.read(snapshot_id, 1, token)
    assert refused(error) == ("ValidationException", "INVALID_BLOCK_TOKEN", 400)


def test_block_outside_the_volume_is_refused(account):  # ValidationExceptionReason
    snapshot_id = account.snapshot_of({1: block(1)})
    with pytest.raises(ClientError) as error:
        account.read(snapshot_id, 2048, account.listed(snapshot_id)[1])
    assert refused(error) == ("ValidationException", "INVALID_BLOCK", 400)


def test_page_token_is_good_for_its_listing_only(account, thousand):  # ValidationExceptionReason
    first, second = thousand
    token = account.ebs.list_snapshot_blocks(SnapshotId=first, MaxResults=100)["NextToken"]
    with pytest.raises(ClientError) as error:
        account.ebs.list_snapshot_blocks(SnapshotId=second, NextToken=token)
    assert refused(error) == ("ValidationException", "INVALID_PAGE_TOKEN", 400)


def test_unknown_snapshot(account):  # ResourceNotFoundExceptionReason
    for ask in (
        lambda: account.ebs.list_snapshot_blocks(SnapshotId="snap-0123456789abcdef0"),
        lambda: account.read("snap-0123456789abcdef0", 0, "AAAA"),
    ):
        with pytest.raises(ClientError) as error:
            ask()
        assert refused(error) == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)


def test_block_of_a_snapshot_deleted_meanwhile(account):
    snapshot_id = account.snapshot_of({1: block(1)})
    token = account.listed(snapshot_id)[1]
    account.ec2.delete_snapshot(SnapshotId=snapshot_id)
    with pytest.raises(ClientError) as error:
        account.read(snapshot_id, 1, token)
    assert refused(error) == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)


def test_pending_snapshot_cannot_be_read(account):  # ebsapi-faq
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    with pytest.raises(ClientError) as error:
        account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id)
    assert refused(error) == ("ValidationException", "INVALID_SNAPSHOT_ID", 400)


def test_archived_snapshot_cannot_be_read(account):  # readsnapshots, note
    snapshot_id = account.snapshot_of({1: block(1)})
    account.ec2.modify_snapshot_tier(SnapshotId=snapshot_id, StorageTier="archive")
    with pytest.raises(ClientError) as error:
        account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id)
    assert refused(error) == ("ValidationException", "INVALID_SNAPSHOT_ID", 400)


def test_snapshot_belongs_to_one_region(account):
    snapshot_id = account.snapshot_of({1: block(1)})
    with pytest.raises(ClientError) as error:
        Account(account.endpoint, region="eu-west-1").listed(snapshot_id)
    assert refused(error) == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)


def test_snapshot_of_another_account_is_read_once_it_is_shared(account):  # AccessDeniedExceptionReason
    snapshot_id = account.snapshot_of({1: block(1)})
    other = Account(account.endpoint, access_key="210987654321")
    with pytest.raises(ClientError) as error:
        other.listed(snapshot_id)
    assert refused(error) == ("AccessDeniedException", "UNAUTHORIZED_ACCOUNT", 403)
    account.ec2.modify_snapshot_attribute(
        SnapshotId=snapshot_id, Attribute="createVolumePermission", OperationType="add", UserIds=["210987654321"]
    )
    assert other.blocks(snapshot_id) == {1: block(1)}


# ------------------------------------------------------------------------------------------------------ changed blocks


def test_changes_between_two_snapshots_of_a_volume(account):  # API_ChangedBlock
    volume_id = account.new_volume()
    account.write(volume_id, {0: block(0), 1: block(1), 2: block(2)})
    first = account.snapshot(volume_id)
    account.write(volume_id, {1: block(1, seed=1), 2: bytes(BLOCK_BYTES), 9: block(9)})
    second = account.snapshot(volume_id)
    # 1 is other data; 2 became zeros and has no second token; 9 is new and has no first one.
    assert account.changed(first, second) == {1: (True, True), 2: (True, False), 9: (False, True)}
    page = account.ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)
    tokens = {entry["BlockIndex"]: entry for entry in page["ChangedBlocks"]}
    assert account.read(first, 1, tokens[1]["FirstBlockToken"]) == block(1)
    assert account.read(second, 1, tokens[1]["SecondBlockToken"]) == block(1, seed=1)


def test_equal_snapshots_have_no_changes(account):
    volume_id = account.new_volume()
    account.write(volume_id, {1: block(1)})
    assert account.changed(account.snapshot(volume_id), account.snapshot(volume_id)) == {}


def test_page_of_changes_can_be_empty_and_still_not_the_last(account, thousand):  # readsnapshots, first example
    pages = list(account.change_pages(*thousand, StartingBlockIndex=0, MaxResults=100))
    assert [len(page["ChangedBlocks"]) for page in pages] == [0] * 9 + [1]
    assert pages[9]["ChangedBlocks"][0]["BlockIndex"] == 999


def test_unwritten_blocks_fill_no_pages(account):  # readsnapshots, second example
    first = account.snapshot_of({number: block(0) for number in range(1500, 1700)})
    started = account.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=first)["SnapshotId"]
    second = account.written(started, {1500: block(1)})
    page = account.ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second, MaxResults=100)
    assert [entry["BlockIndex"] for entry in page["ChangedBlocks"]] == [1500]


def test_snapshots_of_a_restored_volume_are_of_the_same_lineage(account):  # writesnapshots, snapshots A and D
    volume_id = account.new_volume()
    account.write(volume_id, {1: block(1), 2: block(2)})
    first = account.snapshot(volume_id)
    restored = account.new_volume(None, first)
    account.write(restored, {2: block(2, seed=1)})
    assert account.changed(first, account.snapshot(restored)) == {2: (True, True)}


def test_changes_of_a_volume_that_grew(account):
    volume_id = account.new_volume(1)
    account.write(volume_id, {1: block(1)})
    first = account.snapshot(volume_id)
    account.ec2.modify_volume(VolumeId=volume_id, Size=2)
    account.write(volume_id, {3000: block(3000)})
    second = account.snapshot(volume_id)
    assert account.changed(first, second) == {3000: (False, True)}
    assert account.ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)["VolumeSize"] == 2


def test_unrelated_snapshots_are_not_compared(account):  # ValidationExceptionReason
    first, second = account.snapshot(account.new_volume()), account.snapshot(account.new_volume())
    with pytest.raises(ClientError) as error:
        account.changed(first, second)
    assert refused(error) == ("ValidationException", "UNRELATED_SNAPSHOTS", 400)


def test_changes_need_both_snapshots(account):  # API_ListChangedBlocks
    with pytest.raises(ClientError) as error:
        account.ebs.list_changed_blocks(SecondSnapshotId=account.snapshot_of({}))
    assert refused(error) == ("ValidationException", "INVALID_PARAMETER_VALUE", 400)


def test_changes_need_the_base_alive(account):
    volume_id = account.new_volume()
    first, second = account.snapshot(volume_id), account.snapshot(volume_id)
    account.ec2.delete_snapshot(SnapshotId=first)
    with pytest.raises(ClientError) as error:
        account.changed(first, second)
    assert refused(error) == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404)
