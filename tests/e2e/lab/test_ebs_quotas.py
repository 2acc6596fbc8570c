"""The default quotas of the EBS direct APIs, met by a caller that does not wait."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import until

THROTTLED = ("RequestThrottledException", "ACCOUNT_THROTTLED", 400)


def refusal(account, _number):
    """What is said to who completes a snapshot that is not there, which costs the lab nothing but its quota."""
    with pytest.raises(ClientError) as error:
        account.ebs.complete_snapshot(SnapshotId="snap-0123456789abcdef0", ChangedBlocksCount=0)
    answer = error.value.response
    return answer["Error"]["Code"], answer.get("Reason"), answer["ResponseMetadata"]["HTTPStatusCode"]


def test_more_requests_than_the_quota_are_throttled(new_account):  # ebs-resource-quotas: 10 completions a second
    account = new_account("pending=10ms")
    with ThreadPoolExecutor(8) as threads:
        # Again, where the machine was too busy to send so many within a second.
        until(lambda: THROTTLED in threads.map(partial(refusal, account), range(40)))


def test_sdk_that_may_retry_gets_through(new_account):
    account = new_account("pending=10ms")
    patient = account.client("ebs", retries={"total_max_attempts": 10, "mode": "standard"})
    for _ in range(20):
        patient.start_snapshot(VolumeSize=1)
