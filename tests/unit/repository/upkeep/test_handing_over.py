"""What a new key epoch vouches for, and what one wrong answer must not leave out of it for good."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import names
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.progress import Silence
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.collection.run_merging import Tidiness
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.faulty_store import SimulatedCrash
from tests.unit.repository.upkeep.rotating import Dying
from tests.unit.repository.upkeep.test_collection import Site

PACK_SIZE_BYTES = 4000


@pytest.fixture
def moved():
    """A point whose chunks lie elsewhere than its map says: the index run of a repacking alone knows where."""
    site = Site(PACK_SIZE_BYTES)
    gone = site.back_up("a", *range(1, 9))
    site.back_up("a", 1, 9, 10)
    site.delete(gone)
    assert site.collect().repacked
    return site


class TornOnce(PassingStore):
    """The first answer for each of some keys comes in part."""

    def __init__(self, inner, keys):
        super().__init__(inner)
        self.left = set(keys)

    def get(self, key, offset=0, length=None, version=None):
        data = super().get(key, offset, length, version)
        if key not in self.left:
            return data
        self.left.remove(key)
        return data[: len(data) // 2]


class ShortList(PassingStore):
    """Shows no tenant."""

    def list(self, prefix, start_after=""):
        return iter(()) if prefix.startswith(names.TENANTS) else super().list(prefix, start_after)

    def versions(self, prefix):
        return iter(()) if prefix.startswith(names.TENANTS) else super().versions(prefix)


def rotated(site, store):
    return rotate(site.small.open(site.surroundings(), store), site.small.secret)


def test_an_index_run_that_comes_torn_once_is_in_force_still(moved):
    runs = newest_plan(moved.open().sealed).index_runs
    torn = TornOnce(moved.store, runs)
    assert rotated(moved, torn).not_handed_over is None
    assert not torn.left
    plan = newest_plan(moved.open().sealed)
    assert (plan.kid, plan.index_runs) == (2, runs)
    assert runs <= (plan.vouched or {}).keys()
    moved.back_up("c", 50)
    moved.collect()
    moved.all_is_there()


def test_a_tenant_that_no_list_shows_is_vouched_for(moved):
    assert rotated(moved, ShortList(moved.store)).kid == 2
    for session in list(moved.contents):
        moved.delete(session)
    moved.back_up("a", 1, 2)  # nothing but the epoch's word tells that the tenant is what it was
    assert rotated(moved, moved.store).kid == 3
    moved.all_is_there()


def test_a_tenant_that_is_gone_is_damage(moved):
    [tenant] = [info.key for info in moved.store.list(names.TENANTS)]
    repository = moved.open()
    moved.store.delete(tenant)
    with pytest.raises(IntegrityError) as caught:
        rotate(repository, moved.small.secret)
    assert caught.value.objects == (tenant,)
    assert repository.master.kid == 1


def test_a_repair_keeps_the_run_that_a_collection_left_behind_when_it_died(moved):
    """The plan names it; that the session which wrote it is not closed yet does not matter."""
    for number in range(5):
        moved.back_up("b", 20 + number)
    order = CollectionOrder(patience=timedelta(0), tidiness=Tidiness(runs=2, gone=0))
    dying = moved.small.open(moved.surroundings(), Dying(moved.store, names.PLANS, before=False))
    with pytest.raises(SimulatedCrash):
        Collection(dying, order, Silence(), moved.pause).run()
    plan = newest_plan(moved.open().sealed)
    merged = {key for key in plan.index_runs if names.session_of_run(key) in plan.merged}
    assert merged
    assert moved.open().ledger.state.open
    report = repair(moved.open(), none, Silence())
    assert report.written_packs == 0
    assert merged <= newest_plan(moved.open().sealed).index_runs
    moved.collect()
    moved.all_is_there()
