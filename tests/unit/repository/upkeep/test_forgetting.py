"""What leaves the list of the condemned: names that nobody can believe in any more, however many sessions are open."""

import dataclasses

import pytest

from holdfast.repository.format import names
from holdfast.repository.health.repair.quarry import of_source, of_volume
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.opening.plans import newest_plan, publish
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import end_session, open_session
from holdfast.repository.upkeep.collection.run_merging import Tidiness
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import put
from tests.unit.repository.upkeep.test_collection import Site

ALL_READ = Tidiness(runs=1, gone=0)


@pytest.fixture
def site():
    return Site()


def plan_of(site):
    return newest_plan(site.open().sealed)


def gone(site):
    """What stays condemned though it is gone."""
    packs = site.packs()
    return {pack for pack in plan_of(site).condemned if names.pack(pack) not in packs}


def test_the_list_does_not_grow_while_one_session_or_another_is_always_open(site):
    site.back_up("kept", 1, 2, 3)
    repository, lengths = site.open(), []
    before = open_session(repository, DEFAULT_TENANT, "always")
    for number in range(8):
        site.delete(site.back_up("a", 10 + number))
        following = open_session(repository, DEFAULT_TENANT, "always")
        end_session(repository, before.session, before.point_key)
        before = following
        site.collect(tidiness=ALL_READ)
        lengths.append(len(plan_of(site).condemned))
        assert repository.ledger.whole().open
    assert max(lengths) == max(lengths[:4])
    site.all_is_there()


def test_what_is_gone_stays_for_one_plan_more_while_a_session_is_open(site):
    """Who was open may have built upon the point before it was deleted, and brings its map with the next commit."""
    site.back_up("kept", 1, 2, 3)
    site.delete(site.back_up("a", 10))
    site.collect(tidiness=ALL_READ)
    first = gone(site)
    assert first
    assert not plan_of(site).unnamed
    held = open_session(site.open(), DEFAULT_TENANT, "held")
    site.collect(tidiness=ALL_READ)
    assert gone(site) == plan_of(site).unnamed == first
    repository = site.open()
    later = open_session(repository, DEFAULT_TENANT, "later")
    end_session(repository, held.session, held.point_key)
    site.collect(tidiness=ALL_READ)
    assert not gone(site) & first
    assert repository.ledger.whole().open.keys() == {later.session}


def test_what_is_named_again_stays_though_the_plan_says_that_nothing_named_it():
    site = Site(700)
    session = site.back_up("a", 1, 2, 3, 4, 5, 6)
    site.back_up("b", 1, 12, 3, 14, 5, 16)
    site.delete(session)
    for _time in range(4):
        site.collect(tidiness=ALL_READ)
    named = gone(site)
    assert named, "the map of b has chunks in packs that are gone"
    repository, plan = site.open(), plan_of(site)
    assert publish(repository.sealed, dataclasses.replace(plan, epoch=plan.epoch + 1, unnamed=plan.condemned))
    open_session(repository, DEFAULT_TENANT, "held")
    site.delete(site.back_up("a", 20))
    site.collect(tidiness=ALL_READ)
    assert plan_of(site).epoch > plan.epoch + 1
    assert named <= plan_of(site).condemned
    assert not named & plan_of(site).unnamed


@pytest.mark.parametrize("is_always_open", [True, False])
def test_a_pack_in_which_somebody_looks_for_what_another_one_had_stays_condemned(is_always_open):
    """The chunk has moved twice: its map names the first pack, the plan says that the second has it, which is gone."""
    site = Site(3000)
    first, second = site.back_up("a", 1, 2, 3, 4, 5, 6), site.back_up("c", 1, 2, 3)
    site.back_up("b", 1)
    held = open_session(site.open(), DEFAULT_TENANT, "held")
    for deleted in (first, second):
        site.delete(deleted)
        for _time in range(5):
            following = open_session(site.open(), DEFAULT_TENANT, "held") if is_always_open else None
            end_session(site.open(), held.session, held.point_key)
            held = following or held
            site.collect(tidiness=ALL_READ)
    plan = plan_of(site)
    [pack] = [one for one, others in plan.survivors.items() if others & gone(site)]
    moved = plan.survivors[pack] & gone(site)
    assert moved <= plan.condemned
    assert {names.pack(one) for other in moved for one in plan.survivors[other]} <= site.packs()
    site.all_is_there()


@pytest.mark.parametrize("is_always_open", [True, False])
def test_what_the_map_of_a_deleted_point_names_stays_while_somebody_reads_it(is_always_open):
    """Else who may put packs takes the name, and the copy that the reader needs goes for it."""
    site = Site(3000)
    first = site.back_up("a", 1, 2, 3, 4, 5, 6)
    session = site.back_up("b", 1)
    site.delete(first)
    for _time in range(3):
        site.collect(tidiness=ALL_READ)
    named = gone(site)
    assert named, "the map of b has chunks in packs that are gone"
    repository = site.open()
    [point] = [one for one in list_points(repository) if one.session == session]
    manifest, content = load_manifest(repository, point), site.contents[session]
    held = open_session(repository, DEFAULT_TENANT, "held")
    with pinned(repository, [session], Silence()):
        site.delete(session)
        for number in range(6):
            site.delete(site.back_up("other", 50 + number))
            following = open_session(repository, DEFAULT_TENANT, "held") if is_always_open else None
            end_session(repository, held.session, held.point_key)
            held = following or held
            site.collect(tidiness=ALL_READ)
            assert named <= plan_of(site).condemned
            for pack in named if number == 2 else ():
                put(site.store, names.pack(pack), b"junk")
        reader = site.open().access(DEFAULT_TENANT)
        assert of_volume(reader, manifest.volumes[0]).read(0, len(content)) == content


def test_what_a_repair_condemns_counts_as_named():
    """It has marked nothing: points name what it has found missing, and may be built upon."""
    site = Site(3000)
    session = site.back_up("a", 1, 2, 3)
    site.delete(site.back_up("b", 4))
    site.collect()
    repository = site.open()
    [point] = list_points(repository)
    [data, *_others] = [one.pack for one in load_manifest(repository, point).packs if not one.holds_maps]
    plan = plan_of(site)
    assert publish(repository.sealed, dataclasses.replace(plan, epoch=plan.epoch + 1, index_runs=frozenset()))
    for key in [names.pack(data), *plan.index_runs]:
        site.store.delete(key)
    open_session(site.open(), DEFAULT_TENANT, "held")
    source = MemorySource(MemoryVolume.of(site.contents[session]))
    assert repair(site.open(), lambda _manifest, _volume: [of_source(source)], Silence()).written_packs == 1
    assert data in plan_of(site).condemned - plan_of(site).unnamed
    site.everything_restores()


def test_nothing_is_said_to_be_unnamed_while_runs_are_unread(site):
    site.back_up("kept", 1, 2, 3)
    site.delete(site.back_up("a", 10))
    site.collect(tidiness=ALL_READ)
    assert gone(site)
    open_session(site.open(), DEFAULT_TENANT, "held")
    site.delete(site.back_up("a", 11))
    site.collect()
    assert not plan_of(site).unnamed
