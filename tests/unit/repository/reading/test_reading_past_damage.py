"""Where a chunk does not open or its pack is gone, any other copy that the index knows is read, and it is said."""

from dataclasses import dataclass

import pytest

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format import pack as pack_form
from holdfast.repository.format.plan import NO_PLAN
from holdfast.repository.health.checking.verify import VerifyReport, verify_point
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import RestoreReport, restore_volume
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.marking import Marking
from holdfast.repository.upkeep.collection.repacking import repack
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put
from tests.faults.world import DISK, PACK_SIZE_BYTES, back_up, volume_of

VOLUME = volume_of(1, 2, 0, 3, 4)


@dataclass
class Twice:
    """A point each of whose chunks lies in one pack of `first` and in one of `second`."""

    small: SmallRepository
    first: list[str]
    second: list[str]

    @property
    def store(self) -> ObjectStore:
        return self.small.store

    def restore(self, store: ObjectStore | None = None, *, salvage: bool = False) -> tuple[RestoreReport, bytes]:
        repository = self.small.open(deterministic_surroundings(9), store)
        [point] = list_points(repository)
        target = MemoryTarget()
        report = restore_volume(repository, point, target, Silence(), salvage=salvage)
        assert target.volume is not None
        return report, target.volume.content

    def verify(self) -> VerifyReport:
        repository = self.small.open(deterministic_surroundings(9))
        return verify_point(repository, list_points(repository)[0], Silence())

    def damage(self, keys: list[str]) -> None:
        """A bit in every chunk's bytes."""
        for key in keys:
            body = bytearray(self.store.get(key))
            for at in range(pack_form.HEADER_BYTES, pack_form.FOOTER.unpack(body[-48:])[0], 8):
                body[at] ^= 1
            put(self.store, key, bytes(body))


@pytest.fixture
def twice() -> Twice:
    surroundings = deterministic_surroundings(3)
    small = make_small_repository(MemoryStore(), surroundings, PACK_SIZE_BYTES)
    repository = small.open(surroundings)
    back_up(repository, DISK, VOLUME, "s1")
    first = [info.key for info in small.store.list(names.PACKS)]
    return Twice(small, first, copied_once_more(small, 3))


def copied_once_more(small: SmallRepository, seed: int) -> list[str]:
    """The packs in which each chunk lies now, too."""
    before = {info.key for info in small.store.list(names.PACKS)}
    repository = small.open(deterministic_surroundings(seed + 100))
    marking = Marking(repository, NO_PLAN, StandingPacks(small.store))
    [point] = list_points(repository)
    marking.add(load_manifest(repository, point))
    repack(repository, "default", marking.uses.values(), Silence())
    return [info.key for info in small.store.list(names.PACKS) if info.key not in before]


def test_every_damaged_pack_is_read_past_and_named_once(twice):
    twice.damage(twice.first)
    report, content = twice.restore()
    assert content == VOLUME.content
    assert [line.split()[0] for line in report.warnings] == sorted(twice.first)
    assert all(line.endswith("; run `holdfast repository repair`") for line in report.warnings)


def test_a_salvage_reads_past_it_too_and_loses_nothing(twice):
    twice.damage(twice.first[:2])
    for key in twice.first[2:]:
        twice.store.delete(key)
    report, content = twice.restore(salvage=True)
    assert (content, report.lost) == (VOLUME.content, ())
    assert [line.split()[0] for line in report.warnings] == sorted(twice.first[:2])


def test_after_a_repair_a_collection_is_the_next_step(twice):
    twice.damage(twice.first)
    repair(twice.small.open(deterministic_surroundings(4)), none, Silence())
    for report in (twice.restore()[0], twice.verify()):
        assert [line.split()[0] for line in report.warnings] == sorted(twice.first)
        assert all("run `holdfast repository collect-garbage`" in line for line in report.warnings)
        assert not any("repository repair" in line for line in report.warnings)


def test_packs_that_are_cut_short_or_empty_are_read_past(twice):
    for number, key in enumerate(twice.first):
        body = bytes(twice.store.get(key))
        put(twice.store, key, b"" if number % 2 else body[: len(body) // 2])
    report, content = twice.restore()
    assert content == VOLUME.content
    assert len(report.warnings) == len(twice.first)


def test_packs_that_are_gone_are_read_past(twice):
    for key in twice.first:
        twice.store.delete(key)
    report, content = twice.restore()
    assert content == VOLUME.content
    assert report.warnings == ()


def test_of_other_places_the_one_that_is_damaged_is_named_where_it_was_tried_first(twice):
    third = copied_once_more(twice.small, 4)
    for key in twice.first:
        twice.store.delete(key)
    told = []
    for bad in (twice.second, third):
        one = Twice(twice.small.copied(), twice.first, twice.second)
        one.damage(bad)
        report, content = one.restore()
        assert content == VOLUME.content
        told.append({line.split()[0] for line in report.warnings})
        assert told[-1] in (set(), set(bad))
    assert any(told)


def test_only_where_no_copy_opens_it_is_an_error(twice):
    twice.damage([*twice.first, *twice.second])
    with pytest.raises(IntegrityError) as caught:
        twice.restore()
    assert caught.value.objects[0] in twice.first
    assert "no other copy" in caught.value.why


def test_gone_here_and_damaged_there_is_an_error(twice):
    for key in twice.first:
        twice.store.delete(key)
    twice.damage(twice.second)
    with pytest.raises(ObjectNotFoundError):
        twice.restore()


def test_what_is_read_past_costs_one_request_a_chunk_and_one_a_pack(twice):
    healthy = FaultyStore(twice.store, {})
    twice.restore(healthy)
    twice.damage(twice.first)
    hurt = FaultyStore(twice.store, {})
    twice.restore(hurt)
    chunks = sum(pack_form.FOOTER.unpack(bytes(twice.store.get(key))[-48:])[1] - 16 for key in twice.first) // 50
    runs = len(list(twice.store.list(names.INDEX)))
    assert len(hurt.requests) - len(healthy.requests) <= chunks + len(twice.first) + runs + 4


def test_verify_says_it_too(twice):
    twice.damage(twice.first[:1])
    repository = twice.small.open(deterministic_surroundings(9))
    [point] = list_points(repository)
    report = verify_point(repository, point, Silence())
    assert [line.split()[0] for line in report.warnings] == twice.first[:1]
