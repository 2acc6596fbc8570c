"""Points of one repository in another: what is kept, what is read, what is skipped, and what fails alone."""

import io
import random

import pytest

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    LeaseHeldError,
    NotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    UsageError,
)
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.copying.copy import copy_points, plan_copy
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.format import names
from holdfast.repository.format.origin import Backup, Origin
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.writing.backup import BackupOrder, backup_stream
from holdfast.testing.careless_store import CarelessStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.small_repository import make_small_repository, put
from tests.faults.world import collect, pattern, publish_plan
from tests.unit.repository.copying.copied import copy, third_place, two_places

DISK, DUMP = "disk", "dump"
KEPT = ("kind", "tenant", "workload", "created", "statistics", "configuration")


def noise(seed: int, blocks: int) -> bytes:
    return random.Random(seed).randbytes(blocks * BLOCK_SIZE_BYTES)


def volume(*seeds: int) -> bytes:
    return b"".join(pattern(seed) if seed else bytes(BLOCK_SIZE_BYTES) for seed in seeds) + b"tail"


def test_every_point_comes_as_it_was():
    source, target = two_places(400)
    made = [
        source.back_up(DISK, volume(1, 0, 2)),
        source.dump(DUMP, pattern(7, 3_000_000)),
        source.back_up(DISK, volume(1, 3, 0, 4)),
        source.back_up("other", volume(1)),
    ]
    report = copy(source, target)
    assert [copied.point.session for copied in report.copied] == made
    contents = source.contents()
    for copied in report.copied:
        old, new = source.manifest(copied.point.session), copied.manifest
        assert target.contents()[new.session] == contents[old.session]
        assert [getattr(new, name) for name in KEPT] == [getattr(old, name) for name in KEPT]
        assert [(v.name, v.size_bytes, v.source) for v in new.volumes] == [
            (v.name, v.size_bytes, v.source) for v in old.volumes
        ]
        here = source.open().config.repository
        roots = tuple(volume.root for volume in old.volumes)
        assert new.origin == Origin(Backup(here, old.session), here, roots)
    assert [copied.manifest.parent for copied in report.copied] == [
        None,
        None,
        report.copied[0].manifest.session,
        None,
    ]
    assert check_repository(target.open(), 100, Silence()).damage == ()
    assert check_repository(source.open(), 100, Silence()).damage == ()


def test_nothing_is_compressed_again_nor_named_alike():
    source, target = two_places()
    source.back_up(DISK, volume(1, 2))
    [copied] = copy(source, target).copied
    old, new = source.newest(), copied.manifest
    assert {volume.root and volume.root.id for volume in old.volumes}.isdisjoint(
        volume.root and volume.root.id for volume in new.volumes
    )
    assert [pack.size_bytes for pack in old.packs] == [pack.size_bytes for pack in new.packs]


def test_what_was_copied_is_not_copied_again():
    source, target = two_places()
    first = source.back_up(DISK, volume(1))
    copy(source, target)
    second = source.back_up(DISK, volume(2))
    report = copy(source, target)
    assert [one.point.session for one in report.copied] == [second]
    [(there, here)] = report.chosen.present
    assert (there.session, here.origin) == (first, Backup(source.open().config.repository, first))
    assert copy(source, target).copied == []


@pytest.mark.parametrize("kind", [DISK, DUMP])
def test_a_second_copy_reads_what_changed(kind):
    source, target = two_places()
    before = noise(1, 200) if kind == DISK else noise(1, 64)
    write = source.back_up if kind == DISK else source.dump
    write(kind, before)
    copy(source, target)
    after = bytearray(before)
    for block in range(0, len(before) // BLOCK_SIZE_BYTES, 50):
        after[block * BLOCK_SIZE_BYTES : (block + 1) * BLOCK_SIZE_BYTES] = noise(block + 2, 1)
    point = write(kind, bytes(after))
    stored = sum(pack.size_bytes for pack in source.manifest(point).packs)
    there, here = RequestCounts(), RequestCounts()
    source_repository, target_repository = source.counted(there), target.counted(here)
    opening_bytes = there.received_bytes
    [copied] = copy_points(source_repository, target_repository, CopyOrder(), Silence()).copied
    assert there.received_bytes - opening_bytes <= 1.05 * stored
    assert copied.stored_bytes <= 1.05 * stored
    assert target.contents()[copied.manifest.session] == after


def test_a_stream_that_moved_is_not_read_again():
    source, target = two_places()
    source.dump(DUMP, noise(1, 40))
    copy(source, target)
    source.dump(DUMP, b"a line in front\n" + noise(1, 40))
    [copied] = copy(source, target).copied
    assert copied.read_bytes < 8 * BLOCK_SIZE_BYTES


def test_a_chunk_that_one_run_has_met_is_not_read_again():
    source, target = two_places()
    for workload in ("a", "b", "c"):
        source.back_up(workload, noise(1, 8))
    assert [one.read_bytes for one in copy(source, target).copied] == [8 * BLOCK_SIZE_BYTES, 0, 0]


@pytest.mark.parametrize("collected", [False, True])
def test_the_point_that_the_last_copy_is_of_may_be_gone(collected):
    source, target = two_places(400)
    first = source.back_up(DISK, volume(*range(1, 20)))
    copy(source, target)
    second = source.back_up(DISK, volume(*range(1, 10), 50, *range(11, 20)))
    source.delete(first)
    if collected:
        for _time in range(3):
            collect(source.open())
    [copied] = copy(source, target).copied
    assert target.contents()[copied.manifest.session] == source.contents()[second]
    assert copied.manifest.parent is not None
    assert copied.read_bytes == BLOCK_SIZE_BYTES or collected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1] * 3, [1, 2, 3, *[0] * 126, 4]),
        ([1, *[0] * 126, 2, 3, 4], [1] * 3),
        ([1, 2, 3], []),
        ([], [1, 2, 3]),
        ([0] * 200, [0] * 130 + [1] * 3),
        ([1, *[0] * 129, 2], [0] * 200),
        ([0] * 3, [0] * 200),
    ],
)
def test_volumes_grow_and_shrink(before, after):
    source, target = two_places(2000)
    source.back_up(DISK, volume(*before))
    copy(source, target)
    point = source.back_up(DISK, volume(*after))
    [copied] = copy(source, target).copied
    assert target.contents()[copied.manifest.session] == source.contents()[point]
    assert copied.manifest.parent is not None


def test_there_and_back_again():
    source, target = two_places()
    first = source.back_up(DISK, volume(1, 2, 3))
    copy(source, target)
    second = target.back_up(DISK, volume(1, 2, 4))
    report = copy(target, source)
    assert [one.point.session for one in report.copied] == [second]
    [copied] = report.copied
    assert copied.manifest.parent == first
    assert copied.read_bytes == BLOCK_SIZE_BYTES
    assert source.contents()[copied.manifest.session] == volume(1, 2, 4)
    assert copy(source, target).copied == []


def test_a_copy_of_a_copy_is_known_by_its_backup():
    first, second = two_places()
    third = third_place()
    point = first.back_up(DISK, volume(1))
    copy(first, second)
    [copied] = copy(second, third).copied
    origin = copied.manifest.origin
    assert origin is not None
    assert origin.backup == Backup(first.open().config.repository, point)
    assert origin.copied_from == second.open().config.repository
    assert copy(first, third).copied == []


def test_points_and_workloads_are_chosen():
    source, target = two_places()
    first, second = source.back_up("a", volume(1)), source.back_up("b", volume(2))
    third = source.back_up("a", volume(3))
    assert [o.point.session for o in copy(source, target, CopyOrder(["latest:a"])).copied] == [third]
    assert [o.point.session for o in copy(source, target, CopyOrder(workloads=["b"])).copied] == [second]
    report = copy(source, target, CopyOrder(workloads=["a"]))
    assert [one.point.session for one in report.copied] == [first]
    assert [there.session for there, _here in report.chosen.present] == [third]
    with pytest.raises(NotFoundError, match="workload c"):
        copy(source, target, CopyOrder(workloads=["c"]))
    with pytest.raises(NotFoundError):
        copy(source, target, CopyOrder(points=["latest:c"]))
    with pytest.raises(UsageError):
        copy(source, target, CopyOrder(points=["latest:a"], workloads=["a"]))


def test_a_repository_is_not_copied_into_itself():
    source, _target = two_places()
    with pytest.raises(UsageError, match="into itself"):
        copy(source, source)


def test_a_damaged_point_fails_alone():
    source, target = two_places(400)
    whole, hurt = source.back_up("a", volume(1)), source.back_up("b", volume(2))
    later = source.back_up("a", volume(1, 3))
    store = source.small.store
    pack = next(pack for pack in source.manifest(hurt).packs if not pack.holds_maps)
    body = bytearray(store.get(names.pack(pack.pack)))
    body[len(body) // 2] ^= 1
    put(store, names.pack(pack.pack), bytes(body))
    report = copy(source, target)
    assert [one.point.session for one in report.copied] == [whole, later]
    [failed] = report.failed
    assert failed.point.session == hurt
    assert isinstance(failed.error, IntegrityError)
    assert failed.error.objects == (names.pack(pack.pack),)
    repository = target.open()
    assert repository.ledger.state.open == {}
    assert repository.ledger.state.pins == {}
    assert source.open().ledger.state.pins == {}


def test_a_run_that_died_is_gone_on_with():
    source, target = two_places(1 << 20)
    source.back_up(DISK, noise(1, 10))
    source.back_up("other", content := noise(2, 60))
    plain = FaultyStore(target.small.copied().store, {})
    copy_points(source.open(), target.open(plain), CopyOrder(), Silence())
    late = [one.number for one in plain.requests if one.kind == "create" and one.key.startswith(names.PACKS)][-8]
    dying = FaultyStore(target.small.store, {late: Fault.CRASH_BEFORE})
    with pytest.raises(SimulatedCrash):
        copy_points(source.open(), target.open(dying), CopyOrder(), Silence())
    [copied] = copy(source, target).copied
    assert copied.point.workload == "other"
    assert copied.resumed_bytes > 20 * BLOCK_SIZE_BYTES
    assert copied.read_bytes == len(content) - copied.resumed_bytes
    assert target.contents()[copied.manifest.session] == content


class Full:
    """A store that takes nothing below a prefix."""

    refused: HoldfastError = OutOfSpaceError("the place is full", why="planned", cure="none")
    below = names.PACKS

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def create(self, key, body, sha256, *terms):
        if key.startswith(self.below):
            raise self.refused
        self._inner.create(key, body, sha256, *terms)


def test_a_full_target_ends_the_run():
    source, target = two_places()
    source.back_up(DISK, volume(1))

    with pytest.raises(OutOfSpaceError):
        copy_points(source.open(), target.open(Full(target.small.store)), CopyOrder(), Silence())
    assert len(copy(source, target).copied) == 1


def test_a_dry_run_says_about_how_much_and_writes_nothing():
    source, target = two_places()
    source.back_up(DISK, noise(1, 10))
    source.back_up(DISK, noise(1, 9) + noise(2, 1))
    source.dump(DUMP, noise(3, 10))
    source.dump(DUMP, noise(3, 10) + b"more")
    keys = [[info.key for info in place.small.store.list("")] for place in (source, target)]
    plan = plan_copy(source.open(), target.open(), CopyOrder())
    assert [[info.key for info in place.small.store.list("")] for place in (source, target)] == keys
    blocks = [round(one.stored_bytes / BLOCK_SIZE_BYTES) for one in plan.estimates]
    assert blocks[:3] == [10, 1, 10]
    assert blocks[3] < 8
    report = copy(source, target)
    for estimate, copied in zip(plan.estimates, report.copied, strict=True):
        assert estimate.point == copied.point
        assert estimate.stored_bytes == pytest.approx(copied.stored_bytes, rel=0.1, abs=20_000)


class Listener(Silence):
    """Hears everything; with a clock, an hour goes by with everything that is done."""

    def __init__(self, clock: SteppableClock | None = None) -> None:
        self.totals: list[int | None] = []
        self.done_bytes = 0
        self.notes: list[str] = []
        self._clock = clock

    def total(self, size_bytes: int | None) -> None:
        self.totals.append(size_bytes)

    def advance(self, size_bytes: int) -> None:
        self.done_bytes += size_bytes
        if self._clock is not None:
            self._clock.step(3600)

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_run_tells_its_progress_as_one():
    source, target = two_places()
    source.back_up(DISK, volume(1, 2))
    source.back_up(DISK, volume(1, 3))
    source.dump(DUMP, pattern(7, 3_000_000))
    listener = Listener()
    report = copy_points(source.open(), target.open(), CopyOrder(), listener)
    size_bytes = sum(one.point.size_bytes for one in report.copied)
    assert (listener.totals, listener.done_bytes, listener.notes) == ([size_bytes], size_bytes, [])


def test_a_long_run_is_alive_on_both_sides():
    source, target = two_places()
    source.back_up(DISK, volume(1, 2, 3))
    copy_points(source.open(), target.open(), CopyOrder(), Listener(source.clock))
    for place in (source, target):
        assert any("/alive-" in info.key for info in place.small.store.list(names.SESSIONS))


def test_who_may_only_read_the_source_copies_without_a_pin_and_is_told_once():
    source, target = two_places()
    for seed in (1, 2):
        source.back_up(DISK, volume(seed))

    class ReadOnly(Full):
        refused = PermissionDeniedError("no", why="planned", cure="none")
        below = ""

    listener = Listener()
    report = copy_points(source.open(ReadOnly(source.small.store)), target.open(), CopyOrder(), listener)
    assert len(report.copied) == 2
    assert [note for note in listener.notes if "without a pin" in note] == listener.notes
    assert len(listener.notes) == 1


def test_where_nothing_can_be_built_upon_all_is_read_and_that_is_said():
    source, target = two_places()
    source.back_up(DISK, volume(1, 2))
    [first] = copy(source, target).copied
    publish_plan(target.open(), live=[])
    source.back_up(DISK, volume(1, 3))
    listener = Listener()
    [copied] = copy_points(source.open(), target.open(), CopyOrder(), listener).copied
    assert copied.manifest.parent is None
    [note] = listener.notes
    assert copied.point.id in note
    assert "lets nobody build upon it" in note
    assert target.contents()[copied.manifest.session] == volume(1, 3)
    assert first.manifest.session in target.contents()


def test_a_copy_that_is_gone_is_made_again_and_told_of():
    source, target = two_places()
    content = volume(1, 2, 3)
    backup = source.back_up(DISK, content)
    [first] = copy(source, target).copied
    [key] = [info.key for info in target.small.store.list(names.POINTS)]
    target.small.store.delete(key)
    report = copy(source, target)
    assert [one.point.session for one in report.copied] == [backup]
    assert first.manifest.session.hex() in report.warnings[0]
    [again] = [info.key for info in target.small.store.list(names.POINTS)]
    assert again != key
    assert copy(source, target).chosen.present


def test_what_befalls_the_target_as_a_whole_is_raised():
    """Another program holds the lease: that is no failure of one point."""
    source, clock = two_places()[0], SteppableClock()
    source.back_up(DISK, volume(1, 2))
    careless = make_small_repository(CarelessStore(clock), deterministic_surroundings(500, clock))
    other = careless.open(deterministic_surroundings(502, clock))
    backup_stream(other, io.BytesIO(b"content"), BackupOrder(DUMP), Silence())
    target = careless.open(deterministic_surroundings(504, clock))
    with pytest.raises(LeaseHeldError):
        copy_points(source.open(), target, CopyOrder(), Silence())


class Leaving(Full):
    """A bucket that is deleted when the first pack comes."""

    refused = NotFoundError("the bucket does not exist", why="it was deleted", cure="check the name")

    def create(self, key, body, sha256, *terms):
        if key.startswith(names.PACKS):
            self.below = ""
        return super().create(key, body, sha256, *terms)

    def head(self, key, *version):
        if not self.below:
            raise self.refused
        return self._inner.head(key, *version)


def test_a_target_that_goes_away_is_no_failure_of_a_point():
    source, target = two_places()
    source.back_up(DISK, volume(1, 2))
    source.back_up(DISK, volume(1, 3))
    with pytest.raises(NotFoundError, match="bucket"):
        copy_points(source.open(), target.open(Leaving(target.small.store)), CopyOrder(), Silence())


@pytest.mark.parametrize("damaged", [names.plan(1), names.ledger(1)])
def test_a_target_in_which_nobody_can_write_is_no_failure_of_a_point(damaged):
    source, target = two_places()
    for workload in ("a", "b", "c"):
        source.back_up(workload, volume(1))
    publish_plan(target.open(), ())
    if damaged == names.ledger(1):
        target.back_up(DISK, volume(2))
    put(target.small.store, damaged, b"junk")
    before = source.open().ledger.state.sequence
    with pytest.raises(IntegrityError) as raised:
        copy(source, target)
    assert raised.value.objects == (damaged,)
    assert source.open().ledger.state.sequence - before == 2  # one pin, and its end
    assert target.open().ledger.state.open == {}
