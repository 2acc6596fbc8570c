"""A pack that a plan condemns is to be removed: what a point needs of it must lie in a sound pack before it goes."""

import pytest

from holdfast.repository.format import names
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.quarry import of_volume
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import end_session, open_session
from holdfast.testing.small_repository import put
from tests.faults.test_repair import cut, spoil
from tests.unit.repository.upkeep.test_collection import Site


def pack_id(key):
    return bytes.fromhex(key.rpartition("/")[2])


@pytest.fixture
def waiting():
    """(site, the session that a collection waits for, the packs into which it has copied): the rest is condemned."""
    site = Site(3000)
    gone = site.back_up("a", 1, 2, 3, 4, 5, 6)
    site.back_up("b", 1)
    site.delete(gone)
    before = site.packs()
    slow = open_session(site.open(), DEFAULT_TENANT, "slow")
    assert site.collect().waiting
    copies = site.packs() - before
    assert copies
    return site, slow, copies


def test_a_repair_copies_out_of_a_condemned_pack_what_is_damaged_where_it_was_copied_to(waiting):
    site, slow, copies = waiting
    for key in copies:
        spoil(site.store, key)
    report = repair(site.open(), none, Silence())
    assert report.left == ()
    assert any(one.mended_chunks for one in report.packs)
    assert "the plan condemns it, and what was to replace it is damaged" in {one.why for one in report.packs}
    end_session(site.open(), slow.session, slow.point_key)
    assert site.collect().deleted > 0
    site.all_is_there()


def test_a_repair_copies_nothing_out_of_a_condemned_pack_whose_copies_are_sound(waiting):
    site, slow, _ = waiting
    report = repair(site.open(), none, Silence())
    assert (report.packs, report.written_packs) == ((), 0)
    end_session(site.open(), slow.session, slow.point_key)
    site.collect()
    site.all_is_there()


def test_a_condemned_pack_is_no_place_of_what_a_lost_run_has_named(waiting):
    """The run that is written anew names what stays, and what must be copied is copied."""
    site, slow, copies = waiting
    for key in copies:
        spoil(site.store, key)
    for key in newest_plan(site.open().sealed).index_runs:
        cut(site.store, key)
    report = repair(site.open(), none, Silence())
    assert report.left == ()
    assert report.written_packs > 0
    end_session(site.open(), slow.session, slow.point_key)
    assert site.collect(repack=False).kept == 0
    site.everything_restores()


@pytest.mark.parametrize("lost", ["data", "data and runs"])
def test_a_last_copy_is_found_in_a_condemned_pack_that_nothing_names(lost):
    """Two backups that did not know of each other had the same chunk; the point of one is gone, and the run, too."""
    site = Site(3000)
    gone = site.back_up("a", 1, 2)
    packs_of_gone = site.packs()
    runs = {info.key: bytes(site.store.get(info.key)) for info in site.store.list(names.INDEX)}
    for key in runs:
        site.store.delete(key)
    site.back_up("b", 1, 2)
    data_of_other = {
        key for key in site.packs() - packs_of_gone if not read_header(site.store, pack_id(key)).holds_maps
    }
    for key, body in runs.items():
        put(site.store, key, body)
    site.delete(gone)
    slow = open_session(site.open(), DEFAULT_TENANT, "slow")
    assert site.collect().waiting
    plan = newest_plan(site.open().sealed)
    assert {names.pack(pack) for pack in plan.condemned} == packs_of_gone
    for info in list(site.store.list(names.INDEX)):
        if info.key not in plan.index_runs or lost != "data":
            site.store.delete(info.key)
    for key in data_of_other:
        site.store.delete(key)
    report = repair(site.open(), none, Silence())
    assert not any(one.lost_chunks for one in report.packs)
    assert report.written_packs > 0
    end_session(site.open(), slow.session, slow.point_key)
    site.collect()
    assert not packs_of_gone & site.packs()
    site.everything_restores()


def test_what_a_repair_has_copied_stays_while_somebody_reads_the_point():
    """Whoever reads looks into the pack that the map names first, and then into those that hold copies."""
    site = Site(3000)
    read = site.back_up("a", 1, 2, 3)
    site.back_up("b", 4)
    repository = site.open()
    [point] = [one for one in list_points(repository) if one.session == read]
    manifest = load_manifest(repository, point)
    [data] = [names.pack(one.pack) for one in manifest.packs if not one.holds_maps]
    body = bytearray(site.store.get(data))
    body[-1] ^= 1  # of its own digest: every chunk of it opens
    put(site.store, data, bytes(body))
    before = site.packs()
    assert repair(repository, none, Silence()).written_packs == 1
    [copy] = site.packs() - before
    content = site.contents[read]
    with pinned(site.open(), [read], Silence()):
        site.delete(read)
        site.collect()
        assert {data, copy} <= site.packs()
        spoil(site.store, data)
        reader = site.open()
        quarry = of_volume(reader.access(DEFAULT_TENANT), manifest.volumes[0])
        assert quarry.read(0, len(content)) == content
    for _time in range(2):
        site.collect()
    assert copy not in site.packs()
    site.everything_restores()
