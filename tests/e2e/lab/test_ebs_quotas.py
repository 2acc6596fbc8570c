"""The default quotas of the EBS direct APIs, met by a caller that does not wait."""

from typing import Any

import pytest
from botocore.exceptions import ClientError


def ask_often(account):
    for _ in range(60):
        account.ebs.start_snapshot(VolumeSize=1)


def test_more_requests_than_the_quota_are_throttled(new_account):  # ebs-resource-quotas: 10 starts a second
    account = new_account("pending=10ms")
    with pytest.raises(ClientError) as error:
        ask_often(account)
    answer: dict[str, Any] = dict(error.value.response)
    assert answer["Error"]["Code"] == "RequestThrottledException"
    assert (answer["Reason"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("ACCOUNT_THROTTLED", 400)


def test_sdk_that_may_retry_gets_through(new_account):
    account = new_account("pending=10ms")
    patient = account.client("ebs", retries={"total_max_attempts": 10, "mode": "standard"})
    for _ in range(20):
        patient.start_snapshot(VolumeSize=1)
