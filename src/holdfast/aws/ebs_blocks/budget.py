"""How many requests a second we may make: learnt from AWS's throttling, shared by all that runs in this process.

AWS counts EBS direct requests per account, region and action (Amazon EBS User Guide, "Quotas for EBS direct APIs").
"""

import threading
from dataclasses import dataclass, field

from holdfast.patience import REAL_WAITING, Waiting

# AWS's default quota for GetSnapshotBlock and PutSnapshotBlock, per account.
DEFAULT_REQUESTS_PER_SECOND = 1000.0
SLOWEST_REQUESTS_PER_SECOND = 1.0
# Requests may come in bunches as large as this share of a second's budget.
BURST_SECONDS = 0.1
# Each throttling round costs this factor, at most once in CUT_INTERVAL_SECONDS: answers of one round arrive together.
CUT_FACTOR = 0.7
CUT_INTERVAL_SECONDS = 0.25
# The share of the full rate that comes back every second.
RECOVERY_PER_SECOND = 0.05


@dataclass
class RequestBudget:
    """A rate that falls when AWS throttles and recovers with time; may be used from many threads."""

    full_per_second: float = DEFAULT_REQUESTS_PER_SECOND
    waiting: Waiting = REAL_WAITING
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _per_second: float = field(init=False)
    _rated_at_seconds: float = field(init=False)
    _cut_at_seconds: float = field(init=False, default=float("-inf"))
    _next_due_seconds: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._per_second = self.full_per_second
        self._rated_at_seconds = self.waiting.monotonic()

    @property
    def requests_per_second(self) -> float:
        """The rate at this moment."""
        with self._lock:
            return self._rate(self.waiting.monotonic())

    def acquire(self) -> None:
        """Return when one more request may be sent; sleeps as long as that takes."""
        with self._lock:
            now_seconds = self.waiting.monotonic()
            due_seconds = max(self._next_due_seconds, now_seconds - BURST_SECONDS)
            self._next_due_seconds = due_seconds + 1 / self._rate(now_seconds)
        if due_seconds > now_seconds:
            self.waiting.sleep(due_seconds - now_seconds)

    def throttled(self) -> None:
        """AWS asked for patience: slow down everybody who shares this budget."""
        with self._lock:
            now_seconds = self.waiting.monotonic()
            if now_seconds - self._cut_at_seconds < CUT_INTERVAL_SECONDS:
                return
            self._cut_at_seconds = now_seconds
            self._per_second = max(SLOWEST_REQUESTS_PER_SECOND, self._rate(now_seconds) * CUT_FACTOR)
            self._next_due_seconds = max(self._next_due_seconds, now_seconds)

    def _rate(self, now_seconds: float) -> float:
        recovered = self.full_per_second * RECOVERY_PER_SECOND * (now_seconds - self._rated_at_seconds)
        self._per_second = min(self.full_per_second, self._per_second + recovered)
        self._rated_at_seconds = now_seconds
        return self._per_second


_shared: dict[tuple[str, str, str], RequestBudget] = {}
_shared_lock = threading.Lock()


def shared_budget(account: str, region: str, action: str) -> RequestBudget:
    """The one budget of this process for `action` (`ebs:GetSnapshotBlock`) of an account in a region."""
    with _shared_lock:
        return _shared.setdefault((account, region, action), RequestBudget())
