"""A renewal beside damage, forgeries and wrong clocks: all else that a point needs is locked until its promise."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import IntegrityError, PermissionDeniedError
from holdfast.domain.time import format_time
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import names
from holdfast.repository.health.repair.quarries import of_the_source
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import DEFAULT_TENANT, open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import end_session, open_session, read_point
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.collection.run_merging import Tidiness
from holdfast.repository.upkeep.renewal.notice import is_due, is_overdue, last_renewal
from holdfast.repository.upkeep.renewal.renew import renew_locks, require_locks
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume, sample
from holdfast.testing.strict_store import StrictStore
from tests.faults.immutable_site import Site
from tests.unit.repository.delegation.delegated import Disks
from tests.unit.repository.delegation.delegated import back_up as back_up_by_worker
from tests.unit.repository.health.verification.verified import verify

YEAR = timedelta(days=365)


@pytest.fixture
def site():
    return Site()


def block(seed: int) -> bytes:
    return bytes([seed]) * 1000


def collected_twice(site):
    """A plan stands; two points live that nobody may retire for days."""
    gone = site.back_up(block(9), timedelta(0))
    site.later(11)
    site.retire(gone)
    first, second = site.back_up(block(1), timedelta(days=15)), site.back_up(block(2), timedelta(days=15))
    site.collect()
    return first, second


def keys_of(site):
    """One object of each kind that a renewal reads."""
    repository = site.open()
    [point] = [one.key for one in list_points(repository)][-1:]
    manifest = read_point(repository, point)
    assert manifest is not None
    packs = manifest.packs
    return {
        "point": point,
        "run": max(newest_plan(repository.sealed).index_runs),
        "map": names.pack(next(pack.pack for pack in packs if pack.holds_maps)),
        "data": names.pack(next(pack.pack for pack in packs if not pack.holds_maps)),
        "plan": names.plan(newest_plan(repository.sealed).epoch),
    }


@pytest.mark.parametrize("damage", ["lost", "junk"])
@pytest.mark.parametrize("kind", ["point", "run", "map", "data", "plan"])
def test_one_damaged_object_keeps_no_other_from_being_renewed(site, kind, damage):
    first, _second = collected_twice(site)
    victim = keys_of(site)[kind]
    other = site.back_up(block(5), timedelta(days=200))
    del site.bucket._keys[victim]
    if damage == "junk":
        site.bucket.put(victim, b"junk")
    for _day in range(12):
        site.later(1)
        if (kind, damage) == ("data", "junk"):
            site.renew()  # nobody reads data here
            continue
        assert victim in {one.object for one in site.renew().not_renewed}
    site.attack()
    assert site.restores({other: block(5)})
    if kind in ("run", "plan"):
        assert site.restores({first: block(1)})


def test_what_is_lost_keeps_no_renewal_from_being_one(site):
    """All else is locked, so nobody need be told that the locks end; what was met is named each time."""
    collected_twice(site)
    lost = keys_of(site)["data"]
    del site.bucket._keys[lost]
    for _day in range(9):
        site.later(1)
        assert [one.object for one in site.renew().not_renewed] == [lost]
        assert last_renewal(site.open()) >= site.clock() - timedelta(minutes=1)
    assert not is_overdue(site.open())


@pytest.mark.parametrize("damaged", ["map", "point", None])
def test_what_is_condemned_is_kept_while_a_point_may_need_it_behind_damage(site, damaged):
    gone = site.back_up(block(9), timedelta(0))
    packs = [names.pack(pack.pack) for pack in load_manifest(site.open(), list_points(site.open())[0]).packs]
    site.back_up(block(2), timedelta(days=200))
    site.later(0.1)
    site.retire(gone)
    site.collect()
    assert {pack for pack in packs if bytes.fromhex(pack[-32:]) in newest_plan(site.open().sealed).condemned}
    if damaged is not None:
        del site.bucket._keys[keys_of(site)[damaged]]
    for _day in range(12):
        site.later(1)
        site.renew()
    locks = site.locks(names.PACKS)
    assert all((locks[pack] > site.clock()) == (damaged is not None) for pack in packs)


def test_a_repair_ends_what_renewals_say_of_a_lost_pack(site):
    _first, second = collected_twice(site)
    lost = keys_of(site)["data"]
    del site.bucket._keys[lost]
    assert [one.object for one in site.renew().not_renewed] == [lost]
    repository = site.open()
    manifest = next(point for point in list_points(repository) if point.session == second)
    volume = MemorySource(MemoryVolume.of(block(2)))
    [named] = [one.name for one in load_manifest(repository, manifest).volumes]
    assert repair(repository, of_the_source(volume, second, named), Silence()).left == ()
    assert site.renew().not_renewed == ()
    assert site.restores({second: block(2)})


def test_what_a_session_built_upon_is_renewed_until_it_ends_whatever_is_condemned_meanwhile(site):
    gone = site.back_up(block(9), timedelta(0))
    packs = [names.pack(pack.pack) for pack in load_manifest(site.open(), list_points(site.open())[0]).packs]
    session = open_session(site.open(), DEFAULT_TENANT, "another disk")
    site.later(0.5)
    site.retire(gone)
    site.back_up(block(1))
    assert site.collect().waiting
    for _day in range(30):
        site.later(1)
        assert site.renew().not_renewed == ()
        assert all(site.locks()[pack] > site.clock() + timedelta(days=3) for pack in packs)
    end_session(site.open(), session.session, session.point_key)
    for _day in range(20):
        site.later(1)
        site.renew()
    assert all(site.locks()[pack] <= site.clock() for pack in packs)


def test_a_damaged_ledger_is_told_of_no_renewal(site):
    site.back_up(block(1))
    key = names.ledger(site.open().ledger.state.sequence)
    site.back_up(block(2))
    site.later(11)
    for one in [one for one in site.bucket.every_version() if one.key == key]:
        site.bucket.delete_version(key, one.id)
    with pytest.raises(IntegrityError) as told:
        site.renew()
    assert key in told.value.objects


def test_points_that_the_ledger_does_not_know_are_renewed_and_named(site):
    site.back_up(block(1))
    known = site.open().ledger.state.sequence
    session = site.back_up(block(2))
    lost = {names.ledger(number) for number in range(known + 1, site.open().ledger.state.sequence + 1)}
    site.later(11)
    for one in site.bucket.every_version():
        if one.key in lost:
            site.bucket.delete_version(one.key, one.id)
    [named] = site.renew().not_renewed
    assert named.object.endswith(session.hex())
    assert "its end is missing" in named.why
    manifest = read_point(site.open(), named.object)
    assert manifest is not None
    needed = {named.object, *(names.pack(pack.pack) for pack in manifest.packs)}
    assert all(site.locks()[key] > site.clock() for key in needed)


def test_what_was_put_over_an_object_is_not_renewed_in_its_place(site):
    session = site.back_up(block(1), YEAR)
    site.later(1)
    for one in site.bucket.every_version():
        if one.key.startswith((names.PACKS, names.POINTS, names.LEDGER, names.KEYS)) or one.key == names.CONFIG:
            site.bucket.put(one.key, b"junk", retain_until=site.clock() + 2 * YEAR)
    longer = site.back_up(block(1), 2 * YEAR)
    for _day in range(3):
        site.renew()
        site.later(9)
    site.later(700)
    site.attack()
    assert site.restores({longer: block(1)})
    assert {point.session for point in list_points(site.open())} == {session, longer}


def test_a_workers_pack_is_locked_in_every_version(site):
    site.back_up(block(1), None)
    packs = sorted(site.locks(names.PACKS))
    for key in packs:
        site.bucket.put(key, b"junk", retain_until=site.clock() + 2 * YEAR)
    until = site.clock() + YEAR
    require_locks(site.open(), packs, until)
    assert all(one.locked_until >= until for one in site.bucket.every_version() if one.key in packs)


def test_a_forged_checkpoint_is_not_where_the_ledger_begins(site):
    session = site.back_up(block(1), YEAR)
    site.bucket.put(names.checkpoint(999_999_000), b"junk")
    for _day in range(3):
        site.later(9)
        site.renew()
    site.attack()
    assert site.restores({session: block(1)})


@pytest.mark.parametrize("over", [b"junk", None], ids=["junk", "marker"])
def test_a_checkpoint_is_found_behind_what_was_put_over_it(site, monkeypatch, over):
    monkeypatch.setattr(ledger_form, "CHECKPOINT_EVERY", 6)
    site.back_up(block(1), timedelta(days=30))
    for _day in range(9):
        site.later(5)
        site.renew()
    session = site.back_up(block(1), YEAR)
    for _day in range(10):
        site.later(5)
        site.renew()
    checkpoints = sorted(site.locks(names.CHECKPOINTS))
    assert len(checkpoints) > 1
    if over is None:
        site.bucket.delete(checkpoints[-1])
    else:
        site.bucket.put(checkpoints[-1], over)
    site.renew()
    site.later(9)
    site.attack()
    assert names.ledger(1) not in site.locks()
    assert not site.open().ledger.damage
    assert site.restores({session: block(1)})


class ShortStore(StrictStore):
    """Its lists leave all packs out."""

    def list(self, prefix, start_after=""):
        return (one for one in super().list(prefix, start_after) if not one.key.startswith(names.PACKS))

    def versions(self, prefix):
        return (one for one in super().versions(prefix) if not one.key.startswith(names.PACKS))


@pytest.mark.parametrize("hidden_by", ["markers", "a short LIST"])
def test_packs_that_no_list_shows_are_renewed(site, hidden_by):
    gone = site.back_up(block(9), timedelta(0))
    site.later(11)
    site.retire(gone)
    free = site.back_up(block(1), None)
    site.collect()
    in_force = set(site.locks(names.PACKS)) - {names.pack(pack) for pack in newest_plan(site.open().sealed).condemned}
    site.retire(free)
    store = site.store if hidden_by == "markers" else ShortStore(site.bucket)
    if hidden_by == "markers":
        for key in in_force:
            site.bucket.delete(key)
    site.later(9)
    renew_locks(site.open(store), Silence())
    assert in_force
    assert all(site.locks()[key] > site.clock() + timedelta(days=9) for key in in_force)


def test_runs_that_are_in_force_by_their_own_epoch_are_renewed(site):
    collected_twice(site)
    disks = Disks()
    point, _result = back_up_by_worker(
        site.open(), disks, {"root": disks.snapshot("r", sample(4 * 512 * 1024))}, "mine"
    )
    before = set(site.locks(names.INDEX))
    assert verify(site.open(), point.session).opened_packs
    opening = set(site.locks(names.INDEX)) - before
    assert opening
    site.later(9)
    site.renew()
    assert all(site.locks()[key] > site.clock() + timedelta(days=9) for key in opening)


def test_a_renewal_in_the_future_counts_for_none(site):
    site.back_up(block(1), YEAR)
    record = {"type": ledger_form.RENEW, "session": bytes(16), "time": format_time(site.clock() + YEAR)}
    site.open().ledger.append(record)
    assert last_renewal(site.open()) is None
    assert is_due(site.open())
    site.later(7.1)
    assert is_overdue(site.open())
    site.renew()
    assert not is_due(site.open())
    assert not is_overdue(site.open())


def test_retirements_are_renewed(site):
    session = site.back_up(block(1), None)
    site.retire(session)
    site.later(9)
    site.renew()
    assert site.locks()[names.retired(session)] > site.clock() + timedelta(days=9)


def test_runs_out_of_force_go_when_their_locks_have_ended(site):
    """Though a live point's manifest names them: no plan does, and none will."""
    contents = {site.back_up(block(seed), timedelta(0)): block(seed) for seed in (1, 2, 3, 4)}
    gone = next(iter(contents))
    tidy = CollectionOrder(timedelta(0), tidiness=Tidiness(runs=2, gone=0))
    for merged_runs in (0, 4):
        assert Collection(site.open(), tidy, Silence(), lambda seconds: None).run().merged_runs == merged_runs
        if gone in contents:
            site.retire(gone)
            del contents[gone]
    merged = newest_plan(site.open().sealed).index_runs
    assert len(merged) == 1
    assert len(site.locks(names.INDEX)) == 5  # what was left out is locked
    for _day in range(12):
        site.later(1)
        site.collect()
        site.renew()
    assert site.locks(names.INDEX).keys() == merged
    site.attack()
    assert site.restores(contents)


@pytest.mark.parametrize("ahead_days", [0, 400])
def test_what_a_session_of_many_days_may_build_upon_stays_locked(site, ahead_days):
    """It was opened before the plan that condemns it, and inherits from what was retired meanwhile. A clock that runs
    ahead does not make it younger.
    """
    gone = site.back_up(block(9), timedelta(0))
    site.later(1)
    ahead = SteppableClock(site.clock() + timedelta(days=ahead_days))
    repository = open_repository(site.store, site.secret, deterministic_surroundings(900, ahead))
    writer = open_session(repository, DEFAULT_TENANT, "disk")
    assert writer.plan.epoch == 0
    site.retire(gone)
    condemned = newest_plan_after_collection(site)
    site.renew()
    for _day in range(14):
        site.later(1)
        site.renew()
        assert all(until > site.clock() for until in condemned_locks(site, condemned))
    end_session(repository, writer.session, writer.point_key)
    site.later(21)
    site.renew()
    assert all(until <= site.clock() for until in condemned_locks(site, condemned))


def newest_plan_after_collection(site):
    site.collect()
    condemned = newest_plan(site.open().sealed).condemned
    assert condemned
    return condemned


def condemned_locks(site, condemned):
    locks = site.locks(names.PACKS)
    return [locks[names.pack(pack)] for pack in condemned]


class Governed(PassingStore):
    """Versions of these keys, or all, are locked in a mode that nobody may change who may not bypass it, as S3 has it:
    HEAD tells no lock of ours, and a lock in another mode is refused.
    """

    def __init__(self, inner, *keys, versions=()):
        super().__init__(inner)
        self.keys, self.refused = keys, set(versions)

    def extend(self, key, version, until):
        if version in self.refused or (not self.refused and key.startswith(self.keys)):
            raise PermissionDeniedError("s3:PutObjectRetention was refused", why="AccessDenied", cure="use others")
        super().extend(key, version, until)


def test_what_somebody_has_locked_in_another_mode_stops_no_renewal(site):
    site.back_up(block(1), timedelta(days=60))
    forged = site.bucket.put("config", b"junk")
    for _day in range(30):
        site.later(1)
        renew_locks(site.open(Governed(site.store, versions={forged})), Silence())
    assert not is_overdue(site.open())
    ends = [until for key, until in site.locks().items() if until is not None and key != "config"]
    assert min(ends) > site.clock()


def test_an_object_that_nobody_may_lock_is_named_and_the_others_are_locked(site):
    site.back_up(block(1), timedelta(days=60))
    site.later(6)
    report = renew_locks(site.open(Governed(site.store, "config")), Silence())
    assert [one.object for one in report.not_renewed] == ["config"]
    assert "GOVERNANCE" in report.not_renewed[0].why
    assert report.extended > 3


def test_who_may_lock_nothing_is_told_so(site):
    site.back_up(block(1), timedelta(days=60))
    site.later(6)
    with pytest.raises(PermissionDeniedError, match="PutObjectRetention"):
        renew_locks(site.open(Governed(site.store, "")), Silence())
    site.later(4)
    assert is_overdue(site.open())
