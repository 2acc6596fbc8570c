"""Damage is healed from wherever a healthy copy is, by adding alone: nothing that stands is removed or changed.

Each object of a repository is cut, flipped or lost in turn; a repair with a twin, with the source or with nothing but
the repository itself says what it could heal, and what it says is so.
"""

import contextlib
import io
import random
from datetime import timedelta

import pytest

from holdfast.domain.errors import ConflictError, HoldfastError, IntegrityError
from holdfast.repository.format import names
from holdfast.repository.format import pack as pack_form
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import Quarries, none, of_another_repository, of_the_source
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.health.repair.report import RepairReport
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_stream
from holdfast.testing.deterministic_surroundings import FIRST_MOMENT, SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, Request, SimulatedCrash
from holdfast.testing.memory_volumes import MemorySource
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put, restored
from tests.faults.judged import Judged
from tests.faults.mishaps import WHOLE, befallen, mishaps
from tests.faults.operations import Attempt, run
from tests.faults.test_interleaving import MeanwhileStore
from tests.faults.world import (
    DISK,
    DUMP,
    DUMP_BYTES,
    FIRST,
    LATE,
    LATER,
    PACK_SIZE_BYTES,
    SECOND,
    World,
    back_up,
    collect,
    volume_of,
    world,
)


def everything(store: ObjectStore) -> dict[str, bytes]:
    return {info.key: bytes(store.get(info.key)) for info in store.list("")}


def flip(store: ObjectStore, key: str, seed: int = 1) -> None:
    body = bytearray(store.get(key))
    body[random.Random(seed).randrange(len(body) - 32)] ^= 1
    put(store, key, bytes(body))


def spoil(store: ObjectStore, key: str) -> None:
    """A bit of every chunk in a pack."""
    body = bytearray(store.get(key))
    for at in range(pack_form.HEADER_BYTES, pack_form.FOOTER.unpack(body[-pack_form.FOOTER.size :])[0], 8):
        body[at] ^= 1
    put(store, key, bytes(body))


def cut(store: ObjectStore, key: str) -> None:
    put(store, key, bytes(store.get(key))[: store.head(key).size_bytes // 2])


def lose(store: ObjectStore, key: str) -> None:
    store.delete(key)


PROBE = "probe"
SHARE = 16
WAYS = {"flipped": flip, "cut": cut, "lost": lose}


@pytest.fixture(scope="module")
def twin() -> SmallRepository:
    """Another repository, with another key, to which the same was backed up."""
    surroundings = deterministic_surroundings(70)
    small = make_small_repository(MemoryStore(), surroundings, PACK_SIZE_BYTES * 3)
    repository = small.open(surroundings)
    back_up(repository, DISK, FIRST, "s1")
    back_up(repository, DISK, SECOND, "s2", {"s1": FIRST})
    backup_stream(repository, io.BytesIO(DUMP_BYTES), BackupOrder(DUMP), Silence())
    back_up(repository, LATE, LATER, "l")
    return small


def repaired(small: SmallRepository, quarries: Quarries, seed: int = 30) -> RepairReport:
    """One repair, of which nothing is removed and nothing changed."""
    before = everything(small.store)
    report = repair(small.open(deterministic_surroundings(seed)), quarries, Silence())
    after = everything(small.store)
    assert {key: after.get(key) for key in before} == before
    return report


def contents(small: SmallRepository) -> dict[bytes, bytes | None]:
    """What every point gives back, None for one that does not restore."""
    repository = small.open(deterministic_surroundings(31))
    found: dict[bytes, bytes | None] = {}
    for point in list_points(repository):
        try:
            found[point.session] = restored(repository, point)
        except (IntegrityError, HoldfastError):
            found[point.session] = None
    return found


def checked(small: SmallRepository):
    return check_repository(small.open(deterministic_surroundings(32)), 100, Silence())


@pytest.mark.parametrize("with_plan", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_every_pack_is_healed_from_a_twin(way, with_plan, twin, count_case):
    """Data and maps of volumes are, and of streams the data; a stream's map has no other source."""
    scene = world(with_plan=with_plan)
    other = twin.open(deterministic_surroundings(71))
    healed = 0
    for key in [info.key for info in scene.small.store.list(names.PACKS)]:
        small = scene.small.copied()
        WAYS[way](small.store, key)
        report = repaired(small, of_another_repository(other, bytes(16)))
        try:
            named_hurt = {hurt.point_id for pack in report.packs for hurt in pack.hurt}
            for session, content in contents(small).items():
                assert content == (None if session.hex() in named_hurt else scene.contents[session])
            assert named_hurt <= {scene.newest[DUMP].hex()}
            healed += not named_hurt
            found = checked(small)
            assert {one.object for one in found.harmful} == ({key} if named_hurt else set())
            assert repaired(small, of_another_repository(other, bytes(16)), 33).written_packs == 0
        except BaseException as error:
            error.add_note(f"{key} {way}: {report}")
            raise
        count_case()
    assert healed > 5


@pytest.mark.parametrize("way", WAYS)
def test_data_is_healed_from_the_source(way, count_case):
    """Of the last point, whose source is still there; points of the same blocks are healed with it."""
    scene = world(with_plan=True)
    source = MemorySource(SECOND, "s2", {})
    for key in data_packs(scene):
        small = scene.small.copied()
        WAYS[way](small.store, key)
        report = repaired(small, of_the_source(source, scene.newest[DISK], "volume"))
        [pack] = report.packs
        needed = {session for session, content in contents(small).items() if content is None}
        assert needed == {bytes.fromhex(hurt.point_id) for hurt in pack.hurt}
        assert scene.newest[DISK] not in needed
        count_case()


def data_packs(scene: World) -> list[str]:
    """Packs of the newest point's data."""
    packs = [info.key for info in scene.small.store.list(names.PACKS)]
    return [key for key in packs if not read_header(scene.small.store, bytes.fromhex(key[-32:])).holds_maps]


@pytest.mark.parametrize("way", WAYS)
def test_index_runs_are_written_anew_from_the_packs(way, count_case):
    """What a lost run named may be built upon again, and the lost run is in force no more."""
    for with_plan in (False, True):
        scene = world(with_plan=with_plan)
        for key in [info.key for info in scene.small.store.list(names.INDEX)]:
            small = scene.small.copied()
            WAYS[way](small.store, key)
            report = repaired(small, none)
            known = [one for one in report.runs if one.object == key]
            assert [one.replaced for one in known] == ([True] if known else [])
            assert checked(small).harmful == ()
            assert contents(small) == scene.contents
            assert collected(small) == scene.contents
            count_case()


@pytest.mark.parametrize("way", WAYS)
def test_chunks_that_only_a_lost_run_could_find_are_found_again(way):
    """After a repacking their old packs are gone; the new ones say themselves what they hold."""
    small = world(with_plan=False).small.copied()
    repository = small.open(deterministic_surroundings(60))
    for point in list_points(repository):
        if point.session == world(with_plan=False).newest[DUMP]:
            retire(repository, point.session, point.key)
    before = collected(small)
    live = {point.session for point in list_points(small.open(deterministic_surroundings(61)))}
    moved = [info.key for info in small.store.list(names.INDEX) if names.session_of_run(info.key) not in live]
    assert moved
    for key in moved:
        WAYS[way](small.store, key)
    assert None in contents(small).values()
    assert repaired(small, none).left == ()
    assert contents(small) == before
    assert collected(small) == before


def collected(small: SmallRepository) -> dict[bytes, bytes | None]:
    """What points give back after two collections a day apart."""
    for seed, days in ((40, 2), (41, 4)):
        clock = SteppableClock(FIRST_MOMENT + timedelta(days=days))
        collect(small.open(deterministic_surroundings(seed, clock)))
    return contents(small)


@pytest.mark.parametrize("way", WAYS)
def test_a_collection_takes_what_is_healed_and_leaves_what_is_lost(way, twin, count_case):
    """The damaged pack goes once all that points need of it lies elsewhere; one that is still needed stays for ever."""
    scene = world(with_plan=True)
    other = twin.open(deterministic_surroundings(71))
    for key in data_packs(scene):
        small = scene.small.copied()
        WAYS[way](small.store, key)
        assert not [pack for pack in repaired(small, of_another_repository(other, bytes(16))).packs if pack.lost_chunks]
        assert collected(small) == scene.contents
        assert key not in everything(small.store)
        assert checked(small).damage == ()
        count_case()


def test_what_is_lost_is_never_dropped_and_stops_no_collection():
    scene = world(with_plan=True)
    hurt = 0
    for key in data_packs(scene):
        small = scene.small.copied()
        spoil(small.store, key)
        report = repaired(small, none)
        lost = {hurt.point_id for pack in report.packs for hurt in pack.hurt}
        after = collected(small)
        assert {session.hex() for session, content in after.items() if content is None} == lost
        assert (key in everything(small.store)) == bool(lost)
        hurt += bool(lost)
    assert hurt


@pytest.mark.parametrize("way", [spoil, lose])
def test_a_backup_stores_anew_what_was_lost_and_heals_the_older_points(way):
    """Nobody builds upon what a repair has condemned; and a chunk that is stored again has the same id."""
    scene = world(with_plan=True)
    for key in data_packs(scene):
        small = scene.small.copied()
        way(small.store, key)
        repaired(small, none)
        repository = small.open(deterministic_surroundings(50))
        for workload, volume in ((DISK, FIRST), (DISK, SECOND), (LATE, LATER)):
            back_up(repository, workload, volume, "now")
        backup_stream(repository, io.BytesIO(DUMP_BYTES), BackupOrder(DUMP), Silence())
        found = contents(small)
        assert {session: found[session] for session in scene.contents} == scene.contents
        assert [one.object for one in repaired(small, none, 51).packs] == [key]
        assert repaired(small, none, 52).epoch == 0
        assert {session: content for session, content in collected(small).items() if session in scene.contents} == (
            scene.contents
        )


@pytest.mark.parametrize("way", WAYS)
def test_a_tree_of_several_levels_is_made_again_from_the_source(way):
    """The root and what is below it, holes and all; each node's places are those that the session's run says."""
    surroundings = deterministic_surroundings(80)
    small = make_small_repository(MemoryStore(), surroundings, PACK_SIZE_BYTES)
    volume = volume_of(1, 2, *[0] * 128, 3)
    made = back_up(small.open(surroundings), DISK, volume, "s").finished.manifest
    assert made.volumes[0].depth == 2
    packs = [info.key for info in small.store.list(names.PACKS)]
    maps = [key for key in packs if read_header(small.store, bytes.fromhex(key[-32:])).holds_maps]
    for key in maps:
        WAYS[way](small.store, key)
    source = MemorySource(volume, "s")
    assert repaired(small, of_the_source(source, made.session, "volume")).left == ()
    assert contents(small) == {made.session: volume.content}


def hurt_world() -> SmallRepository:
    """A pack of data is gone, a map is damaged, and so is another point's index run."""
    scene = world(with_plan=True)
    small = scene.small.copied()
    packs = [info.key for info in small.store.list(names.PACKS)]
    headers = {key: read_header(small.store, bytes.fromhex(key[-32:])) for key in packs}
    mine = [key for key in packs if headers[key].session == scene.newest[LATE]]
    lose(small.store, next(key for key in mine if not headers[key].holds_maps))
    spoil(small.store, next(key for key in mine if headers[key].holds_maps))
    cut(small.store, next(info.key for info in small.store.list(names.INDEX) if scene.newest[DISK].hex() in info.key))
    return small


def mend(small: SmallRepository, store: ObjectStore, twin: SmallRepository, seed: int = 30) -> RepairReport:
    other = twin.open(deterministic_surroundings(71))
    repository = small.open(deterministic_surroundings(seed), store)
    return repair(repository, of_another_repository(other, bytes(16)), Silence())


def requests_of_a_repair(twin: SmallRepository) -> list[Request]:
    """But for the probe's, which are those of any collection: all that write, and of the others a share or all."""
    store = FaultyStore(hurt_world().store, {})
    mend(hurt_world(), store, twin)
    own = [request for request in store.requests if PROBE not in request.key]
    written = [request for request in own if request.kind == "create"]
    assert len(written) > 6
    rest = [request for request in own if request.kind != "create"]
    return [*written, *(rest if WHOLE else rest[::SHARE])]


def assert_healed(small: SmallRepository, before: dict[str, bytes]) -> None:
    after = everything(small.store)
    assert {key: after.get(key) for key in before} == before
    assert checked(small).harmful == ()
    assert contents(small) == world(with_plan=True).contents


def test_a_repair_that_dies_anywhere_has_removed_nothing_and_another_one_heals(twin, count_crash_point):
    judged = Judged()
    for request, mishap in mishaps(requests_of_a_repair(twin)):
        small = hurt_world()
        before = everything(small.store)
        try:
            with contextlib.suppress(HoldfastError, SimulatedCrash):
                mend(small, befallen(small.store, request, mishap), twin)
            assert {key: value for key, value in everything(small.store).items() if key in before} == before
            if judged.is_new(stores=(small.store,)):
                assert mend(small, small.store, twin, 34).left == ()
                assert_healed(small, before)
        except BaseException as error:
            error.add_note(f"{mishap.name} at {request}")
            raise
        count_crash_point()


def test_what_a_dead_repair_has_left_goes_with_a_collection(twin, count_crash_point):
    """Its packs are nobody's until a plan names them; and what it healed of is healed by the next one all the same."""
    for request in requests_of_a_repair(twin)[::3]:
        small = hurt_world()
        with contextlib.suppress(SimulatedCrash):
            mend(small, FaultyStore(small.store, {request.number: Fault.CRASH_AFTER}), twin)
        with contextlib.suppress(IntegrityError):
            collected(small)  # it stops where what a point needs is nowhere
        assert mend(small, small.store, twin, 34).left == ()
        assert collected(small) == world(with_plan=True).contents
        assert checked(small).harmful == ()
        count_crash_point()


@pytest.mark.parametrize("other", ["full", "changed blocks", "delete", "restore", "collect"])
def test_another_process_between_any_two_requests(other, twin, count_case):
    """Whatever it does, the repair ends well or another one does; no point is hurt that was not."""
    scene, judged = world(with_plan=True), Judged()
    for request in requests_of_a_repair(twin):
        small = hurt_world()
        attempt, clock = Attempt(), SteppableClock(FIRST_MOMENT + timedelta(days=7))

        def meanwhile(store: ObjectStore = small.store, attempt: Attempt = attempt, clock: SteppableClock = clock):
            with contextlib.suppress(IntegrityError):  # a collection stops where a chunk is nowhere as yet
                run(other, store, scene, 9, attempt, clock)

        try:
            with contextlib.suppress(ConflictError):
                mend(small, MeanwhileStore(small.store, request.number, meanwhile), twin)
            if judged.is_new(attempt.adds, attempt.removes, stores=(small.store,)):
                assert mend(small, small.store, twin, 34).left == ()
                assert_nothing_is_hurt(small, attempt)
        except BaseException as error:
            error.add_note(f"{other} before {request}")
            raise
        count_case()


def assert_nothing_is_hurt(small: SmallRepository, attempt: Attempt) -> None:
    """Every point but the one that was removed is there, before and after a collection."""
    standing = world(with_plan=True).contents
    expected = {session: one for session, one in standing.items() if session != attempt.removes}
    for found in (contents(small), collected(small)):
        assert {session: found.get(session) for session in expected} == expected
        added = [one for session, one in found.items() if session not in expected]
        assert added == ([] if attempt.adds is None else [attempt.adds])
    assert checked(small).harmful == ()
