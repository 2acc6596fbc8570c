"""An index run that opens, put over the one that knows where chunks have moved, hides nothing from who restores."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.delegation.restore_side import VolumeTarget, prepare_restore
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.format import names
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.upkeep.collection.collect import CollectionOrder
from holdfast.repository.upkeep.rekeying import rekey
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.worker.narrow_store import NarrowStore
from tests.faults.immutable_site import Site
from tests.faults.thief import Thief, misleading
from tests.unit.repository.delegation.test_hidden_from_workers import OfWorker

CONTENT = bytes(range(250)) * 4


@pytest.fixture(scope="module")
def moved():
    """All that a point needs lies in other packs than its maps say; and who has seen the past key."""
    site = Site()
    site.contents = {site.back_up(CONTENT, None): CONTENT}
    past = site.open()
    rotate(site.open(), site.secret)
    rekey(site.open(), CollectionOrder(timedelta(0)), Silence(), lambda seconds: None)
    for _round in range(2):
        site.later(9)
        site.renew()
        site.collect()
    repository = site.open()
    written = load_manifest(repository, list_points(repository)[0]).packs
    standing = {one.key for one in site.bucket.listed()}
    assert standing.isdisjoint(names.pack(one.pack) for one in written)
    return site, past


def forge(site, seen):
    thief = Thief(seen, lambda _store, key, body: site.bucket.put(key, body))
    access = site.open().access()
    for one in site.bucket.listed():
        if one.key.startswith(names.INDEX):
            thief.run(site.store, one.key, misleading(access.read_index_run(one.key)))


@pytest.mark.parametrize("key", ["past", "newest"])
def test_who_holds_the_keys_asks_each_version(moved, key):
    site, past = moved[0].copied(), moved[1]
    forge(site, past if key == "past" else site.open())
    forge(site, past)
    assert site.restores(site.contents)


def test_a_worker_asks_each_that_its_task_names(moved):
    site, past = moved[0].copied(), moved[1]
    forge(site, past)
    repository = site.open()
    task = prepare_restore(repository, list_points(repository)[0], [VolumeTarget(None, {})], Silence()).task
    target = MemoryTarget()
    store = NarrowStore(OfWorker(site.bucket), task.session, writes_packs=False)
    run_restore_task(store, task, lambda facts: target, Silence(), site.surroundings())
    assert target.volume is not None
    assert target.volume.content == CONTENT


def test_what_lies_nowhere_is_named_all_the_same(moved):
    site, past = moved[0].copied(), moved[1]
    forge(site, past)
    site.later(30)
    for one in [one for one in site.bucket.every_version() if one.key.startswith(names.PACKS)]:
        site.bucket.delete_version(one.key, one.id)
    with pytest.raises(ObjectNotFoundError):
        site.restores(site.contents)
