"""A backup that died is gone on with: what it read and stored is neither read nor stored again."""

import dataclasses
import hashlib

import pytest

from holdfast.domain.errors import ConflictError, PermissionDeniedError, SourceGoneError, UnavailableError
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind, seal
from holdfast.repository.format.session_checkpoint import decode, encode
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import end_without_point, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.repository.writing.unfinished import NoVigil
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemorySource
from holdfast.testing.small_repository import make_small_repository, put, restored
from tests.faults.world import collect, publish_plan, volume_of

DISK = "disk"
BLOCKS = 24
PACK_SIZE_BYTES = 400
VOLUME = volume_of(*range(1, BLOCKS), tail_bytes=1000)


_NEWER = b"HFOBJT\0\x02" + bytes(260)
NEWER = _NEWER + hashlib.sha256(_NEWER).digest()


class Known(NoVigil):
    """Of all processes it is known whether they are gone."""

    def __init__(self, gone) -> None:
        self._gone = gone

    def is_over(self, session) -> bool:
        return self._gone


class Site:
    """A repository whose parties share a clock; each process has a view of its own."""

    def __init__(self, store=None) -> None:
        self.clock = SteppableClock()
        self.store = store or MemoryStore(clock=self.clock)
        self.small = make_small_repository(self.store, deterministic_surroundings(1), PACK_SIZE_BYTES)
        self._seed = 10

    def open(self, store=None):
        self._seed += 1
        return self.small.open(deterministic_surroundings(self._seed, self.clock), store)

    def back_up(self, source, store=None, *, gone=False, workload=DISK, progress=None):
        order = BackupOrder(workload)
        return backup_volume(self.open(store), source, order, progress or Silence(), vigil=Known(gone)).finished

    def die(self, source=None, *, at=-6):
        """A backup whose process ends at one of its last creates; its session."""
        twin = self.small.copied().store
        plain = FaultyStore(twin, {})
        self.back_up(MemorySource(VOLUME), plain)
        self._seed -= 1
        number = [one.number for one in plain.requests if one.kind == "create"][at]
        before = set(self.open().ledger.state.open)
        self._seed -= 1
        with pytest.raises(SimulatedCrash):
            self.back_up(source or MemorySource(VOLUME), FaultyStore(self.store, {number: Fault.CRASH_BEFORE}))
        [session] = set(self.open().ledger.state.open) - before
        return session

    def keys(self, prefix):
        return [info.key for info in self.store.list(prefix)]

    def restored(self):
        repository = self.open()
        assert check_repository(repository, 100, Silence()).damage == ()
        return restored(repository, list_points(repository)[-1])


@pytest.fixture
def site():
    return Site()


def test_what_was_read_is_not_read_again(site):
    first = MemorySource(VOLUME)
    dead = site.die(first)
    packs = set(site.keys(names.PACKS))
    second = MemorySource(VOLUME)
    finished = site.back_up(second)
    again = set(first.read_blocks) & set(second.read_blocks)
    assert len(again) <= 8 + 4
    assert len(first.read_blocks) + len(second.read_blocks) == BLOCKS + len(again)
    assert finished.counters.read_bytes + finished.counters.resumed_bytes == VOLUME.size_bytes
    assert finished.counters.resumed_bytes > VOLUME.size_bytes // 2
    assert packs <= set(site.keys(names.PACKS))
    mine = [pack for pack in finished.manifest.packs if names.pack(pack.pack) not in packs]
    assert sum(pack.size_bytes for pack in mine) < finished.stored_bytes // 2
    assert site.restored() == VOLUME.content
    assert dead in site.open().ledger.state.open, "nothing says that it is dead"


def test_progress_tells_what_was_read_before_from_what_is_read_now(site):
    site.die()
    listener = Listener()
    finished = site.back_up(MemorySource(VOLUME), gone=True, progress=listener)
    assert listener.skipped_bytes == finished.counters.resumed_bytes > 0
    assert listener.done_bytes == VOLUME.size_bytes - listener.skipped_bytes


def test_a_session_that_is_known_to_be_gone_is_ended(site):
    dead = site.die()
    finished = site.back_up(MemorySource(VOLUME), gone=True)
    assert site.open().ledger.state.open == {}
    assert site.keys(names.SESSIONS) == []
    assert site.restored() == VOLUME.content
    assert end_without_point(site.open(), dead, _point_key(finished, site, dead)) is None, "its tombstone stands"


def test_a_session_that_was_silent_for_two_hours_is_ended(site):
    site.die()
    site.clock.step(2 * 3600)
    site.back_up(MemorySource(VOLUME))
    assert site.open().ledger.state.open == {}
    assert site.keys(names.SESSIONS) == []


def test_who_dies_again_loses_nothing(site):
    """The third goes on with what the first and the second have left."""
    site.die(at=-14)
    second, third = MemorySource(VOLUME), MemorySource(VOLUME)
    site.die(second, at=-7)
    site.back_up(third, gone=True)
    assert min(second.read_blocks) < min(third.read_blocks)
    assert len(third.read_blocks) < len(second.read_blocks) < BLOCKS
    assert site.restored() == VOLUME.content
    assert site.open().ledger.state.open == {}


def test_what_was_ended_by_an_error_is_gone_on_with(site):
    longer = volume_of(*range(1, 2 * BLOCKS))
    with pytest.raises(SourceGoneError):
        site.back_up(MemorySource(longer, gone_after=2 * BLOCKS - 1))
    assert site.open().ledger.state.open == {}
    second = MemorySource(longer)
    site.back_up(second)
    assert len(second.read_blocks) < BLOCKS * 3 // 2
    assert site.keys(names.SESSIONS) == []
    assert site.restored() == longer.content


def test_another_source_is_read_whole(site):
    other = volume_of(*range(31, 30 + BLOCKS), tail_bytes=1000)
    site.die()
    source = MemorySource(other, "another snapshot")
    site.back_up(source)
    assert len(source.read_blocks) == BLOCKS
    assert site.restored() == other.content


def test_another_workload_is_left_alone(site):
    site.die()
    source = MemorySource(VOLUME)
    site.back_up(source, workload="other")
    assert len(source.read_blocks) == BLOCKS


def test_packs_that_are_gone_or_other_are_not_built_upon(site):
    site.die()
    gone, other, *_rest = site.keys(names.PACKS)
    site.store.delete(gone)
    put(site.store, other, bytes(site.store.get(other)) + b"\0")
    source = MemorySource(VOLUME)
    finished = site.back_up(source)
    kept = {names.pack(pack.pack) for pack in finished.manifest.packs}
    assert {gone, other}.isdisjoint(kept)
    site.store.delete(other)
    assert site.restored() == VOLUME.content


class WithoutChecksums(MemoryStore):
    """As a directory, and S3 for what came without a checksum: only sizes are known."""

    def head(self, key, version=None):
        return dataclasses.replace(super().head(key, version), sha256=None)


def test_by_its_size_alone_no_pack_is_built_upon():
    """Whoever may put packs takes the name of one that was deleted."""
    site = Site(WithoutChecksums())
    site.die()
    taken, *others = site.keys(names.PACKS)
    put(site.store, taken, bytes(site.store.head(taken).size_bytes))
    finished = site.back_up(MemorySource(VOLUME))
    assert finished.counters.resumed_bytes > 0, "the others are as they were"
    assert {names.pack(one.pack) for one in finished.manifest.packs} & set(others)
    assert taken not in {names.pack(one.pack) for one in finished.manifest.packs}
    assert restored(site.open(), list_points(site.open())[0]) == VOLUME.content


class OneUnreadable(WithoutChecksums):
    """A disk that has lost a sector."""

    unreadable = ""

    def get(self, key, offset=0, length=None, version=None):
        if key == self.unreadable:
            raise UnavailableError(f"{key} cannot be read", why="Input/output error", cure="look at the disk")
        return super().get(key, offset, length, version)


def test_a_pack_that_cannot_be_read_is_stored_again():
    store = OneUnreadable()
    site = Site(store)
    site.die()
    store.unreadable, *others = site.keys(names.PACKS)
    finished = site.back_up(MemorySource(VOLUME))
    kept = {names.pack(one.pack) for one in finished.manifest.packs}
    assert store.unreadable not in kept
    assert kept & set(others)


def test_what_the_acknowledged_plan_condemns_is_read_again(site):
    site.die()
    doomed = [bytes.fromhex(key.rsplit("/", 1)[1]) for key in site.keys(names.PACKS)]
    publish_plan(site.open(), (), doomed)
    source = MemorySource(VOLUME)
    finished = site.back_up(source)
    assert len(source.read_blocks) == BLOCKS
    assert {pack.pack for pack in finished.manifest.packs}.isdisjoint(doomed)
    for key in map(names.pack, doomed):
        site.store.delete(key)
    assert site.restored() == VOLUME.content


def test_what_is_taken_over_outlives_collections(site):
    """Packs of a session that was ended: its successor needs them now, and its index run knows their chunks."""
    site.die()
    site.back_up(MemorySource(VOLUME), gone=True)
    for _time in range(3):
        site.clock.step(2 * 24 * 3600)
        collect(site.open())
        assert site.restored() == VOLUME.content
    elsewhere = MemorySource(VOLUME, "elsewhere")
    finished = site.back_up(elsewhere, workload="other")
    assert finished.counters.new_chunks == 0


def test_what_nobody_goes_on_with_is_collected(site):
    site.die()
    publish_plan(site.open(), ())
    for _time in range(3):
        site.clock.step(2 * 24 * 3600)
        collect(site.open())
    assert site.keys(names.PACKS) == site.keys(names.SESSIONS) == []


def test_a_checkpoint_without_the_mark_is_a_workers(site):
    """Whoever has the session's scratch key may write there; only who has the master key makes the mark."""
    dead = site.die()
    repository = site.open()
    key = names.session_checkpoint(dead, 1, 1)
    checkpoint = decode(repository.sealed.read(key, Kind.SESSION_CHECKPOINT)[1])
    forged = seal(
        Kind.SESSION_CHECKPOINT,
        checkpoint.unmarked(),
        kind_key=repository.master.scratch_key(dead),
        object_key=key,
        repository=repository.master.repository,
        kid=1,
        salt=bytes(32),
    )
    assert encode(checkpoint) != checkpoint.unmarked()
    put(site.store, key, forged)
    source = MemorySource(VOLUME)
    site.back_up(source)
    assert len(source.read_blocks) == BLOCKS


@pytest.mark.parametrize("what", [bytes(300), NEWER], ids=["damaged", "newer"])
def test_a_checkpoint_that_does_not_open_costs_reading_again(what, site):
    dead = site.die()
    key = names.session_checkpoint(dead, 1, 2)
    put(site.store, key, what)
    source = MemorySource(VOLUME)
    finished = site.back_up(source)
    assert 0 < finished.counters.resumed_bytes < VOLUME.size_bytes // 2
    site.store.delete(key)
    assert site.restored() == VOLUME.content


class Listener(Silence):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done_bytes = 0
        self.skipped_bytes = 0

    def advance(self, size_bytes: int) -> None:
        self.done_bytes += size_bytes

    def skip(self, size_bytes: int) -> None:
        self.skipped_bytes += size_bytes

    def note(self, text: str) -> None:
        self.notes.append(text)


class NoScratch(FaultyStore):
    """A key that may not write to `sessions/`, or not delete."""

    def __init__(self, inner, refused) -> None:
        super().__init__(inner, {})
        self._refused = refused

    def _arrive(self, kind, key):
        if kind == self._refused and key.startswith(names.SESSIONS):
            raise PermissionDeniedError("no", why="not allowed", cure="none")
        return super()._arrive(kind, key)


def test_who_may_not_leave_checkpoints_backs_up_all_the_same(site):
    listener = Listener()
    site.back_up(MemorySource(VOLUME), NoScratch(site.store, "create"), progress=listener)
    assert len(listener.notes) == 1
    assert site.keys(names.SESSIONS) == []
    assert site.restored() == VOLUME.content


def test_who_may_not_delete_leaves_checkpoints_to_a_collection(site):
    listener = Listener()
    site.back_up(MemorySource(VOLUME), NoScratch(site.store, "delete"), progress=listener)
    assert listener.notes == []
    assert site.keys(names.SESSIONS)
    source = MemorySource(VOLUME)
    site.back_up(source)
    assert len(source.read_blocks) == BLOCKS, "that one has its point"
    for _time in range(2):
        site.clock.step(2 * 24 * 3600)
        collect(site.open())
    assert site.keys(names.SESSIONS) == []


def test_a_session_that_lives_may_commit_as_well(site):
    """It was taken for dead, and was not: there are two points, and each is whole."""
    commits = FaultyStore(site.small.copied().store, {})
    site.back_up(MemorySource(VOLUME), commits)
    manifest = next(one.number for one in commits.requests if one.kind == "create" and one.key.startswith("points/"))

    class Slow(FaultyStore):
        def _arrive(self, kind, key):
            arrived = super()._arrive(kind, key)
            if arrived[0].number == manifest:
                site.back_up(MemorySource(VOLUME))
            return arrived

    site.back_up(MemorySource(VOLUME), Slow(site.store, {}))
    repository = site.open()
    points = list_points(repository)
    assert [restored(repository, point) for point in points] == [VOLUME.content] * 2
    retire(repository, points[0].session, points[0].key)
    for _time in range(2):
        site.clock.step(2 * 24 * 3600)
        collect(site.open())
    assert site.restored() == VOLUME.content


def test_a_session_that_was_ended_loses(site):
    """Of commit and tombstone one wins: taken for gone, it makes no point any more."""

    others = iter([lambda: site.back_up(MemorySource(VOLUME), gone=True)])

    class Slow(FaultyStore):
        def _arrive(self, kind, key):
            arrived = super()._arrive(kind, key)
            if kind == "create" and key.startswith("points/"):
                next(others, lambda: None)()
            return arrived

    with pytest.raises(ConflictError):
        site.back_up(MemorySource(VOLUME), Slow(site.store, {}))
    assert len(list_points(site.open())) == 1
    assert site.restored() == VOLUME.content


def _point_key(finished, site, session):
    repository = site.open()
    tenant = repository.tenant(finished.manifest.tenant)
    identifier = repository.tenant_id(finished.manifest.tenant)
    return names.point(identifier, tenant.keys.workload_id(DISK), session)
