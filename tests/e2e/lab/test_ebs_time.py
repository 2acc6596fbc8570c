"""What time does to the EBS direct APIs: the lab's clock is turned, nobody waits."""

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import block

MINUTE, DAY = 60, 24 * 3600


def refused(error):
    answer = error.value.response
    return answer["Error"]["Code"], answer.get("Reason"), answer["ResponseMetadata"]["HTTPStatusCode"]


def test_block_tokens_expire_after_seven_days(own_account):  # ebsapi-faq
    account = own_account
    snapshot_id = account.snapshot_of({1: block(1)})
    token = account.listed(snapshot_id)[1]
    account.advance(7 * DAY - MINUTE)
    assert account.read(snapshot_id, 1, token) == block(1)
    account.advance(2 * MINUTE)
    with pytest.raises(ClientError) as error:
        account.read(snapshot_id, 1, token)
    assert refused(error) == ("ValidationException", "INVALID_BLOCK_TOKEN", 400)
    assert account.blocks(snapshot_id) == {1: block(1)}


def test_page_tokens_expire_after_60_minutes(own_account):  # ebsapi-faq
    account = own_account
    snapshot_id = account.snapshot_of({number: block(0) for number in range(101)})
    token = account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id, MaxResults=100)["NextToken"]
    account.advance(59 * MINUTE)
    page = account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id, NextToken=token)
    assert [entry["BlockIndex"] for entry in page["Blocks"]] == [100]
    account.advance(2 * MINUTE)
    with pytest.raises(ClientError) as error:
        account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id, NextToken=token)
    assert refused(error) == ("ValidationException", "INVALID_PAGE_TOKEN", 400)


def test_snapshot_that_nobody_writes_to_fails(own_account):  # API_StartSnapshot, Timeout; writesnapshots
    account = own_account
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1, Timeout=10)["SnapshotId"]
    account.advance(9 * MINUTE)
    account.put(snapshot_id, 0, block(0))
    account.advance(9 * MINUTE)
    assert account.state(snapshot_id) == "pending"
    account.advance(2 * MINUTE)
    assert account.state(snapshot_id) == "error"
    with pytest.raises(ClientError) as error:
        account.put(snapshot_id, 1, block(1))
    assert refused(error) == ("ValidationException", "WRITE_REQUEST_TIMEOUT", 400)


def test_time_does_not_run_backwards(own_account):
    before = own_account.lab("clock")["now"]
    with pytest.raises(OSError, match="400"):
        own_account.advance(-1)
    assert own_account.lab("clock")["now"] >= before
