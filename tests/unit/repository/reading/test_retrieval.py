"""An archive in S3's archive classes, under a clock of its own: what is asked for, how often, and what then reads."""

from datetime import timedelta

import pytest

from holdfast.domain.archive import ArchiveClass, Tier, end_of_copy
from holdfast.domain.errors import ConflictError, NeedsRetrievalError, ObjectNotFoundError, UnavailableError, UsageError
from holdfast.domain.numerals import counted
from holdfast.domain.retrieval import EXTENSION_MARGIN, RetrievalOrder
from holdfast.repository.copying.copy import copy_points, plan_copy
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.repository import create_repository, require_class
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.reading.retrieval.plan import plan_for_packs, plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import KeepingProgress, Retrieval, retrieve
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import end_without_point, open_session, retire
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rekeying import stored_by_epoch
from holdfast.repository.upkeep.renewal.renew import renew_locks
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.testing.small_repository import SmallRepository, copy_to, make_small_repository, restored
from holdfast.testing.strict_bucket import StrictBucket
from holdfast.testing.strict_store import StrictStore
from holdfast.wiring.delegated_retrieval import Notes
from tests.faults.cold_world import CHUNK_A_PACK_BYTES, DAY_SECONDS, STANDARD, Archive
from tests.faults.world import FIRST, PACK_SIZE_BYTES, SECOND, back_up, collect, volume_of, without


@pytest.fixture
def archive() -> Archive:
    return Archive()


def test_data_packs_alone_are_cold(archive):
    packs = [pack for point in archive.points for pack in load_manifest(archive.repository, point).packs]
    data = {names.pack(pack.pack) for pack in packs if not pack.holds_maps}
    assert archive.store.cold == data
    assert len(packs) > len(data) > 0


@pytest.mark.parametrize("maps", [False, True], ids=["data", "maps"])
def test_a_salvage_asks_for_what_there_is(archive, maps):
    packs = load_manifest(archive.repository, archive.points[0]).packs
    lacking = names.pack(next(pack.pack for pack in packs if pack.holds_maps == maps))
    archive.inner.delete(lacking)
    with pytest.raises(ObjectNotFoundError, match=lacking) as caught:
        archive.plan(0)
    assert "--salvage" in caught.value.cure
    archive.retrieve(0, salvage=True)
    target = MemoryTarget()
    report = restore_volume(archive.open(7), archive.points[0], target, Silence(), salvage=True)
    assert {one.object for one in report.lost} == {lacking}
    assert target.volume is not None
    assert target.volume.content == without(FIRST.content, report.lost)


def test_without_a_retrieval_all_is_listed_and_planned_and_nothing_read(archive):
    repository = archive.open(5)
    assert [point.workload for point in list_points(repository)] == ["disk", "disk"]
    plan = archive.plan(1)
    assert (plan.archive_class, plan.readable, plan.under_way) == (ArchiveClass.DEEP_ARCHIVE, (), ())
    with pytest.raises(NeedsRetrievalError):
        restore_volume(repository, archive.points[1], MemoryTarget(), Silence())
    assert archive.store.billed == []


def test_exactly_what_a_point_needs_is_asked_for(archive):
    first, second = ({pack.key for pack in archive.plan(number).packs} for number in (0, 1))
    assert first != second
    assert first & second
    archive.retrieve(1)
    assert {asked.key for asked in archive.store.billed} == second
    assert len(archive.store.billed) == len(second)
    assert restored(archive.open(6), archive.points[1]) == SECOND.content
    with pytest.raises(NeedsRetrievalError):
        restore_volume(archive.open(7), archive.points[0], MemoryTarget(), Silence())


def test_what_is_there_or_under_way_is_not_asked_for_again(archive):
    archive.retrieve(1, wait=False)
    once = list(archive.store.billed)
    assert len(archive.plan(1).under_way) == len(once)
    archive.retrieve(1, wait=False)
    archive.retrieve(1)
    assert archive.plan(1).is_readable
    archive.retrieve(1)
    assert archive.store.billed == once
    archive.retrieve(0)
    assert len(archive.store.billed) == len({pack.key for pack in archive.plan(0).packs} | {one.key for one in once})


def test_waiting_takes_what_the_tier_takes(archive):
    before = archive.clock()
    archive.retrieve(0, RetrievalOrder(Tier.BULK, 1))
    assert timedelta(hours=48) <= archive.clock() - before < timedelta(hours=48, minutes=10)


def test_few_looks_while_nothing_is_there(archive):
    volume = volume_of(*range(100, 160))
    back_up(archive.repository, "wide", volume, "w")
    archive.points = [*archive.points, list_points(archive.repository)[-1]]
    counts = RequestCounts()
    wanted = archive.retrieve(2, store=CountingStore(archive.store, counts))
    packs = len(wanted.plan.packs)
    assert packs > 50
    polls = 12 * 3600 / 300 + 50  # more often at first
    assert counts.requests["retrieve"] == packs
    assert counts.requests["head"] <= 3 * packs + 8 * polls


def test_a_tier_that_the_class_has_not(archive):
    with pytest.raises(UsageError, match="no expedited retrieval"):
        archive.retrieve(0, RetrievalOrder(Tier.EXPEDITED, 1))
    assert archive.store.billed == []
    quick = Archive(ArchiveClass.GLACIER)
    before = quick.clock()
    quick.retrieve(0, RetrievalOrder(Tier.EXPEDITED, 1))
    assert quick.clock() - before < timedelta(minutes=6)


def test_copies_go_and_may_be_asked_for_again(archive):
    archive.retrieve(0)
    archive.clock.step(5 * DAY_SECONDS)
    assert archive.plan(0).readable == ()
    asked = len(archive.store.billed)
    archive.retrieve(0)
    assert len(archive.store.billed) == 2 * asked
    assert restored(archive.open(8), archive.points[0]) == FIRST.content


def asked_since(archive, before):
    return {(asked.days, asked.tier) for asked in archive.store.billed[before:]}


def test_who_says_for_how_long_keeps_what_is_there_so_long(archive):
    archive.retrieve(0)
    packs, before = len(archive.plan(0).packs), len(archive.store.billed)
    archive.clock.step(DAY_SECONDS)
    archive.retrieve(0, RetrievalOrder(Tier.STANDARD))
    archive.retrieve(0, RetrievalOrder(Tier.STANDARD, 1))
    assert len(archive.store.billed) == before
    archive.retrieve(0, RetrievalOrder(Tier.STANDARD, 10))
    assert len(archive.store.billed) == before + packs
    assert asked_since(archive, before) == {(10, Tier.BULK)}
    assert archive.plan(0).data.readable_until == end_of_copy(archive.clock(), 10)
    archive.retrieve(0, RetrievalOrder(Tier.STANDARD, 10))
    assert len(archive.store.billed) == before + packs


def test_what_cannot_be_kept_longer_is_told_and_can_be_read_still(archive, monkeypatch):
    wanted = archive.retrieve(0)
    packs = sorted(pack.key for pack in archive.plan(0).packs)
    assert len(packs) > 1
    retrieve_one = archive.store.retrieve

    def refused(key, days, tier, version=None):
        if key == packs[0]:
            raise UnavailableError("no answer", why="for a test", cure="run it again")
        retrieve_one(key, days, tier, version)

    monkeypatch.setattr(archive.store, "retrieve", refused)
    order, told = RetrievalOrder(Tier.STANDARD, 10), list[str]()
    notes = Notes(told.append)
    assert wanted.prolong(order, notes) == len(packs)
    assert wanted.prolong(order, notes) == 0
    assert [line.partition(":")[0] for line in told] == [
        f"{counted(len(packs) - 1, 'copy', 'copies')} that can be read already",
        "a retrieved copy could not be kept longer",
    ]
    ends = {pack.key: pack.coldness.readable_until for pack in archive.plan(0).packs}
    assert [key for key in packs if ends[key] != max(ends.values())] == packs[:1]
    assert restored(archive.open(9), archive.points[0]) == FIRST.content


def test_each_copy_is_kept_longer_once_also_where_the_store_rounds_otherwise(archive, monkeypatch):
    wanted = archive.retrieve(0)
    before, retrieve_one = len(archive.store.billed), archive.store.retrieve
    monkeypatch.setattr(archive.store, "retrieve", lambda key, days, *more: retrieve_one(key, days - 1, *more))
    order, packs = RetrievalOrder(Tier.STANDARD, 10), len(wanted.plan.packs)
    assert [wanted.prolong(order, Silence(), 1) for _each in range(packs + 2)] == [1] * packs + [0, 0]
    assert len(archive.store.billed) == before + packs


def test_days_are_counted_from_when_they_were_told(archive):
    ordered = archive.clock()
    archive.retrieve(0)
    archive.clock.step(DAY_SECONDS)
    before = len(archive.store.billed)
    wanted = Retrieval(archive.open(9), archive.plan(0), ordered=ordered)
    assert wanted.prolong(RetrievalOrder(Tier.STANDARD, 6), Silence()) == len(wanted.plan.packs)
    assert archive.plan(0).data.readable_until == end_of_copy(ordered, 6)
    assert {tier for _days, tier in asked_since(archive, before)} == {Tier.BULK}


def test_what_is_under_way_for_fewer_days_is_kept_longer_when_it_is_there(archive):
    archive.retrieve(0, RetrievalOrder(Tier.STANDARD, 1), wait=False)
    ordered = archive.clock()
    archive.retrieve(0, RetrievalOrder(Tier.STANDARD, 20))
    assert archive.plan(0).data.readable_until == end_of_copy(ordered, 20)


def test_a_copy_is_kept_while_somebody_reads(archive):
    wanted = archive.retrieve(0, RetrievalOrder(Tier.STANDARD, 1))
    asked = len(archive.store.billed)
    progress = KeepingProgress(Silence(), wanted)
    progress.advance(1)
    assert len(archive.store.billed) == asked
    for _hour in range(10 * 24):
        archive.clock.step(3600)
        progress.advance(1)
        assert archive.plan(0).is_readable
    extensions = archive.store.billed[asked:]
    assert {one.days for one in extensions} == {1}
    assert len(extensions) <= 11 * len(wanted.plan.packs)
    assert timedelta(hours=1) < EXTENSION_MARGIN < timedelta(hours=24)


def test_a_repository_is_of_one_class_for_ever(archive):
    require_class(archive.repository, None)
    require_class(archive.repository, ArchiveClass.DEEP_ARCHIVE)
    with pytest.raises(ConflictError, match="DEEP_ARCHIVE"):
        require_class(archive.repository, ArchiveClass.GLACIER)
    standard = make_small_repository(MemoryStore(), deterministic_surroundings(9)).open(deterministic_surroundings(10))
    with pytest.raises(ConflictError, match="class standard"):
        require_class(standard, ArchiveClass.GLACIER)


def test_workloads_share_nothing(archive):
    before = archive.store.cold
    report = back_up(archive.repository, "twin", FIRST, "t")
    assert report.finished.counters.new_chunks == len(FIRST.blocks)
    again = back_up(archive.repository, "twin", FIRST, "u")
    assert again.finished.counters.new_chunks == 0
    assert len(archive.store.cold - before) > 0


def test_a_pack_goes_when_its_least_time_is_over(archive):
    first = {pack.key for pack in archive.plan(0).packs} - {pack.key for pack in archive.plan(1).packs}
    retire(archive.repository, archive.points[0].session, archive.points[0].key)
    report = collect(archive.open(11))
    assert (report.young, report.repacked) == (len(first), 0)
    assert report.young_bytes > 0
    assert first <= archive.store.cold
    archive.clock.step(179 * DAY_SECONDS)
    assert collect(archive.open(12)).young == len(first)
    archive.clock.step(2 * DAY_SECONDS)
    collect(archive.open(13))
    report = collect(archive.open(14))
    assert report.young == 0
    assert first.isdisjoint(archive.store.cold)
    archive.retrieve(1)
    assert restored(archive.open(15), archive.points[1]) == SECOND.content


def test_while_a_backup_is_open_no_cold_pack_is_condemned(archive):
    """Its packs are cold from the first moment: nobody can read whose they are, and age must not decide."""
    retire(archive.repository, archive.points[0].session, archive.points[0].key)
    archive.clock.step(400 * DAY_SECONDS)
    before = archive.store.cold
    writer = open_session(archive.repository, "default", "new")
    for seed in (30, 31):
        report = collect(archive.open(seed))
        assert report.young == 0
    assert archive.store.cold == before
    end_without_point(archive.repository, writer.session, writer.point_key)
    for seed in (32, 33):
        collect(archive.open(seed))
    assert archive.store.cold < before


def test_a_check_says_what_would_have_to_be_retrieved(archive):
    report = check_repository(archive.open(16), 100, Silence())
    assert report.damage == ()
    assert report.packs_cold == len(archive.store.cold)
    assert report.packs_read == report.packs - report.packs_cold
    archive.retrieve(0)
    archive.retrieve(1)
    assert check_repository(archive.open(17), 100, Silence()).packs_cold == 0


def test_what_lies_under_which_key_is_told_of_what_runs_name(archive):
    plain = FaultyStore(archive.store.copied(copy_to(MemoryStore(), archive.inner)), {})
    back_up(archive.open(60, plain), "died", FIRST, "d")
    index = next(one.number for one in plain.requests if one.kind == "create" and one.key.startswith(names.INDEX))
    died = FaultyStore(archive.store, {index: Fault.CRASH_BEFORE})
    with pytest.raises(SimulatedCrash):
        back_up(archive.open(60, died), "died", FIRST, "d")
    rotate(archive.open(61), archive.small.secret)
    repository = archive.open(62)
    stored = stored_by_epoch(repository)
    packs = sum(info.size_bytes for info in archive.store.list(names.PACKS))
    assert stored[2] == 0
    assert 0 < stored[1] < packs


def test_workers_are_refused(archive):
    with pytest.raises(UsageError, match="archive repository"):
        prepare_backup(archive.repository, "default", "web", [VolumeSource("root", {})])


def test_a_standard_repository_needs_none():
    small = make_small_repository(MemoryStore(), deterministic_surroundings(20), PACK_SIZE_BYTES)
    repository = small.open(deterministic_surroundings(21))
    back_up(repository, "disk", FIRST, "s1")
    plan = plan_retrieval(repository, list_points(repository)[0], (None,))
    assert (plan.archive_class, plan.packs, plan.is_readable) == (None, (), True)


# ------------------------------------------------------------------------------------------------------------- copying


def test_a_copy_into_an_archive_reads_nothing_cold(archive):
    source = make_small_repository(MemoryStore(), archive.surroundings(40), CHUNK_A_PACK_BYTES)
    repository = source.open(archive.surroundings(41))
    back_up(repository, "other", FIRST, "s1")
    assert len(copy_points(repository, archive.open(42), CopyOrder(), Silence()).copied) == 1
    back_up(repository, "other", SECOND, "s2", {"s1": FIRST})
    before = archive.store.cold
    assert len(copy_points(repository, archive.open(43), CopyOrder(), Silence()).copied) == 1
    assert 0 < len(archive.store.cold - before) < len(SECOND.blocks)
    assert archive.store.billed == []
    archive.points = list_points(archive.open(44))
    archive.retrieve(3)
    assert restored(archive.open(45), archive.points[3]) == SECOND.content


def test_a_copy_out_of_an_archive_retrieves_what_is_new(archive):
    target = make_small_repository(MemoryStore(), archive.surroundings(50), CHUNK_A_PACK_BYTES)
    for number, content in enumerate((FIRST, SECOND)):
        order = CopyOrder(points=(archive.points[number].id,))
        there, here = archive.open(51 + 10 * number), target.open(archive.surroundings(52 + 10 * number))
        with pytest.raises(NeedsRetrievalError):
            copy_points(there, here, order, Silence())
        packs = {row.pack: row for one in plan_copy(there, here, order).estimates for row in one.packs}
        wanted = Retrieval(there, plan_for_packs(there, (archive.points[number].session,), packs))
        asked = len(archive.store.billed)
        retrieve(there, wanted, STANDARD, Silence(), archive.clock.step)
        assert len(archive.store.billed) - asked == len(packs) > 0
        assert copy_points(there, here, order, Silence()).failed == []
        copy = list_points(target.open(archive.surroundings(53 + 10 * number)))[-1]
        assert restored(target.open(archive.surroundings(54 + 10 * number)), copy) == content.content
    assert len(archive.store.billed) == len(archive.store.cold)


def test_an_archive_may_be_immutable():
    clock = SteppableClock()
    store = ColdStore(StrictStore(StrictBucket(clock)), clock)
    new = create_repository(
        store, deterministic_surroundings(70, clock), archive_class=ArchiveClass.GLACIER, immutable=True
    )
    small = SmallRepository(store, Secret(text=new.recovery_code.encode()))
    repository = small.open(deterministic_surroundings(71, clock))
    back_up(repository, "disk", FIRST, "s1")
    clock.step(5 * DAY_SECONDS)
    renew_locks(small.open(deterministic_surroundings(72, clock)), Silence())
    cold = [store.head(key) for key in store.cold]
    assert cold
    assert all(one.locked_until is not None and one.locked_until > clock() for one in cold)
    [point] = list_points(repository)
    wanted = Retrieval(repository, plan_retrieval(repository, point, None))
    assert retrieve(repository, wanted, STANDARD, Silence(), clock.step) == len(cold)
    assert restored(small.open(deterministic_surroundings(73, clock)), point) == FIRST.content
