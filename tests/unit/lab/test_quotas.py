"""Quotas of the EBS direct APIs, without a second's waiting."""

import pytest

from holdfast.lab.ebs_errors import RequestThrottledError
from holdfast.lab.ebs_quotas import REQUESTS_PER_SECOND_PER_ACCOUNT, EbsQuotas


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def taken(quotas, count, snapshot_id="snap-1", account="1", operation="GetSnapshotBlock"):
    done = 0
    for _ in range(count):
        try:
            quotas.take(account, "us-east-1", operation, snapshot_id)
        except RequestThrottledError:
            continue
        done += 1
    return done


@pytest.mark.parametrize("operation", REQUESTS_PER_SECOND_PER_ACCOUNT)
def test_one_second_takes_what_the_quota_says(operation):
    quotas = EbsQuotas(Clock())
    rate = REQUESTS_PER_SECOND_PER_ACCOUNT[operation]
    assert taken(quotas, rate + 50, operation=operation) == rate


def test_quota_fills_up_with_time():
    clock = Clock()
    quotas = EbsQuotas(clock)
    taken(quotas, 2_000)
    clock.seconds += 0.1
    assert taken(quotas, 2_000) == pytest.approx(100, abs=1)
    clock.seconds += 3_600
    assert taken(quotas, 2_000) == 1_000


def test_accounts_do_not_share():
    quotas = EbsQuotas(Clock())
    taken(quotas, 2_000)
    assert taken(quotas, 10, account="2") == 10


def test_reason_tells_which_quota_it_was():
    quotas = EbsQuotas(Clock())
    taken(quotas, 50, operation="ListSnapshotBlocks")
    with pytest.raises(RequestThrottledError) as error:
        quotas.take("1", "us-east-1", "ListSnapshotBlocks", "snap-1")
    assert error.value.reason == "ACCOUNT_THROTTLED"
