"""How many requests the EBS direct APIs take a second: AWS's default quotas, kept as token buckets.

The figures are the defaults of https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html (also listed
by Service Quotas for `ebs`). A bucket holds one second's requests.
"""

import threading
from collections.abc import Callable

from holdfast.lab.ebs_errors import RequestThrottledError

REQUESTS_PER_SECOND_PER_ACCOUNT = {
    "ListSnapshotBlocks": 50,
    "ListChangedBlocks": 50,
    "GetSnapshotBlock": 1_000,
    "StartSnapshot": 10,
    "PutSnapshotBlock": 1_000,
    "CompleteSnapshot": 10,
}
REQUESTS_PER_SECOND_PER_SNAPSHOT = {"GetSnapshotBlock": 1_000, "PutSnapshotBlock": 1_000}


class EbsQuotas:
    """Counts requests against the quotas; `monotonic` tells real time, which is what a rate is about."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[tuple[str, ...], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, account: str, region: str, operation: str, snapshot_id: str) -> None:
        """Count one request; RequestThrottledError where it is one too many."""
        with self._lock:
            if not self._take((account, region, operation), REQUESTS_PER_SECOND_PER_ACCOUNT[operation]):
                raise RequestThrottledError("ACCOUNT_THROTTLED", f"Too many {operation} requests of this account.")
            rate = REQUESTS_PER_SECOND_PER_SNAPSHOT.get(operation)
            if rate is not None and not self._take((account, region, operation, snapshot_id), rate):
                raise RequestThrottledError(
                    "RESOURCE_LEVEL_THROTTLE", f"Too many {operation} requests for {snapshot_id}."
                )

    def _take(self, key: tuple[str, ...], rate: int) -> bool:
        now = self._monotonic()
        left, since = self._buckets.get(key, (float(rate), now))
        left = min(float(rate), left + (now - since) * rate)
        self._buckets[key] = (max(left - 1, 0.0) if left >= 1 else left, now)
        return left >= 1
