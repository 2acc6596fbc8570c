"""The suite for object stores that have archive classes: what AWS documents of them, under a clock that jumps.

Subclass `ColdStoreContract` in a test file, name the subclass `Test…`, and give it two fixtures: `store`, new and
empty, and `advance`, which lets so many seconds pass for the store.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, Tier
from holdfast.domain.errors import HoldfastError, NeedsRetrievalError, ObjectNotFoundError, UsageError
from holdfast.repository.object_store import Coldness, ObjectStore, StorageTerms

Advance = Callable[[float], None]
KEY = "packs/00/cold"
BODY = b"what is cold"
JUNK = b"junk"
HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS
# A clock that jumps is still one that runs.
SLACK = timedelta(minutes=1)

EVERY_CLASS = pytest.mark.parametrize("archive_class", list(ArchiveClass))
EVERY_OFFER = pytest.mark.parametrize(
    ("archive_class", "tier"),
    [(one, tier) for one in ArchiveClass for tier in LIST_PRICES.offers(one) if not tier.is_by_job],
)


def put_cold(store: ObjectStore, archive_class: ArchiveClass, key: str = KEY) -> None:
    """Create an object in an archive class."""
    store.create(key, BODY, hashlib.sha256(BODY).digest(), StorageTerms(archive_class=archive_class))


def put_junk_over(store: ObjectStore) -> str:
    """Create another object over the one that is there; the id of that."""
    old = store.head(KEY).version
    assert old is not None
    store.hide(KEY)
    store.create(KEY, JUNK, hashlib.sha256(JUNK).digest())
    return old


def coldness(store: ObjectStore, key: str = KEY) -> Coldness:
    """What HEAD says of an object that is cold."""
    found = store.head(key).coldness
    assert found is not None
    return found


class ColdStoreContract:
    """What the port promises of archive classes, as tests."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """A new, empty store; the subclass gives it."""
        raise NotImplementedError

    @pytest.fixture
    def advance(self) -> Advance:
        """Lets seconds pass; the subclass gives it."""
        raise NotImplementedError

    @EVERY_CLASS
    def test_a_cold_object_is_described_and_not_read(self, store: ObjectStore, archive_class: ArchiveClass) -> None:
        put_cold(store, archive_class)
        found = store.head(KEY)
        assert (found.size_bytes, found.coldness) == (len(BODY), Coldness())
        assert found.sha256 in (None, hashlib.sha256(BODY).digest())
        assert [one.key for one in store.list("packs/")] == [KEY]
        for offset, length in ((0, None), (0, 3), (4, None)):
            with pytest.raises(NeedsRetrievalError):
                store.get(KEY, offset, length)

    def test_all_else_is_not_cold(self, store: ObjectStore) -> None:
        store.create("config", BODY, hashlib.sha256(BODY).digest())
        assert store.head("config").coldness is None
        store.retrieve("config", 1, Tier.STANDARD)
        assert bytes(store.get("config")) == BODY

    def test_what_is_not_there_is_not_retrieved(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectNotFoundError):
            store.retrieve("packs/00/missing", 1, Tier.STANDARD)

    @EVERY_CLASS
    def test_what_jobs_get_no_single_object_does(self, store: ObjectStore, archive_class: ArchiveClass) -> None:
        put_cold(store, archive_class)
        with pytest.raises(HoldfastError):
            store.retrieve(KEY, 2, Tier.ACCELERATED)
        assert store.head(KEY).coldness == Coldness()

    @EVERY_OFFER
    def test_a_retrieval_takes_its_time(
        self, store: ObjectStore, advance: Advance, archive_class: ArchiveClass, tier: Tier
    ) -> None:
        put_cold(store, archive_class)
        store.retrieve(KEY, 2, tier)
        longest = LIST_PRICES.offers(archive_class)[tier].longest
        assert coldness(store) == Coldness(under_way=True)
        advance((longest - SLACK).total_seconds())
        assert coldness(store) == Coldness(under_way=True)
        with pytest.raises(NeedsRetrievalError):
            store.get(KEY)
        advance(2 * SLACK.total_seconds())
        found = coldness(store)
        assert not found.under_way
        assert found.readable_until is not None
        assert bytes(store.get(KEY)) == BODY
        assert bytes(store.get(KEY, 2, 3)) == BODY[2:5]

    @EVERY_CLASS
    def test_a_copy_goes_at_midnight_after_its_days(
        self, store: ObjectStore, advance: Advance, archive_class: ArchiveClass
    ) -> None:
        put_cold(store, archive_class)
        store.retrieve(KEY, 2, Tier.STANDARD)
        advance(13 * HOUR_SECONDS)
        until = coldness(store).readable_until
        assert until is not None
        assert (until.hour, until.minute, until.second) == (0, 0, 0)
        advance(DAY_SECONDS)
        assert bytes(store.get(KEY)) == BODY
        advance(2 * DAY_SECONDS)
        assert coldness(store) == Coldness()
        with pytest.raises(NeedsRetrievalError):
            store.get(KEY)
        store.retrieve(KEY, 1, Tier.STANDARD)
        assert coldness(store).under_way

    @EVERY_CLASS
    def test_a_copy_is_kept_longer(self, store: ObjectStore, advance: Advance, archive_class: ArchiveClass) -> None:
        put_cold(store, archive_class)
        store.retrieve(KEY, 1, Tier.STANDARD)
        advance(13 * HOUR_SECONDS)
        before = coldness(store).readable_until
        store.retrieve(KEY, 10, Tier.BULK)
        after = coldness(store).readable_until
        assert before is not None
        assert after is not None
        assert timedelta(days=8) < after - before < timedelta(days=11)
        assert bytes(store.get(KEY)) == BODY

    @EVERY_CLASS
    def test_asking_again_changes_nothing(
        self, store: ObjectStore, advance: Advance, archive_class: ArchiveClass
    ) -> None:
        put_cold(store, archive_class)
        store.retrieve(KEY, 2, Tier.STANDARD)
        advance(HOUR_SECONDS)
        store.retrieve(KEY, 2, Tier.STANDARD)
        store.retrieve(KEY, 30, Tier.BULK)
        advance(12 * HOUR_SECONDS)
        until = coldness(store).readable_until
        assert until is not None
        advance(4 * DAY_SECONDS)
        assert coldness(store) == Coldness()

    @EVERY_CLASS
    def test_a_faster_tier_hastens(self, store: ObjectStore, advance: Advance, archive_class: ArchiveClass) -> None:
        put_cold(store, archive_class)
        offers = LIST_PRICES.offers(archive_class)
        fastest, slowest = next(iter(offers)), list(offers)[-1]
        store.retrieve(KEY, 2, slowest)
        store.retrieve(KEY, 2, fastest)
        advance((offers[fastest].longest + SLACK).total_seconds())
        assert bytes(store.get(KEY)) == BODY

    def test_there_are_no_expedited_retrievals_from_the_deep_archive(self, store: ObjectStore) -> None:
        put_cold(store, ArchiveClass.DEEP_ARCHIVE)
        with pytest.raises(UsageError):
            store.retrieve(KEY, 1, Tier.EXPEDITED)
        assert coldness(store) == Coldness()

    @EVERY_CLASS
    def test_of_several_versions_each_is_cold_by_itself(
        self, store: ObjectStore, advance: Advance, archive_class: ArchiveClass
    ) -> None:
        put_cold(store, archive_class)
        with pytest.raises(ObjectNotFoundError):
            store.retrieve(KEY, 1, Tier.STANDARD, "no-such-version")
        if not store.protection().versions:
            return
        old = put_junk_over(store)
        assert store.head(KEY).coldness is None
        store.retrieve(KEY, 1, Tier.STANDARD)
        assert store.head(KEY, old).coldness == Coldness()
        with pytest.raises(NeedsRetrievalError):
            store.get(KEY, version=old)
        store.retrieve(KEY, 1, Tier.STANDARD, old)
        advance(13 * HOUR_SECONDS)
        assert (bytes(store.get(KEY, version=old)), bytes(store.get(KEY))) == (BODY, JUNK)

    @EVERY_CLASS
    def test_a_cold_version_is_copied_while_it_can_be_read(
        self, store: ObjectStore, advance: Advance, archive_class: ArchiveClass
    ) -> None:
        if not store.protection().versions:
            return
        terms = StorageTerms(archive_class=archive_class)
        put_cold(store, archive_class)
        store.hide(KEY)
        old = store.head(KEY).version
        assert old is not None
        store.reinstate(KEY, old, terms)  # nothing is read for that
        assert [one.version for one in store.versions(KEY)] == [old]
        put_junk_over(store)
        before = list(store.versions(KEY))
        with pytest.raises(NeedsRetrievalError):
            store.reinstate(KEY, old, terms)
        assert list(store.versions(KEY)) == before
        store.retrieve(KEY, 1, Tier.STANDARD, old)
        advance(13 * HOUR_SECONDS)
        for _each in range(2):
            store.reinstate(KEY, old, terms)
            assert len(list(store.versions(KEY))) == len(before) + 1
        assert store.head(KEY).size_bytes == len(BODY)
        assert coldness(store) == Coldness()

    @EVERY_CLASS
    def test_a_cold_object_is_deleted_as_any_other(self, store: ObjectStore, archive_class: ArchiveClass) -> None:
        put_cold(store, archive_class)
        store.retrieve(KEY, 1, Tier.STANDARD)
        store.delete(KEY)
        with pytest.raises(ObjectNotFoundError):
            store.head(KEY)
        put_cold(store, archive_class)
        assert coldness(store) == Coldness()
