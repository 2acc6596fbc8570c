"""A tenant whose object does not open keeps nobody from judging others' packs: who may write can put one there."""

import pytest

from holdfast.repository.format import names
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import put
from tests.faults.test_repair import checked, data_packs, spoil
from tests.faults.world import world

OTHER = "222222222222"


@pytest.fixture(params=["damaged", "junk"])
def scene(request):
    """A repository, and the key of a tenant's object that does not open: nothing in it is of that tenant."""
    scene = world(with_plan=True)
    small = scene.small.copied()
    if request.param == "junk":
        key = f"{names.TENANTS}{'0' * 32}"
        put(small.store, key, b"junk")
        return scene, small, key
    repository = small.open(deterministic_surroundings(8))
    repository.ensure_tenant(OTHER)
    key = names.tenant(repository.tenant_id(OTHER))
    data = bytearray(small.store.get(key))
    data[70] ^= 1
    put(small.store, key, bytes(data))
    return scene, small, key


def test_a_check_reads_the_packs_of_all_others(scene):
    healthy, small, key = scene
    report = checked(small)
    assert {one.object for one in report.damage} == {key}
    assert report.packs_read == report.packs > 0
    spoilt = data_packs(healthy)
    for pack in spoilt:
        spoil(small.store, pack)
    report = checked(small)
    assert {one.object for one in report.damage} == {key, *spoilt}
    hurt = {one.object: one.hurt for one in report.damage}
    assert all(hurt[pack] for pack in spoilt)


def test_a_pack_with_one_damaged_chunk_is_called_what_it_is(scene):
    healthy, small, _ = scene
    pack = next(iter(data_packs(healthy)))
    data = bytearray(small.store.get(pack))
    data[100] ^= 1
    put(small.store, pack, bytes(data))
    report = checked(small)
    assert {one.object: one.why for one in report.damage}[pack] == "its SHA-256 does not match its bytes"
    report = repair(small.open(deterministic_surroundings(9)), none, Silence(), rehearsal=True)
    assert {one.object: one.why for one in report.packs}[pack] == "its SHA-256 does not match its bytes"


def test_whole_packs_of_the_tenant_that_does_not_open_are_not_called_damaged():
    scene = world(with_plan=True)
    small = scene.small.copied()
    (key,) = [info.key for info in small.store.list(names.TENANTS)]
    put(small.store, key, b"junk")
    report = checked(small)
    assert not [one.object for one in report.damage if one.object.startswith(names.PACKS)]
    assert {one.object: bool(one.hurt) for one in report.damage}[key]
