"""Rule 9 over a bucket with AWS's own rules: what is locked, until when, and what that is worth."""

from datetime import timedelta

import pytest

from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import ConflictError, IntegrityError, LocksEndingError, PermissionDeniedError, UsageError
from holdfast.domain.time import parse_time
from holdfast.repository.keys.slots import KeySlots
from holdfast.repository.opening.repository import create_repository, open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.trust.lock_terms import GENERATION
from holdfast.repository.upkeep.collection.collect import Collection
from holdfast.repository.upkeep.renewal.notice import holds_until, is_overdue, last_renewal
from holdfast.repository.upkeep.renewal.renew import renew_locks
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.strict_bucket import StrictBucket
from holdfast.testing.strict_store import StrictStore
from holdfast.wiring.collecting import collect, renew
from holdfast.wiring.local.opening import tell_of_locks
from tests.faults.immutable_site import KEEP, Site

DAY = timedelta(days=1)


@pytest.fixture
def site():
    return Site()


def block(seed: int) -> bytes:
    return bytes([seed]) * 1000


def test_all_but_scratch_and_plans_is_locked_from_its_put_on(site):
    begun = site.clock()
    site.back_up(block(1))
    kinds = {key.partition("/")[0]: until for key, until in site.locks().items()}
    assert kinds.keys() >= {"config", "keys", "tenants", "packs", "points", "index", "ledger"}
    for kind, until in kinds.items():
        if kind in ("sessions", "plan"):
            assert until is None
        else:
            assert until >= begun + GENERATION, kind
    for prefix in ("packs/", "points/", "index/"):
        assert all(until >= begun + KEEP + GENERATION for until in site.locks(prefix).values())


def test_without_a_promise_there_is_a_generation(site):
    begun = site.clock()
    site.back_up(block(1), keep=None)
    assert all(begun + GENERATION <= until < begun + GENERATION + DAY for until in site.locks("packs/").values())


def test_after_an_attack_everything_restores(site):
    session = site.back_up(block(1))
    site.renew()
    site.attack()
    assert site.bucket.listed() == []
    assert site.restores({session: block(1)})


def test_what_is_put_over_an_object_hides_it_from_nobody(site):
    session = site.back_up(block(1))
    for one in site.bucket.every_version():
        site.bucket.put(one.key, b"forged, and longer than the digest that each object ends with")
    assert site.restores({session: block(1)})


@pytest.mark.parametrize(
    "bucket", [{"versions": False, "locks": False}, {"locks": False}, {"default_lock": DAY}], ids=str
)
def test_a_bucket_that_does_not_fit_is_refused(bucket):
    with pytest.raises(UsageError, match="immutable") as refused:
        create_repository(
            StrictStore(StrictBucket(SteppableClock(), **bucket)), deterministic_surroundings(1), immutable=True
        )
    assert refused.value.cure


def test_a_directory_is_refused(tmp_path):
    for store in (DirectoryStore(tmp_path), MemoryStore()):
        with pytest.raises(UsageError, match="immutable"):
            create_repository(store, deterministic_surroundings(1), immutable=True)


def test_an_ordinary_repository_promises_nothing():
    repository = create_repository(MemoryStore(), deterministic_surroundings(1)).repository
    order = BackupOrder("disk", keep_until=parse_time("2099-01-01T00:00:00Z"))
    with pytest.raises(UsageError, match="promises nothing"):
        backup_volume(repository, MemorySource(MemoryVolume.of(b"1")), order, Silence())
    with pytest.raises(UsageError, match="no locks"):
        renew_locks(repository, Silence())


def test_a_point_is_not_deleted_before_its_promise(site):
    session = site.back_up(block(1))
    with pytest.raises(ConflictError, match="is kept until 2026-01-31"):
        site.retire(session)
    site.later(30)
    site.retire(session)
    assert list_points(site.open()) == []


@pytest.mark.parametrize("days", [-40, 40])
def test_a_promise_is_judged_by_the_clock_of_the_store(site, days):
    """A machine whose clock is wrong neither ends a promise nor keeps it up, nor locks for too short."""
    session = site.back_up(block(1))

    def opened():
        wrong = SteppableClock(site.clock() + days * DAY)
        return open_repository(site.store, site.secret, deterministic_surroundings(77 - days, wrong))

    repository = opened()
    assert repository.clock_ahead() == days * DAY
    [point] = list_points(repository)
    with pytest.raises(ConflictError, match="is kept until"):
        retire(repository, session, point.key)
    backup_volume(repository, MemorySource(MemoryVolume.of(block(2))), BackupOrder("other"), Silence())
    assert all(until >= site.clock() + GENERATION - timedelta(minutes=1) for until in site.locks("packs/").values())
    site.later(31)
    retire(opened(), session, point.key)
    assert session not in {one.session for one in list_points(opened())}


def test_what_is_condemned_and_locked_stays_condemned_until_it_may_go(site):
    session = site.back_up(block(1), keep=None)
    site.retire(session)
    held = site.collect()
    assert (held.deleted, held.kept, held.locked) == (0, held.condemned, held.condemned)
    assert held.condemned > 0
    site.renew()
    site.later(11)
    freed = site.collect()
    assert (freed.deleted, freed.kept, freed.locked) == (held.condemned, 0, 0)
    assert site.locks("packs/") == {}


def test_a_renewal_asks_for_what_is_short_alone(site):
    site.back_up(block(1))
    first = site.renew()
    assert 0 < first.extended < first.looked_at
    again = site.renew()
    assert again.extended == 1  # the batch of the ledger that says of the first one
    assert site.renew(dry_run=True).extended == 1
    site.later(1)
    before = site.locks("packs/")
    site.renew()
    assert site.locks("packs/") == before


def test_old_packs_are_locked_as_long_as_the_newest_point_needs(site):
    site.back_up(block(1))
    for _day in range(45):
        site.later(1)
        newest = site.back_up(block(1))
        report = site.renew()
        locks = site.locks("packs/")
        assert min(locks.values()) >= site.clock() + KEEP - DAY
        assert report.latest_promise is not None
    assert site.restores({newest: block(1)})


def test_a_collection_renews_once_a_day_whatever_becomes_of_it(site, monkeypatch):
    def collected():
        return collect(site.open(), CollectionWish(wait_minutes=0), Silence(), lambda seconds: None)

    def broken(self):
        raise IntegrityError("a pack is missing", why="it was lost", cure="repair")

    site.back_up(block(1))
    assert collected().renewed_locks > 0
    assert collected().renewed_locks == 0
    site.later(1)
    monkeypatch.setattr(Collection, "run", broken)
    with pytest.raises(IntegrityError):
        collected()
    assert last_renewal(site.open()) > site.clock() - timedelta(seconds=1)


def test_where_nobody_could_renew_for_a_week_the_error_is_the_alarm(site, monkeypatch):
    site.back_up(block(1))
    site.later(8)
    repository = site.open()

    def refused(key, version=None):
        raise PermissionDeniedError("locks may not be read", why="no right to", cure="give it")

    monkeypatch.setattr(site.store, "head", refused)
    with pytest.raises(LocksEndingError, match="begin to end on 2026-01-11") as alarm:
        renew(repository, Silence())
    assert "no right to" in alarm.value.why


def test_who_opens_it_hears_that_nobody_renews(site):
    assert not is_overdue(site.open())
    site.back_up(block(1))
    site.later(6.9)
    said: list[str] = []
    tell_of_locks(site.open(), said.append)
    assert not said
    site.later(0.2)
    tell_of_locks(site.open(), said.append)
    assert "locks in strict: begin to end on 2026-01-11" in said.pop()
    site.renew()
    tell_of_locks(site.open(), said.append)
    assert not said
    assert holds_until(site.open()) > site.clock() + 9 * DAY


def test_a_key_slot_that_is_locked_is_not_said_to_be_gone(site):
    repository = site.open()
    slots = KeySlots(repository.store, repository.surroundings)
    slot, _code = slots.add_recovery(repository.master, "another")
    slots.add_recovery(repository.master, "a third")
    with pytest.raises(ConflictError, match="stays"):
        slots.remove(slot.slot.hex(), repository.master)


# Weekly backups from 1 March on, each kept 30 days. With generations of 25 days the blocks of the first one are locked
# for 55 days, until 25 April, and from the first backup on that needs them longer until 23 May; of 10 days beside it.
# By the day of the backup.
TWENTY_FIVE_DAYS = {1: "25.04.", 8: "25.04.", 15: "25.04.", 22: "25.04.", 29: "23.05."}
TEN_DAYS = {1: "10.04.", 8: "10.04.", 15: "24.04.", 22: "24.04.", 29: "08.05."}


@pytest.mark.parametrize(("generation_days", "expected"), [(25, TWENTY_FIVE_DAYS), (10, TEN_DAYS)])
def test_the_worked_example_of_block_generations(monkeypatch, generation_days, expected):
    for module in ("trust.lock_terms", "upkeep.renewal.needs", "upkeep.renewal.renew"):
        monkeypatch.setattr(f"holdfast.repository.{module}.GENERATION", timedelta(days=generation_days))
    site = Site()
    site.later(59 + 0.5)  # from 1 January to the noon of 1 March
    first: set[str] = set()
    seen = {}
    for day in range(1, 30):
        if day % 7 == 1:
            site.back_up(block(1) + block(2))
            first = first or set(site.locks("packs/"))
        site.renew()
        if day % 7 == 1:
            seen[day] = {f"{until:%d.%m.}" for key, until in site.locks("packs/").items() if key in first}
        site.later(1)
    assert seen == {day: {until} for day, until in expected.items()}
