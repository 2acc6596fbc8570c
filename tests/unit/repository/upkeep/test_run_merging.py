"""Index runs: few of them, whoever may build upon them; what is merged is found as before, what is not known stays."""

import dataclasses
from datetime import timedelta

import pytest

from holdfast.domain.errors import ConflictError, FormatError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format import index_run, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.places import PackRow, PackTable, Place
from holdfast.repository.format.plan import NO_PLAN, SERVES_ALL, Plan
from holdfast.repository.opening.plans import newest_plan, publish
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.packs.sorted_run import merged_rows, rows_of
from holdfast.repository.progress import Silence
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import close_ended, end_without_point, open_repacking, open_session
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.collection.index_runs import IndexRuns, RunFacts, delete_runs, read_run, read_runs
from holdfast.repository.upkeep.collection.marking import Marking
from holdfast.repository.upkeep.collection.run_merging import MERGED_ROWS, SMALL_ROWS, Tidiness, batches, merge_runs
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.terms import terms_of
from holdfast.testing.faulty_store import FaultyStore
from tests.faults.thief import Thief, misleading
from tests.unit.repository.upkeep.test_collection import Site

FEW = Tidiness(runs=3, gone=0)
TENANT, OTHER = bytes(15) + b"\1", bytes(15) + b"\2"


def runs_in(site):
    return sorted(info.key for info in site.store.list(names.INDEX))


@pytest.fixture
def grown():
    """Six points, and a plan."""
    site = Site()
    for number in range(6):
        site.back_up("a" if number % 2 else "b", 1, 10 + number)
    site.delete(site.back_up("a", 99))
    site.collect(repack=False)
    return site


def test_many_runs_become_one_that_says_the_same(grown):
    before = [read_run(grown.open(), key, NO_PLAN) for key in sorted(newest_plan(grown.open().sealed).index_runs)]
    report = grown.collect(tidiness=FEW)
    [left] = runs_in(grown)
    plan = newest_plan(grown.open().sealed)
    assert report.merged_runs == len(before)
    assert plan.index_runs == {left}
    assert plan.merged == {names.session_of_run(left): SERVES_ALL}
    after = read_run(grown.open(), left, NO_PLAN)
    assert (after.plan_epoch, after.verified) == (0, True)
    assert sorted(row["id"].tobytes() for row in after.rows) == sorted(
        row["id"].tobytes()
        for run in before
        for row in run.rows
        if names.pack(run.packs[row["pack"]].pack) in grown.packs()
    )
    grown.all_is_there()
    assert grown.open().ledger.state.open == {}


def test_what_a_merged_run_knows_is_not_stored_again(grown):
    grown.collect(tidiness=FEW)
    packs = grown.packs()
    grown.back_up("another", 1, 10, 11, 12)
    new = grown.packs() - packs
    assert len(new) == 1  # its map
    grown.all_is_there()


def test_a_merging_is_done_once(grown):
    grown.collect(tidiness=FEW)
    before = runs_in(grown)
    assert grown.collect(tidiness=FEW).merged_runs == 0
    assert runs_in(grown) == before


def test_the_first_plan_merges_nothing_for_a_dead_merging_would_be_in_force():
    site = Site()
    for number in range(5):
        site.back_up("a", number + 1)
    assert site.collect(tidiness=FEW).epoch == 1
    assert len(runs_in(site)) == 5
    assert site.collect(tidiness=FEW).merged_runs == 5
    site.all_is_there()


def test_runs_that_a_plan_names_are_not_read_while_there_are_few(grown):
    known = newest_plan(grown.open().sealed).index_runs
    grown.delete(next(iter(grown.contents)))
    store = FaultyStore(grown.store, {})
    repository = grown.small.open(grown.surroundings(), store)
    Collection(repository, CollectionOrder(timedelta(0), repack=False), Silence(), grown.pause).run()
    assert newest_plan(grown.open().sealed).index_runs >= known
    assert not known & {request.key for request in store.requests}
    grown.all_is_there()


def test_rows_of_what_is_gone_go_with_the_next_reading(grown):
    """And what neither a run nor a map names any more leaves the list of the condemned."""
    before = grown.packs()
    for session in list(grown.contents)[:2]:
        grown.delete(session)
    for _time in range(3):
        grown.collect(tidiness=FEW)
    plan = newest_plan(grown.open().sealed)
    repository = grown.open()
    marking = Marking(repository, plan, StandingPacks(repository.store))
    for point in list_points(repository):
        marking.add(load_manifest(repository, point))
    gone = {pack for pack in plan.condemned if names.pack(pack) not in grown.packs()}
    assert gone <= marking.left
    assert before - grown.packs() > {names.pack(pack) for pack in gone}
    named = {row.pack for key in plan.index_runs for row in read_run(grown.open(), key, NO_PLAN).packs}
    assert named
    assert all(names.pack(pack) in grown.packs() for pack in named)
    grown.all_is_there()


def facts(rows, serves=SERVES_ALL, packs=(b"p",)):
    return RunFacts(frozenset(packs), rows, serves == SERVES_ALL, serves)


def usable(*found, tenant=TENANT):
    runs = {names.index_run(tenant, bytes([number + 1] * 16), 0): one for number, one in enumerate(found)}
    return IndexRuns(runs, frozenset(), frozenset(), frozenset(), frozenset())


def sizes(runs, most_runs=2, gone=frozenset()):
    found = batches(NO_PLAN, runs, gone, most_runs)
    return {serves: [[runs.usable[key].row_count for key in one] for one in of] for (_, serves, _), of in found.items()}


def test_runs_of_workloads_that_may_not_share_stay_apart():
    runs = usable(facts(5), facts(5, TENANT), facts(6, TENANT), facts(5, OTHER), facts(6))
    assert sizes(runs) == {SERVES_ALL: [[5, 6]], TENANT: [[5, 6]], OTHER: [[5]]}


def test_two_that_were_merged_before_become_one_where_others_crowd():
    runs = usable(facts(5, TENANT), facts(6, TENANT), facts(1), facts(1), facts(1))
    merged = {names.session_of_run(key): TENANT for key, of in runs.usable.items() if of.serves == TENANT}
    found = batches(dataclasses.replace(NO_PLAN, merged=merged), runs, frozenset(), 2)
    assert sorted(len(batch) for of_kin in found.values() for batch in of_kin) == [2, 3]


def test_rows_are_written_anew_seldom():
    assert sizes(usable(facts(1), facts(2), facts(6), facts(100), facts(90))) == {SERVES_ALL: [[1, 2, 6], [90, 100]]}
    assert sizes(usable(facts(1), facts(2), facts(7))) == {SERVES_ALL: [[1, 2], [7]]}


def test_a_merged_run_has_one_part_and_large_runs_are_left_alone():
    most = SMALL_ROWS - 1
    runs = usable(facts(most), facts(most), facts(most), facts(SMALL_ROWS), facts(MERGED_ROWS))
    assert sizes(runs) == {SERVES_ALL: [[most, most], [most]]}


def test_few_runs_are_left_alone_but_for_those_whose_packs_are_gone():
    hollow = facts(MERGED_ROWS, packs=[bytes([number]) for number in range(16)])
    assert sizes(usable(facts(1), facts(1), hollow)) == {}
    assert sizes(usable(facts(1), facts(1), hollow), gone=frozenset({b"\3"})) == {SERVES_ALL: [[MERGED_ROWS]]}


def chunk(number, pack):
    return bytes([number]) * 32, CHUNK_TYPE_DATA, Place(pack, number, 0, 10, 10, 0)


def test_rows_are_sorted_and_count_in_one_table():
    parts, packs = [], [PackRow(1, bytes([n]) * 16, bytes([n]) * 16) for n in range(3)]
    for numbers, there in (((3, 1), packs[:2]), ((2, 4), packs[1:])):
        numbered: dict[PackRow, int] = {}
        parts.append(
            (rows_of([chunk(number, there[number % 2]) for number in numbers], numbered), PackTable.of(numbered))
        )
    merged, table = merged_rows(parts, frozenset({packs[2].pack}))
    index = ChunkIndex()
    index.load(IndexRun(bytes(16), bytes(16), True, 0, table, merged))
    assert [row["id"].tobytes()[0] for row in merged] == [1, 2, 3, 4]
    assert set(table) == {packs[1]}
    assert index.find(*chunk(3, None)[:2]) == chunk(3, packs[1])[2]


def write_run(repository, session, verified, workload_id, epoch=0):
    key = names.index_run(repository.tenant_id(DEFAULT_TENANT), session, 0)
    rows = rows_of([chunk(1, PackRow(1, session, session))], {})
    run = IndexRun(session, workload_id, verified, epoch, PackTable.of([PackRow(1, session, session)]), rows)
    repository.sealed.write(Kind.INDEX_RUN, key, index_run.encode(run))
    return key


def test_an_unverified_workloads_merged_run_is_offered_to_that_workload_alone(grown):
    repository = grown.open()
    mine = repository.tenant(DEFAULT_TENANT).keys.workload_id("a")
    merged = write_run(repository, b"m" * 16, False, mine)
    old = newest_plan(repository.sealed)
    plan = dataclasses.replace(old, epoch=old.epoch + 1, index_runs=old.index_runs | {merged}, merged={b"m" * 16: mine})
    assert publish(repository.sealed, plan)
    for workload, offered in (("a", True), ("b", False)):
        session = open_session(repository, DEFAULT_TENANT, workload)
        terms = terms_of(session, CompressionLevel.DEFAULT)
        assert (merged in {offer.key for offer in terms.index_runs}) is offered
        end_without_point(repository, session.session, session.point_key)
        close_ended(repository, session.session, session.point_key)


def test_a_run_of_a_merging_at_work_stays_and_one_of_a_dead_merging_goes(grown):
    repository = grown.open()
    session = open_repacking(repository, DEFAULT_TENANT)
    key = write_run(repository, session.session, True, session.workload_id)
    plan = newest_plan(repository.sealed)
    assert read_runs(repository, plan, frozenset()).unnamed == {key}
    delete_runs(repository, plan, [key])
    assert key in runs_in(grown)
    end_without_point(repository, session.session, session.point_key)
    close_ended(repository, session.session, session.point_key)
    delete_runs(repository, Plan(plan.epoch - 1, frozenset(), frozenset(), frozenset()), [key])
    assert key in runs_in(grown)
    delete_runs(repository, plan, [key])
    assert key not in runs_in(grown)


class Sleeping(FaultyStore):
    """Before the first plan is published, others do what they like."""

    def __init__(self, inner, meanwhile):
        super().__init__(inner, {})
        self.meanwhile = meanwhile

    def create(self, key, *args, **options):
        if key.startswith(names.PLANS) and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        super().create(key, *args, **options)


def test_a_run_of_a_merging_that_slept_for_days_is_there_when_its_plan_names_it(grown):
    """The session was ended for its silence; no other plan came in between, so the one that slept may go on."""

    def others():
        grown.clock.step(3 * 86400)
        for _day in range(3):
            grown.collect()
            grown.clock.step(86400)

    repository = grown.small.open(grown.surroundings(), Sleeping(grown.store, others))
    order = CollectionOrder(timedelta(0), FEW)
    assert Collection(repository, order, Silence(), grown.pause).run().merged_runs
    [left] = newest_plan(grown.open().sealed).index_runs
    assert left in runs_in(grown)
    grown.all_is_there()


def test_who_finds_others_quicker_five_times_is_told(grown):
    """Each time another plan takes the name of the one that it would publish."""

    class Slow(FaultyStore):
        plans = 0

        def create(self, key, *args, **options):
            if key.startswith(names.PLANS):
                self.plans += 1
                repository = grown.open()
                plan = newest_plan(repository.sealed)
                assert publish(repository.sealed, dataclasses.replace(plan, epoch=plan.epoch + 1))
            super().create(key, *args, **options)

    grown.delete(next(iter(grown.contents)))
    store = Slow(grown.store, {})
    collection = Collection(
        grown.small.open(grown.surroundings(), store), CollectionOrder(timedelta(0)), Silence(), grown.pause
    )
    with pytest.raises(ConflictError, match="were quicker 5 times") as told:
        collection.run()
    assert store.plans == 5
    assert told.value.why == "each of them has published a plan in the meantime"
    assert told.value.cure == "run one collection at a time"
    grown.collect()
    grown.all_is_there()


def test_a_run_that_somebody_with_a_past_key_has_put_in_the_place_of_one_is_not_merged(grown):
    """Under the newest key it would be believed; so it stays, and the repair that the check asks for looks after it."""
    thief = Thief(grown.open())
    rotate(grown.open(), grown.small.secret)
    repository = grown.open()
    forged = min(newest_plan(repository.sealed).index_runs)
    true = repository.access().read_index_run(forged)
    thief.run(grown.store, forged, misleading(true))
    assert grown.collect(tidiness=FEW).merged_runs
    plan = newest_plan(grown.open().sealed)
    assert forged in plan.index_runs
    with pytest.raises(FormatError, match="nothing of epoch 2 vouches for it"):
        read_run(grown.open(), forged, plan)
    grown.back_up("c", 1, 10, 11)
    grown.everything_restores()


def test_a_run_of_a_merging_that_died_goes_with_the_next_plan(grown):
    repository = grown.open()
    session = open_repacking(repository, DEFAULT_TENANT)
    key = write_run(repository, session.session, True, session.workload_id)
    end_without_point(repository, session.session, session.point_key)
    close_ended(repository, session.session, session.point_key)
    grown.collect()
    assert key in runs_in(grown)
    grown.delete(grown.back_up("a", 98))
    grown.collect()
    assert key not in runs_in(grown)


def test_a_run_that_the_plan_names_is_in_force_though_its_session_is_open_still(grown):
    repository = grown.open()
    plan = newest_plan(repository.sealed)
    named = min(plan.index_runs)
    opened = frozenset({names.session_of_run(key) for key in plan.index_runs})
    assert named in read_runs(repository, plan, opened).usable
    newer = write_run(repository, session := b"n" * 16, True, bytes(16))
    assert newer not in read_runs(repository, plan, opened | {session}).usable


def test_what_goes_while_it_is_merged_stays_in_force(grown):
    repository = grown.open()
    plan = newest_plan(repository.sealed)
    runs = read_runs(repository, plan, frozenset())
    missing = min(runs.usable)
    grown.store.delete(missing)
    merging = merge_runs(repository, plan, runs, frozenset(), 3)
    merging.end()
    assert missing not in merging.replaced
    assert not merging.written


def test_a_reader_whose_runs_were_merged_asks_for_the_new_one(grown):
    repository = grown.open()
    grown.collect(tidiness=FEW)
    [left] = runs_in(grown)
    answers = iter([["index/" + "0" * 32 + "/" + "0" * 32 + "-0000"], [left], [left]])
    access = dataclasses.replace(repository.access(), index_runs=lambda: next(answers))
    row = read_run(repository, left, NO_PLAN).rows[0]
    assert list(IndexSearch(access).places(row["id"].tobytes(), int(row["type"])))


def test_the_bounds_are_looked_at_by_list(grown):
    repository = grown.open()
    plan = newest_plan(repository.sealed)
    packs = StandingPacks(repository.store)
    assert Tidiness().is_kept(repository, plan, packs, frozenset())
    assert not FEW.is_kept(repository, plan, packs, frozenset())
    assert Tidiness(runs=len(runs_in(grown))).is_kept(repository, plan, packs, frozenset())
    assert not Tidiness(runs=len(runs_in(grown)) - 1).is_kept(repository, plan, packs, frozenset())
    many = dataclasses.replace(plan, condemned=frozenset(bytes([n]) * 16 for n in range(40)))
    assert not Tidiness(gone=39).is_kept(repository, many, packs, frozenset())
    assert Tidiness(gone=40).is_kept(repository, many, packs, frozenset())
    assert Tidiness(gone=39).is_kept(repository, many, packs, frozenset({bytes(16)}))
