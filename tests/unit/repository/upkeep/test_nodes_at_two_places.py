"""Two points name the same node of a map in two packs, as a backup does that may not build upon the one before: a
collection keeps both, and where one is gone that is seen and mended.
"""

from datetime import timedelta
from typing import Any

import pytest

from holdfast.repository.crypto.keys import CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.object_store import ORDINARY
from holdfast.repository.progress import Silence
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import MapReader
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import make_small_repository, restored
from tests.faults.world import DISK, back_up, volume_of


def three_leaves(first, second):
    return volume_of(*[1, 2, first], *[0] * 125, *[4, second], *[0] * 126, 8)


BEFORE, AFTER, LATER = three_leaves(3, 30), three_leaves(0, 31), three_leaves(0, 32)


class CollectedMeanwhile(FaultyStore):
    """A collection publishes its plan when a backup is about to write its index run."""

    def __init__(self, inner, collect):
        super().__init__(inner, {})
        self._collect = collect

    def create(self, key, body, sha256, terms=ORDINARY):
        if key.startswith(names.INDEX) and self._collect is not None:
            collect, self._collect = self._collect, None
            assert collect().waiting
        super().create(key, body, sha256, terms)


class World:
    def __init__(self, pack_size_bytes):
        self.seed, self.clock = 1, SteppableClock()
        self.small = make_small_repository(MemoryStore(), deterministic_surroundings(1, self.clock), pack_size_bytes)
        self.volumes = {}
        self.first: Any = None
        self.second: Any = None

    def opened(self, store=None):
        self.seed += 1
        return self.small.open(deterministic_surroundings(self.seed, self.clock), store)

    def collect(self):
        return Collection(self.opened(), CollectionOrder(timedelta(0)), Silence(), lambda seconds: None).run()

    def back_up(self, name, volume, store=None, workload=DISK, **earlier):
        manifest = back_up(self.opened(store), workload, volume, name, earlier).finished.manifest
        self.volumes[manifest.session] = volume
        return manifest

    def retire(self, manifest):
        repository = self.opened()
        (point,) = (one for one in list_points(repository) if one.session == manifest.session)
        retire(repository, point.session, point.key)
        del self.volumes[manifest.session]

    def leaves(self, manifest):
        """Where its map names them."""
        access = self.opened().access(manifest.tenant)
        reader = MapReader(manifest.volumes[0], ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access)))
        return [reader.entry(1, number) for number in range(3)]

    def assert_whole(self):
        repository = self.opened()
        for point in list_points(repository):
            assert restored(repository, point) == self.volumes[point.session].content
        assert not check_repository(self.opened(), 100, Silence()).damage


@pytest.fixture(params=[400, 4000])
def world(request):
    """Packs that hold little are dead as a whole, larger ones are repacked."""
    world = World(request.param)
    gone = world.back_up("o", volume_of(9), workload="old")
    world.back_up("z", BEFORE)
    world.retire(gone)
    store = CollectedMeanwhile(world.small.store, world.collect)
    world.first = world.back_up("a", AFTER, store, z=BEFORE)
    world.second = world.back_up("b", AFTER, z=BEFORE)
    return world


def test_both_are_kept(world):
    assert world.second.parent != world.first.session
    for _ in range(2):
        world.collect()
        world.assert_whole()
    world.back_up("c", LATER, b=AFTER)
    world.retire(world.first)
    for _ in range(2):
        world.collect()
        world.assert_whole()


@pytest.mark.parametrize("world", [400], indirect=True)
def test_one_that_is_gone_is_seen_and_comes_back_from_the_other(world):
    world.collect()
    pairs = zip(world.leaves(world.first), world.leaves(world.second), strict=True)
    (twice,) = [there for here, there in pairs if here.id == there.id and here.named != there.named]
    key = names.pack(twice.place.pack.pack)
    world.small.store.delete(key)
    for percent in (None, 100):
        (damage,) = check_repository(world.opened(), percent, Silence()).damage
        assert damage.object == key
        assert [hurt.point_id for hurt in damage.hurt] == [world.second.session.hex()]
    (pack,) = repair(world.opened(), none, Silence()).packs
    assert (pack.object, pack.mended_chunks, pack.lost_chunks) == (key, 1, 0)
    world.assert_whole()
    world.retire(world.first)
    world.collect()
    world.assert_whole()
