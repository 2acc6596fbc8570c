"""Marking reads each node of a block map once, however many points share it (rule 4.3)."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.format.map_node import FANOUT
from holdfast.repository.format.plan import NO_PLAN
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.collection.marking import Marking
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.memory_volumes import MemoryVolume
from holdfast.testing.small_repository import make_small_repository
from tests.faults.world import back_up, pattern

LEAVES = 5
# So small that each node has a pack of its own: a request for a pack is the reading of a node.
PACK_SIZE_BYTES = 200
NOTHING_CHANGED: Mapping[int, int] = {}


class Past:
    """Points of one volume of several leaves."""

    def __init__(self) -> None:
        self.small = make_small_repository(MemoryStore(), deterministic_surroundings(1), PACK_SIZE_BYTES)
        self.volumes: dict[str, MemoryVolume] = {}

    def open(self, store=None):
        return self.small.open(deterministic_surroundings(1000 + len(self.volumes)), store)

    def back_up(self, changed: Mapping[int, int] = NOTHING_CHANGED) -> None:
        """One point more; `changed`: leaves of which the only block is another one, by the seed of that."""
        seeds = {leaf: leaf + 1 for leaf in range(LEAVES)} | dict(changed)
        blocks = {leaf * FANOUT: pattern(seed) for leaf, seed in seeds.items()}
        name, volume = f"s{len(self.volumes)}", MemoryVolume(LEAVES * FANOUT * BLOCK_SIZE_BYTES, blocks)
        back_up(self.open(), "w", volume, name, dict(self.volumes))
        self.volumes[name] = volume

    def map_packs(self) -> set[str]:
        access = self.open().access()
        directories = [read_directory(access, pack) for pack in StandingPacks(self.small.store).listed]
        assert all(len(one.entries) == 1 for one in directories if one.header.holds_maps)
        return {names.pack(one.header.pack) for one in directories if one.header.holds_maps}

    def readings(self, store: FaultyStore) -> Counter[str]:
        """How often each node was read."""
        packs = self.map_packs()
        return Counter(one.key for one in store.requests if one.kind == "get" and one.key in packs)


def marked(past: Past, store: FaultyStore, walked: Marking | None = None) -> Marking:
    repository = past.open(store)
    marking = Marking(repository, NO_PLAN, StandingPacks(repository.store), walked=walked)
    for point in list_points(repository):
        marking.add(load_manifest(repository, point))
    return marking


def collected(past: Past, store: FaultyStore) -> None:
    order = CollectionOrder(patience=timedelta(0), dry_run=True)
    Collection(past.open(store), order, Silence(), lambda seconds: None).run()


def test_fifty_points_that_share_a_map_cost_the_readings_of_one():
    past, readings = Past(), []
    for further in (1, 49):
        for _ in range(further):
            past.back_up()
        for work in (marked, collected):
            store = FaultyStore(past.small.store, {})
            work(past, store)
            readings.append(past.readings(store))
    assert len(list_points(past.open())) == 50
    assert len(past.map_packs()) == LEAVES + 1
    assert readings == [dict.fromkeys(past.map_packs(), 1)] * 4


def test_what_points_share_in_part_is_read_once():
    past = Past()
    for number in range(10):
        past.back_up({number % 2: 100 + number})
    store = FaultyStore(past.small.store, {})
    marking = marked(past, store)
    readings = past.readings(store)
    assert readings == dict.fromkeys(past.map_packs(), 1)
    assert len(readings) > LEAVES + 10
    again = FaultyStore(past.small.store, {})
    marked(past, again, marking)
    assert past.readings(again) == {}, "a marking that follows another one walks what has come since"
