"""What of an archive is damaged and lies elsewhere, too, in packs that are cold: they are asked for, and then read."""

from dataclasses import dataclass

import pytest

from holdfast.cli.retrieval import RetrievalWish, read_when_readable
from holdfast.cli.voice import Output, Voice
from holdfast.domain.archive import Tier
from holdfast.domain.errors import IntegrityError, NeedsRetrievalError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.copying.copy import CopyReport, copy_points
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.delegation.needed_packs import needed_packs
from holdfast.repository.delegation.restore_side import VolumeTarget, prepare_restore
from holdfast.repository.delegation.task_form import decode_task, encode_task
from holdfast.repository.delegation.tasks import RestoreTask
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.format import names
from holdfast.repository.health.checking.verify import verify_point
from holdfast.repository.health.repair.quarries import of_the_source
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.progress import Progress, Silence
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import leaves
from holdfast.repository.reading.restore import RestoreReport, restore_volume
from holdfast.repository.reading.retrieval.plan import plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import Retrieval, retrieve
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.moved import MovedChunks
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget, MemoryVolume
from holdfast.testing.small_repository import make_small_repository, put, restored
from holdfast.wiring.local import points
from holdfast.wiring.local.copying import retrieval_for_copy
from holdfast.wiring.local.opening import LocalRepository
from holdfast.wiring.location_memory import FileLocationMemory
from tests.faults.cold_world import CHUNK_A_PACK_BYTES, DAY_SECONDS, STANDARD, Archive
from tests.faults.world import FIRST, back_up, collect, without


class Remembering(PassingStore):
    """Keeps what was read."""

    def __init__(self, inner):
        super().__init__(inner)
        self.read = []

    def get(self, key, offset=0, length=None, version=None):
        self.read.append(key)
        return super().get(key, offset, length, version)


def spoil(archive: Archive, key: str) -> None:
    """A bit of its first chunk, behind the store's back: it stays as cold, or as readable, as it was."""
    body = bytearray(archive.inner.get(key))
    body[110] ^= 1
    put(archive.inner, key, bytes(body))


def spoilt(archive: Archive, *numbers: int) -> list[str]:
    """The point is readable, and these packs of it are damaged."""
    archive.retrieve(0)
    keys = [archive.plan(0).packs[number].key for number in numbers]
    for key in keys:
        spoil(archive, key)
    return keys


def read(archive: Archive, *, salvage: bool = False, retrieves: bool = True) -> tuple[RestoreReport, bytes]:
    target = MemoryTarget()
    report = restore_volume(archive.open(9), archive.points[0], target, Silence(), salvage=salvage, retrieves=retrieves)
    assert target.volume is not None
    return report, target.volume.content


@pytest.fixture
def twins() -> Archive:
    """Another workload has the same blocks: in an archive it has stored them again."""
    archive = Archive()
    back_up(archive.repository, "other", FIRST, "x1")
    return archive


@pytest.mark.parametrize("sequential", [False, True])
def test_the_cold_copies_of_all_that_is_damaged_are_named_at_once(twins, sequential):
    first, second = spoilt(twins, 0, 1)
    known = {pack.key for pack in twins.plan(0).packs}
    target = MemoryTarget(sequential=sequential)
    with pytest.raises(NeedsRetrievalError, match="damaged") as caught:
        restore_volume(twins.open(9), twins.points[0], target, Silence())
    assert "--retrieval-tier" in caught.value.cure
    assert len(caught.value.packs) == 2
    assert known.isdisjoint(caught.value.packs)
    assert target.aborted
    for key in caught.value.packs:
        twins.store.retrieve(key, 3, Tier.STANDARD)
    twins.clock.step(13 * 3600)
    report, content = read(twins)
    assert content == FIRST.content
    assert {key for key in (first, second) if any(key in line for line in report.warnings)} == {first, second}


def test_a_copy_names_them_at_once_too(twins):
    spoilt(twins, 0, 1)
    target = make_small_repository(MemoryStore(), twins.surroundings(70), CHUNK_A_PACK_BYTES)

    def copied(seed: int) -> CopyReport:
        order = CopyOrder(points=(twins.points[0].id,))
        return copy_points(twins.open(seed), target.open(twins.surroundings(seed + 1)), order, Silence())

    with pytest.raises(NeedsRetrievalError, match="damaged") as caught:
        copied(72)
    assert len(caught.value.packs) == 2
    for key in caught.value.packs:
        twins.store.retrieve(key, 3, Tier.STANDARD)
    twins.clock.step(13 * 3600)
    assert copied(74).failed == []
    [copy] = list_points(target.open(twins.surroundings(76)))
    assert restored(target.open(twins.surroundings(77)), copy) == FIRST.content


def test_a_copy_asks_for_nothing_where_something_opens_nowhere():
    archive = Archive()
    back_up(archive.repository, "other", MemoryVolume.of(FIRST.content[: max(FIRST.blocks) * BLOCK_SIZE_BYTES]), "x1")
    spoilt(archive, *range(len(FIRST.blocks)))
    target = make_small_repository(MemoryStore(), archive.surroundings(70), CHUNK_A_PACK_BYTES)
    order = CopyOrder(points=(archive.points[0].id,))
    report = copy_points(archive.open(72), target.open(archive.surroundings(73)), order, Silence())
    assert [type(one.error) for one in report.failed] == [IntegrityError]


@dataclass
class Command:
    """A restore of the older point by a command; `tries` counts how often it was begun."""

    archive: Archive
    opened: LocalRepository
    tries: int = 0

    def run(self, tier: Tier | None, *, salvage: bool = False, again: bool = True) -> tuple[RestoreReport, bytes]:
        found = self.begin(RetrievalWish(tier, None, wait=True), salvage=salvage, again=again)
        assert isinstance(found, tuple)
        return found

    def begin(
        self, wish: RetrievalWish, *, salvage: bool = False, again: bool = True
    ) -> tuple[RestoreReport, bytes] | int:
        def plan(met: frozenset[str]) -> Retrieval:
            return points.retrieval(self.opened, self.archive.points[0], None, met, whole=False, salvage=salvage)

        def attempt(_retrieved: Retrieval, _progress: Progress) -> tuple[RestoreReport, bytes]:
            self.tries += 1
            return read(self.archive, salvage=salvage)

        voice = Voice(Output.TABLE, no_progress=True)
        return read_when_readable(voice, self.opened, plan, wish, "restoring", attempt, may_read_again=again)


@pytest.fixture
def restore(twins, tmp_path, monkeypatch) -> Command:
    monkeypatch.setattr("time.sleep", twins.clock.step)
    memory = FileLocationMemory(tmp_path, lambda text: None)
    return Command(twins, LocalRepository(twins.open(9), RequestCounts(), memory))


@pytest.mark.parametrize("salvage", [False, True])
def test_a_command_that_may_retrieve_gets_them_and_begins_again(twins, restore, salvage, capsys):
    spoilt(twins, 0)
    asked = len(twins.store.billed)
    report, content = restore.run(Tier.STANDARD, salvage=salvage)
    assert (content, report.lost, restore.tries) == (FIRST.content, (), 2)
    assert len(twins.store.billed) == asked + 1
    assert "is damaged" in capsys.readouterr().err


def test_what_may_not_be_begun_again_is_retrieved_for_the_next_time(twins, restore):
    spoilt(twins, 0)
    for tier, cure in ((None, "with a retrieval tier"), (Tier.STANDARD, "again: it is there now")):
        with pytest.raises(NeedsRetrievalError) as caught:
            restore.run(tier, again=False)
        assert cure in caught.value.cure
    assert (restore.run(None)[1], restore.tries) == (FIRST.content, 3)


def test_what_nobody_waits_for_is_told_once(twins, restore, capsys):
    spoilt(twins, 0)
    assert restore.begin(RetrievalWish(Tier.STANDARD, 3, wait=False), again=False) == 8
    assert "1 pack is on the way" in capsys.readouterr().err
    assert restore.tries == 1


def test_a_salvage_for_which_nothing_is_retrieved_loses_what_has_but_a_cold_copy(twins):
    spoilt(twins, 0)
    report, content = read(twins, salvage=True, retrieves=False)
    assert content == without(FIRST.content, report.lost)
    assert {(one.object in twins.store.cold, "archive class" in one.why) for one in report.lost} == {(True, True)}


def test_a_verification_names_them_too(twins):
    spoilt(twins, 0)
    with pytest.raises(NeedsRetrievalError) as caught:
        verify_point(twins.open(9), twins.points[0], Silence())
    assert len(caught.value.packs) == 1


def test_another_copy_that_can_be_read_is_taken(twins):
    """A third workload has the blocks as well, and its point is readable."""
    back_up(twins.repository, "third", FIRST, "y1")
    spoilt(twins, 0)
    [third] = list_points(twins.repository, None, "third")
    for pack in plan_retrieval(twins.open(10), third, (None,)).packs:
        twins.store.retrieve(pack.key, 3, Tier.STANDARD)
    twins.clock.step(13 * 3600)
    assert read(twins)[1] == FIRST.content


def by_a_worker(archive: Archive) -> bytes:
    wanted = [VolumeTarget(None, {})]
    task = decode_task(encode_task(prepare_restore(archive.open(40), archive.points[0], wanted, Silence()).task))
    assert isinstance(task, RestoreTask)
    target = MemoryTarget()
    run_restore_task(archive.store, task, lambda _facts: target, Silence(), archive.surroundings(41))
    assert target.volume is not None
    return target.volume.content


def test_a_worker_tells_what_is_cold_from_what_is_damaged(twins):
    """The other workload's copy is under a key that it has not: then what is damaged is damaged."""
    with pytest.raises(NeedsRetrievalError) as cold:
        by_a_worker(twins)
    assert "command" not in cold.value.cure  # who ordered it may have given none
    [bad] = spoilt(twins, 0)
    with pytest.raises(IntegrityError) as caught:
        by_a_worker(twins)
    assert caught.value.objects == (bad,)


# ------------------------------------------------------------------------------------------------------- after a repair


@pytest.fixture
def repaired() -> tuple[Archive, frozenset[str]]:
    """The older point has a damaged pack, which was repaired from the source: what the repair has made is cold."""
    archive = Archive()
    spoilt(archive, 0)
    before = archive.store.cold
    manifest = load_manifest(archive.repository, archive.points[0])
    quarries = of_the_source(MemorySource(FIRST, "s1"), manifest.session, manifest.volumes[0].name)
    report = repair(archive.open(20), quarries, Silence())
    assert report.left == ()
    return archive, archive.store.cold - before


def test_what_a_repair_has_made_is_in_the_plan(repaired):
    archive, made = repaired
    assert made
    assert made <= {pack.key for pack in archive.plan(0).archived}
    archive.retrieve(0)
    assert restored(archive.open(21), archive.points[0]) == FIRST.content


def test_it_is_in_the_plan_of_a_copy(repaired, tmp_path):
    archive, made = repaired
    target = make_small_repository(MemoryStore(), archive.surroundings(70), CHUNK_A_PACK_BYTES)
    memory = FileLocationMemory(tmp_path, lambda text: None)
    there = LocalRepository(archive.open(71), RequestCounts(), memory)
    here = LocalRepository(target.open(archive.surroundings(72)), RequestCounts(), memory)
    order = CopyOrder(points=(archive.points[0].id,))
    wanted = retrieval_for_copy(there, here, order)
    assert made <= {pack.key for pack in wanted.plan.archived}
    retrieve(there.repository, wanted, STANDARD, Silence(), archive.clock.step)
    assert copy_points(there.repository, here.repository, order, Silence()).failed == []
    [copied] = list_points(target.open(archive.surroundings(73)))
    assert restored(target.open(archive.surroundings(74)), copied) == FIRST.content


def test_workers_get_the_keys_of_it(repaired):
    archive, made = repaired
    repository = archive.open(22)
    manifest = load_manifest(repository, archive.points[0])
    rows = needed_packs(repository, repository.access(manifest.tenant), manifest.volumes)
    assert made <= {names.pack(row.pack) for row in rows}
    with pytest.raises(NeedsRetrievalError):
        by_a_worker(archive)
    archive.retrieve(0)
    assert by_a_worker(archive) == FIRST.content


def test_a_collection_deletes_neither_the_damaged_pack_nor_the_copy_that_it_cannot_open(repaired):
    archive, made = repaired
    for seed in (30, 31):
        archive.clock.step(200 * DAY_SECONDS)
        collect(archive.open(seed))
    assert made < archive.store.cold
    assert {pack.key for pack in archive.plan(0).packs} <= archive.store.cold
    archive.retrieve(0)
    assert restored(archive.open(32), archive.points[0]) == FIRST.content
    collect(archive.open(33))  # by now the copy is opened
    archive.retrieve(0)
    assert restored(archive.open(34), archive.points[0]) == FIRST.content


def moved_chunk(repository, manifest):
    """One with data that has a copy because its pack is damaged."""
    plan, access = newest_plan(repository.sealed), repository.access(manifest.tenant)
    maps = ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access))
    nodes = [leaf for _number, leaf in leaves(manifest.volumes[0], maps)]
    chunks = [chunk for leaf in nodes for at in range(leaf.count) if (chunk := leaf.located(at)) is not None]
    return next(chunk for chunk in chunks if chunk.place.pack.pack in plan.survivors)


def test_what_a_cold_copy_has_is_not_known_where_a_run_in_force_does_not_open(repaired):
    archive, made = repaired
    repository = archive.open(35)
    manifest, plan = load_manifest(repository, archive.points[0]), newest_plan(repository.sealed)
    access, moved = repository.access(manifest.tenant), moved_chunk(repository, manifest)
    known = MovedChunks(access, plan, StandingPacks(archive.store))
    root = manifest.volumes[0].root
    assert root is not None
    assert not known.is_cold(root.place), "nobody has asked for it as a survivor"
    [place] = known.copies_of(moved, CHUNK_TYPE_DATA)
    assert names.pack(place.pack.pack) in made
    assert known.is_cold(place)
    run = min(plan.index_runs)
    put(archive.inner, run, bytes(archive.inner.get(run))[:-1])
    with pytest.raises(NeedsRetrievalError):
        MovedChunks(access, plan, StandingPacks(archive.store)).copies_of(moved, CHUNK_TYPE_DATA)


def test_the_runs_in_force_are_read_once_for_each_type_of_chunk(repaired):
    """With data it is known which packs they name; who asks for maps alone has no data in memory."""
    archive, _made = repaired
    store = Remembering(archive.store)
    repository = archive.open(36, store)
    manifest, plan = load_manifest(repository, archive.points[0]), newest_plan(repository.sealed)
    moved, root = moved_chunk(repository, manifest), manifest.volumes[0].root
    assert root is not None
    known = MovedChunks(repository.access(manifest.tenant), plan, StandingPacks(store))
    store.read.clear()
    for times, ask in enumerate([known.copies_of, known.known_of], 1):
        for _again in range(2):
            assert ask(moved, CHUNK_TYPE_DATA) if times == 1 else ask(root, CHUNK_TYPE_MAP)
        assert [key for key in store.read if key.startswith(names.INDEX)] == sorted(plan.index_runs) * times


def test_nobody_builds_upon_it_before_it_was_opened(repaired):
    archive, _made = repaired
    assert newest_plan(archive.open(23).sealed).live.isdisjoint({archive.points[0].session})
