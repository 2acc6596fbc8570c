"""Archive classes of S3 as AWS documents them: what is cold, how it is asked back, how long that takes, what it costs.

Times: Amazon S3 User Guide, "Understanding archive retrieval options". Least storage times: "Understanding and managing
Amazon S3 storage classes". Prices: Amazon S3 pricing, us-east-1, those of S3 Batch Operations among them; they are a
figure to decide by and no bill.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

_GIB = Decimal(1024**3)
_DAYS_A_MONTH = 30


class ArchiveClass(StrEnum):
    """A storage class whose objects have to be retrieved before they are read, under S3's name for it."""

    GLACIER = "GLACIER"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"

    @property
    def least_storage(self) -> timedelta:
        """Whoever deletes an object earlier pays for so long all the same."""
        return timedelta(days=90 if self is ArchiveClass.GLACIER else 180)


# What retrievals by a job take mostly, unless they are of very much.
BY_JOB_MOSTLY = timedelta(minutes=30)


class Tier(StrEnum):
    """How urgently an object is asked back."""

    EXPEDITED = "expedited"
    ACCELERATED = "accelerated"
    STANDARD = "standard"
    BULK = "bulk"

    @property
    def is_by_job(self) -> bool:
        """Whether no single object is asked for so: S3 is so fast where a job of S3 Batch Operations asks for all."""
        return self is Tier.ACCELERATED

    @property
    def alone(self) -> "Tier":
        """At which a single object is asked for by whoever wants this one, and has no job for it."""
        return Tier.STANDARD if self.is_by_job else self


def end_of_copy(since: datetime, days: int) -> datetime:
    """When a copy goes that is there, or whose end is set anew, at `since`: at the next midnight in UTC after its days
    (S3 User Guide, "Restoring an archived object").
    """
    end = since + timedelta(days=days)
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == end else midnight + timedelta(days=1)


def days_until(end: datetime, now: datetime) -> int:
    """For how many days from `now` a copy is to be asked for that goes at `end`, a midnight in UTC, or later: one at
    least.
    """
    return max(1, (end - now) // timedelta(days=1))


@dataclass(frozen=True, slots=True)
class TierTerms:
    """`longest`: what AWS calls typical at most, no promise. Prices in US dollars; all is asked for by one job, where
    there is one.
    """

    takes: str
    longest: timedelta
    usd_per_1000_requests: Decimal
    usd_per_gib: Decimal
    usd_per_job: Decimal = Decimal()


@dataclass(frozen=True, slots=True)
class PriceList:
    """What a retrieval costs; `label` says whose prices these are and of when."""

    label: str
    terms: Mapping[ArchiveClass, Mapping[Tier, TierTerms]]
    usd_per_gib_month_of_copies: Decimal

    def offers(self, archive_class: ArchiveClass) -> Mapping[Tier, TierTerms]:
        """The tiers that there are for objects of that class, the fastest first."""
        return self.terms[archive_class]

    def usd_of_keeping(self, archive_class: ArchiveClass, count: int, size_bytes: int, days: int) -> Decimal:
        """What it costs to have so many copies that are there for `days` from now, at the cheapest request."""
        return self._usd_of_requests(archive_class, Tier.BULK, count) + self._usd_of_copies(size_bytes, days)

    def usd(self, archive_class: ArchiveClass, tier: Tier, count: int, size_bytes: int, days: int) -> Decimal:
        """What it costs to retrieve so many objects with so many bytes in all, and to have the copies for `days`."""
        terms = self.terms[archive_class][tier]
        retrieved = terms.usd_per_job + terms.usd_per_gib * (Decimal(size_bytes) / _GIB)
        return self._usd_of_requests(archive_class, tier, count) + retrieved + self._usd_of_copies(size_bytes, days)

    def _usd_of_requests(self, archive_class: ArchiveClass, tier: Tier, count: int) -> Decimal:
        return self.terms[archive_class][tier].usd_per_1000_requests * count / 1000

    def _usd_of_copies(self, size_bytes: int, days: int) -> Decimal:
        return self.usd_per_gib_month_of_copies * (Decimal(size_bytes) / _GIB) * days / _DAYS_A_MONTH


def _terms(takes: str, longest: timedelta, requests: str, gib: str, job: str = "0") -> TierTerms:
    return TierTerms(takes, longest, Decimal(requests), Decimal(gib), Decimal(job))


# In DEEP_ARCHIVE there are no expedited retrievals, and none that a job makes faster; bulk ones from GLACIER are free.
# Of a job each object costs a dollar a million besides, and the standard tier's request.
LIST_PRICES = PriceList(
    label="list price of us-east-1, May 2026, without discounts and taxes; other regions differ",
    terms={
        ArchiveClass.GLACIER: {
            Tier.EXPEDITED: _terms("1 to 5 minutes", timedelta(minutes=5), "10.00", "0.03"),
            Tier.ACCELERATED: _terms(
                "mostly 15 to 30 minutes, at most 3 to 5 hours", timedelta(hours=5), "0.051", "0.01", "0.25"
            ),
            Tier.STANDARD: _terms("3 to 5 hours", timedelta(hours=5), "0.05", "0.01"),
            Tier.BULK: _terms("5 to 12 hours", timedelta(hours=12), "0", "0"),
        },
        ArchiveClass.DEEP_ARCHIVE: {
            Tier.STANDARD: _terms("within 12 hours", timedelta(hours=12), "0.10", "0.02"),
            Tier.BULK: _terms("within 48 hours", timedelta(hours=48), "0.025", "0.0025"),
        },
    },
    usd_per_gib_month_of_copies=Decimal("0.023"),
)
