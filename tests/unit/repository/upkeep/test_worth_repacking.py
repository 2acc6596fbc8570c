"""Which packs' live chunks move: by what is dead of them, by their size, by the keys that they are under."""

import dataclasses

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.pack import DIRECTORY_ENTRY, FOOTER, HEADER_BYTES, TAG_BYTES
from holdfast.repository.format.plan import NO_PLAN
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.marking import PackUse
from holdfast.repository.upkeep.collection.planning import Findings, under_older_keys, worth_repacking
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository, put

PACK_SIZE_BYTES = 40_000
AROUND_BYTES = HEADER_BYTES + TAG_BYTES + FOOTER.size


class Packs:
    """Packs that stand, of any size, and what is live of each."""

    def __init__(self, pack_size_bytes=PACK_SIZE_BYTES):
        self.store = MemoryStore()
        small = make_small_repository(self.store, deterministic_surroundings(1), pack_size_bytes)
        self.repository = small.open(deterministic_surroundings(2))
        self.uses = {}

    def add(
        self, dead_bytes, size_bytes=20_000, tenant="default", chunk_type=CHUNK_TYPE_DATA, kid=1, chunks=3, session=None
    ):
        """A pack of that size; the id is what is given back."""
        pack = bytes([len(self.uses) + 1]) * 16
        put(self.store, names.pack(pack), bytes(size_bytes))
        use = self.uses[pack] = PackUse(kid, session or pack, pack, tenant, chunk_type)
        live_bytes = size_bytes - AROUND_BYTES - chunks * DIRECTORY_ENTRY.size - dead_bytes
        for number in range(chunks):
            use.add(number, live_bytes if number == 0 else 0)
        return pack

    def found(self, plan=NO_PLAN, opened=()):
        none: frozenset[bytes] = frozenset()
        return Findings(plan, self.uses, none, StandingPacks(self.store), frozenset(opened), none, none)

    def chosen(self, choose=worth_repacking, **found):
        return {
            tenant: {use.pack for use in uses} for tenant, uses in choose(self.repository, self.found(**found)).items()
        }


@pytest.fixture
def packs():
    return Packs()


def test_a_pack_moves_when_more_than_a_tenth_of_it_is_dead(packs):
    packs.add(2000)
    sparse = packs.add(2001)
    assert packs.chosen() == {"default": {sparse}}


def test_what_stands_around_each_chunk_is_not_dead(packs):
    for chunks in (1, 40):
        packs.add(2000, chunks=chunks)
    assert packs.chosen() == {}


def test_small_packs_move_where_those_of_a_tenant_and_type_fill_one(packs):
    """Small is less than a quarter of a pack."""
    small = {packs.add(0, 9_999, "a") for _ in range(4)}
    packs.add(0, 10_000, "a")
    assert packs.chosen() == {}, "less than a pack, without what stands around"
    small.add(packs.add(0, 9_999, "a"))
    packs.add(0, 9_999, "b")
    packs.add(0, 9_999, "a", CHUNK_TYPE_MAP)
    assert packs.chosen() == {"a": small}


def test_many_small_packs_of_one_session_are_meant_to_be():
    """First backups of small volumes leave them: merged, all of such a volume would be written anew."""
    packs = Packs(16 << 20)
    few, many = b"few." * 4, b"many" * 4
    chosen = {packs.add(0, (4 << 20) - 1, session=few) for _ in range(8)}
    for _ in range(9):
        packs.add(0, 256 << 10, session=many)
    chosen.add(packs.add(0, (256 << 10) - 1, session=many))
    packs.add(0, 4 << 20, session=few)
    assert packs.chosen() == {"default": chosen}
    maps = {packs.add(0, (4 << 20) - 1, chunk_type=CHUNK_TYPE_MAP, session=many) for _ in range(5)}
    assert packs.chosen() == {"default": chosen | maps}, "of each kind on its own"


def test_sparse_and_small_ones_of_a_tenant_move_together(packs):
    sparse = packs.add(5_000)
    together = {packs.add(0, 9_000) for _ in range(5)}
    assert packs.chosen() == {"default": {sparse, *together}}


def test_what_is_condemned_and_needed_moves_whatever_is_dead_of_it(packs):
    packs.add(0)
    condemned = packs.add(0)
    plan = dataclasses.replace(NO_PLAN, epoch=1, condemned=frozenset({condemned}))
    assert packs.chosen(plan=plan) == {"default": {condemned}}


def test_packs_that_are_gone_or_of_open_sessions_stay(packs):
    gone, opened, sparse = (packs.add(9_000) for _ in range(3))
    packs.store.delete(names.pack(gone))
    assert packs.chosen(opened=[opened]) == {"default": {sparse}}


def test_in_an_archive_nothing_moves(packs):
    packs.add(9_000)
    config = dataclasses.replace(packs.repository.config, archive_class=ArchiveClass.GLACIER)
    assert worth_repacking(dataclasses.replace(packs.repository, config=config), packs.found()) == {}


def test_what_is_under_older_keys_moves_to_newer_ones(packs):
    old, other, gone, opened = (packs.add(0, kid=0, tenant=tenant) for tenant in ("a", "b", "a", "a"))
    packs.add(9_000)
    packs.store.delete(names.pack(gone))
    assert packs.chosen(under_older_keys, opened=[opened]) == {"a": {old}, "b": {other}}
