"""What a retrieval costs and when a copy goes, by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, Tier, days_until, end_of_copy
from holdfast.domain.retrieval import ColdData, estimate

TIB = 1024**4


@pytest.mark.parametrize(
    ("archive_class", "tier", "count", "size_bytes", "usd"),
    [
        # Of AWS re:Post, "How do I manage Amazon S3 Glacier data retrieval and storage costs?"
        (ArchiveClass.GLACIER, Tier.STANDARD, 15_000_000, 100 * TIB, "1774"),
        (ArchiveClass.GLACIER, Tier.EXPEDITED, 15_000_000, 100 * TIB, "153072"),
        (ArchiveClass.GLACIER, Tier.BULK, 15_000_000, 100 * TIB, "0"),
        (ArchiveClass.DEEP_ARCHIVE, Tier.STANDARD, 16_384, TIB, "22.1184"),
        (ArchiveClass.DEEP_ARCHIVE, Tier.BULK, 16_384, TIB, "2.9696"),
    ],
)
def test_a_retrieval_costs_its_requests_and_its_bytes(archive_class, tier, count, size_bytes, usd):
    assert LIST_PRICES.usd(archive_class, tier, count, size_bytes, 0) == Decimal(usd)


def test_copies_cost_what_lies_in_standard():
    free = LIST_PRICES.usd(ArchiveClass.GLACIER, Tier.BULK, 1, TIB, 30)
    assert free == Decimal("0.023") * 1024
    assert LIST_PRICES.usd(ArchiveClass.GLACIER, Tier.BULK, 1, TIB, 3) == free / 10


def test_tiers_are_offered_fastest_first_and_deep_archives_have_no_expedited():
    for archive_class in ArchiveClass:
        longest = [terms.longest for terms in LIST_PRICES.offers(archive_class).values()]
        assert longest == sorted(longest)
    assert Tier.EXPEDITED not in LIST_PRICES.offers(ArchiveClass.DEEP_ARCHIVE)
    assert "us-east-1" in LIST_PRICES.label


def test_a_copy_goes_at_midnight_after_its_days():
    # S3 User Guide: at 10:30 on the 15th for three days, gone at midnight before the 19th.
    asked = datetime(2012, 10, 15, 10, 30, tzinfo=UTC)
    assert end_of_copy(asked, 3) == datetime(2012, 10, 19, tzinfo=UTC)
    midnight = datetime(2012, 10, 15, tzinfo=UTC)
    assert end_of_copy(midnight, 1) == midnight + timedelta(days=1)


@pytest.mark.parametrize("hours", [0, 1, 10.5, 24, 47, 48, 500])
def test_as_many_days_are_asked_for_as_keep_a_copy_until_then(hours):
    now = datetime(2012, 10, 15, tzinfo=UTC) + timedelta(hours=hours)
    for end in (datetime(2012, 10, 10, tzinfo=UTC) + timedelta(days=day) for day in range(40)):
        days = days_until(end, now)
        assert days == 1 or end_of_copy(now, days - 1) < end
        assert end_of_copy(now, days) >= end


def test_to_keep_copies_costs_requests_at_the_cheapest_tier_and_their_days():
    there = ColdData(storage_class=ArchiveClass.DEEP_ARCHIVE, cold_packs=4000, readable_packs=4000, readable_bytes=TIB)
    assert estimate(there, 60).keeping_usd == 0.1 + 2 * 23.552
    assert estimate(there, 60).offers == ()
    nothing = ColdData(storage_class=ArchiveClass.DEEP_ARCHIVE, cold_packs=1, archived_packs=1, archived_bytes=TIB)
    assert estimate(nothing, 60).keeping_usd == 0
