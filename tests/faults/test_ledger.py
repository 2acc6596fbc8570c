"""The ledger under damage and contention, checkpoints, rule 8's probe, and rule 10's memory of its head."""

import pytest

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    KeyPinError,
    NotFoundError,
    ObjectExistsError,
    PermissionDeniedError,
    RollbackError,
    UnavailableError,
)
from holdfast.repository.format import ledger as form
from holdfast.repository.format import names
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectStore
from holdfast.repository.opening.memory_of_locations import LocationMemory, Remembered, recognise, remember
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import open_session, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put, restored
from holdfast.testing.strict_bucket import Guise, StrictBucket
from holdfast.testing.strict_store import StrictStore
from tests.faults.immutable_site import Site
from tests.faults.world import DISK, SECOND, THIRD, World, back_up, world
from tests.unit.repository.upkeep.rotating import Answering, torn


@pytest.fixture
def scene() -> World:
    return world(with_plan=False)


@pytest.fixture
def small(scene) -> SmallRepository:
    return scene.small.copied()


def open_(small: SmallRepository, seed: int = 50) -> Repository:
    return small.open(deterministic_surroundings(seed))


def batches(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list(names.LEDGER) if not info.key.startswith(names.CHECKPOINTS)]


def damage(store: ObjectStore, key: str) -> None:
    body = bytearray(store.get(key))
    body[len(body) // 2] ^= 1
    put(store, key, bytes(body))


@pytest.mark.parametrize("gone", [False, True], ids=["damaged", "gone"])
def test_a_batch_that_is_lost_hides_no_point(small, scene, gone):
    """Whatever a batch recorded, all live points are listed and restore; nothing is written behind the break."""
    for key in batches(small.store)[: -1 if gone else None]:
        hurt = small.copied()
        if gone:
            hurt.store.delete(key)
        else:
            damage(hurt.store, key)
        repository = open_(hurt)
        found = {point.session: restored(repository, point) for point in list_points(repository)}
        assert found == scene.contents
        assert [one.objects for one in repository.ledger.damage] == [(key,)]
        before = batches(hurt.store)
        with pytest.raises(IntegrityError) as caught:
            back_up(repository, DISK, THIRD, "s3")
        assert caught.value.objects == (key,)
        assert batches(hurt.store) == before


def test_several_gaps_are_all_named(small, scene):
    keys = batches(small.store)
    lost = [keys[0], keys[2], keys[3], keys[6]]
    for key in lost:
        small.store.delete(key)
    repository = open_(small)
    assert [key for one in repository.ledger.damage for key in one.objects] == lost
    assert [one.why for one in repository.ledger.damage] == ["it is missing"] * 3
    assert {point.session for point in list_points(repository)} == set(scene.contents)


def test_a_batch_that_comes_while_the_gap_is_looked_at_is_no_damage(small):
    """Between the GET that finds the end and the LIST another process appends."""
    other = open_(small, 60)

    class Meanwhile(FaultyStore):
        def list(self, prefix, start_after=""):
            if prefix == names.LEDGER and other.ledger.state.sequence < 12:
                other.ledger.append(opened(len(batches(small.store))))
            return super().list(prefix, start_after)

    repository = small.open(deterministic_surroundings(70), Meanwhile(small.store, {}))
    assert repository.ledger.damage == []
    assert repository.ledger.state.sequence >= len(batches(small.store)) - 1


def opened(number: int) -> form.Record:
    session = number.to_bytes(16, "big")
    return {"type": form.OPEN, "session": session, "point": f"points/{number}", "time": ""}


def test_a_store_that_refuses_a_name_and_has_nothing_there_is_told_of(small):
    class Contrary(FaultyStore):
        def create(self, key, body, sha256, terms=ORDINARY):
            raise ObjectExistsError(key)

    repository = small.open(deterministic_surroundings(50), Contrary(small.store, {}))
    key = names.ledger(repository.ledger.state.sequence + 1)
    with pytest.raises(UnavailableError, match=rf"^{key} is there and cannot be read \(the store refuses") as told:
        repository.ledger.append(opened(1))
    assert "the store is not consistent and not to be trusted" in told.value.cure


def test_many_processes_append_at_once_and_nothing_is_lost(small):
    """Each has its own view and no one waits for another: whoever loses the sequence takes the next one."""
    parties = [open_(small, 100 + number) for number in range(5)]
    records = 0
    for round_ in range(6):
        for number, party in enumerate(parties):
            party.ledger.append(opened(1000 + round_ * 10 + number))
            records += 1
    states = [party.ledger.refresh() for party in parties]
    fresh = open_(small, 200).ledger
    assert fresh.damage == []
    assert all(state.head == fresh.state.head for state in states)
    assert len(fresh.state.open) == records
    assert len(batches(small.store)) == fresh.state.sequence


def test_checkpoints_at_every_thousand():
    store = MemoryStore()
    small = make_small_repository(store, deterministic_surroundings(1), 400)
    repository = open_(small)
    back_up(repository, DISK, SECOND, "s2")
    while repository.ledger.state.sequence < 1000:
        number = repository.ledger.state.sequence
        repository.ledger.append(opened(number), {"type": form.RETIRE, **without_type(opened(number))})
    assert keys_under(store, names.CHECKPOINTS) == [names.checkpoint(1000)]
    back_up(repository, DISK, THIRD, "s3")

    watched = FaultyStore(store, {})
    fresh = small.open(deterministic_surroundings(51), watched)
    assert sum(request.kind == "get" and request.key.startswith(names.LEDGER) for request in watched.requests) < 20
    assert [restored(fresh, point) for point in list_points(fresh)] == [SECOND.content, THIRD.content]
    assert fresh.ledger.state == whole_reading(small)

    damage(store, names.checkpoint(1000))  # it only saves time
    assert open_(small).ledger.state == fresh.ledger.state
    put(store, names.checkpoint(2000), bytes(store.get(names.ledger(1))))
    assert open_(small).ledger.state == fresh.ledger.state


def without_type(record: form.Record) -> dict:
    return {key: value for key, value in record.items() if key != "type"}


def keys_under(store: ObjectStore, prefix: str) -> list[str]:
    return [info.key for info in store.list(prefix)]


def whole_reading(small: SmallRepository) -> form.LedgerState:
    """The state as of reading every batch, without any checkpoint."""
    bare = small.copied()
    for key in keys_under(bare.store, names.CHECKPOINTS):
        bare.store.delete(key)
    return open_(bare).ledger.state


class OneMemory(LocationMemory):
    def __init__(self):
        self.known = {}

    def recall(self, location: str) -> Remembered | None:
        return self.known.get(location)

    def remember(self, location: str, seen: Remembered) -> None:
        self.known[location] = seen


def test_a_ledger_set_back_is_refused_and_accepted_on_demand(small, scene):
    memory = OneMemory()
    recognise(open_(small), memory)
    earlier = small.copied()
    repository = open_(small)
    back_up(repository, DISK, THIRD, "s3")
    remember(repository, memory)

    with pytest.raises(KeyPinError):
        recognise(open_(earlier), memory)
    with pytest.raises(KeyPinError):  # a refusal is not forgotten by asking again
        recognise(open_(earlier), memory)
    other_branch = open_(earlier)
    back_up(other_branch, DISK, SECOND, "other")
    back_up(other_branch, DISK, SECOND, "other")
    with pytest.raises(KeyPinError):  # longer than what is remembered, but not its continuation
        recognise(open_(earlier), memory)
    recognise(open_(earlier), memory, accept=True)
    recognise(open_(earlier), memory)
    with pytest.raises(KeyPinError):
        recognise(open_(small), memory)


def test_another_repository_in_the_place_is_refused(small):
    memory = OneMemory()
    recognise(open_(small), memory)
    other = make_small_repository(MemoryStore(), deterministic_surroundings(77))
    with pytest.raises(KeyPinError):
        recognise(open_(other), memory)
    recognise(open_(other), memory, accept=True)
    recognise(open_(other), memory)


def test_a_ledger_that_goes_on_is_recognised(small):
    memory = OneMemory()
    for seed in range(60, 64):
        repository = open_(small, seed)
        recognise(repository, memory)
        back_up(repository, DISK, THIRD, f"s{seed}")
        remember(repository, memory)
    assert memory.known[small.store.location].sequence == open_(small).ledger.state.sequence


def test_a_rollback_says_what_became_of_the_record_and_how_it_is_accepted(small):
    memory, earlier = OneMemory(), small.copied()
    repository = open_(small)
    repository.ledger.append(opened(1))
    remember(repository, memory)
    for found in ("gone", "another one"):
        with pytest.raises(RollbackError) as told:
            recognise(open_(earlier), memory)
        record = f"record {repository.ledger.state.sequence}, remembered from an earlier use"
        assert told.value.why == f"{record}, is {found}: the store was set back, or replaced"
        assert "accepts what is there now" in told.value.cure
        open_(earlier).ledger.append(opened(2))


def test_a_ledger_is_recognised_from_its_first_record_on():
    """One that had none may have any; one that had one may have no other in its place."""
    memory, small = OneMemory(), make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    recognise(open_(small), memory)
    assert memory.known[small.store.location].sequence == 0
    other = small.copied()
    for store, number in ((small, 1), (other, 2)):
        open_(store).ledger.append(opened(number))
    recognise(open_(small), memory)
    assert memory.known[small.store.location].sequence == 1
    with pytest.raises(RollbackError):
        recognise(open_(other), memory)


def test_damage_is_not_taken_for_a_rollback_and_its_cure_for_another_ledger(small):
    """The last batch is damaged, seen so, and brought back: the memory must not hold on to the damaged one."""
    memory = OneMemory()
    recognise(open_(small), memory)
    last = batches(small.store)[-1]
    whole = bytes(small.store.get(last))
    damage(small.store, last)
    recognise(open_(small), memory)
    put(small.store, last, whole)
    recognise(open_(small), memory)


def test_a_deleted_point_is_gone_for_good(small):
    """Deleting it again is safe; who still knows its name is told."""
    repository = open_(small)
    point = list_points(repository)[0]
    retire(repository, point.session, point.key)
    retire(repository, point.session, point.key)
    assert point.session not in {one.session for one in list_points(open_(small))}
    with pytest.raises(NotFoundError):
        restored(open_(small), point)


def test_one_answer_that_came_torn_is_no_damage(small, scene):
    last = open_(small).ledger.state.sequence
    repository = small.open(deterministic_surroundings(51), Answering(small.store, names.ledger(last), torn))
    assert repository.ledger.damage == []
    assert repository.ledger.state == open_(small).ledger.state


class Refusing(PassingStore):
    """One version of an object is not given."""

    def __init__(self, inner: ObjectStore, version: str | None, error: HoldfastError) -> None:
        super().__init__(inner)
        self._version, self._error = version, error

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        if version is not None and version == self._version:
            raise self._error
        return super().get(key, offset, length, version)


TORN = IntegrityError("it came torn", why="its checksum is another one", cure="run it again")
DENIED = PermissionDeniedError("it is denied", why="AccessDenied", cure="ask who may")


def test_a_batch_below_versions_that_are_junk_or_come_torn_counts():
    """Somebody has put two over it, in a bucket that keeps versions."""
    bucket = StrictBucket(SteppableClock())
    small = make_small_repository(StrictStore(bucket), deterministic_surroundings(1), 400)
    back_up(small.open(deterministic_surroundings(2)), DISK, SECOND, "s")
    state = open_(small).ledger.state
    key = names.ledger(state.sequence)
    for junk in (b"junk", b"more of it"):
        bucket.put(key, junk)
    newest, below, true = [one.version for one in small.store.versions(key) if one.key == key]
    for torn_version in (newest, below):
        store = Refusing(small.store, torn_version, TORN)
        repository = small.open(deterministic_surroundings(3), store)
        assert (repository.ledger.damage, repository.ledger.state) == ([], state)
    denied = small.open(deterministic_surroundings(4), Refusing(small.store, true, DENIED))
    assert denied.ledger.damage != []
    assert {key} == {one for damage in denied.ledger.damage for one in damage.objects}


@pytest.fixture
def site() -> Site:
    """An immutable repository: of several versions of a batch the first counts (rule 9.7)."""
    return Site()


def last_key(site: Site) -> str:
    return names.ledger(site.open().ledger.state.sequence)


class TornAtFirst(StrictStore):
    """Each version of an object comes torn once, or `always`."""

    def __init__(self, bucket: StrictBucket, key: str, *, always: bool = False) -> None:
        super().__init__(bucket)
        self._key, self._always, self.torn = key, always, set[str]()

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        data = super().get(key, offset, length, version)
        if key != self._key or version is None or (version in self.torn and not self._always):
            return data
        self.torn.add(version)
        return torn(key, data)


def twice_written(site: Site) -> tuple[str, bytes]:
    """A batch's key with two that open, and the session that the first opens: whoever was second died before it looked
    which versions there are.
    """
    other = site.copied()
    other.open()  # so that it draws other ids
    first, second = (open_session(one.open(), "default", DISK).session for one in (site, other))
    key = last_key(site)
    assert last_key(other) == key
    site.bucket.put(key, bytes(other.store.get(key)))
    assert first != second
    return key, first


def test_of_two_batches_the_first_counts_though_it_comes_torn_at_first(site):
    key, first = twice_written(site)
    store = TornAtFirst(site.bucket, key)
    ledger = site.open(store).ledger
    assert store.torn
    assert (ledger.damage, list(ledger.state.open)) == ([], [first])


def test_where_the_first_of_two_batches_is_damaged_the_second_takes_no_place(site):
    """It would be another ledger than the one that all have read so far."""
    key, _first = twice_written(site)
    ledger = site.open(TornAtFirst(site.bucket, key, always=True)).ledger
    assert [error.objects for error in ledger.damage] == [(key,)]
    assert not ledger.state.open


@pytest.mark.parametrize(
    "junk",
    [[(b"junk", Guise.NONE), (b"other junk", Guise.NONE)], [(b"junk", Guise.TOO_LARGE)]],
    ids=["two versions", "too large"],
)
def test_what_is_junk_in_each_version_makes_no_gap(site, junk):
    first = site.back_up(SECOND.content)
    key = names.ledger(site.open().ledger.state.sequence + 1)
    for body, guise in junk:
        site.bucket.put(key, body, guise=guise)
    assert site.open().ledger.damage == []
    second = site.back_up(THIRD.content)
    assert site.open().ledger.damage == []
    assert site.restores({first: SECOND.content, second: THIRD.content})


@pytest.mark.parametrize("guise", [Guise.TOO_LARGE, Guise.FOREIGN_KEY, Guise.COLD])
def test_a_batch_counts_though_nobody_may_read_what_was_put_over_it(site, guise):
    session = open_session(site.open(), "default", DISK).session
    site.bucket.put(last_key(site), b"junk", guise=guise)
    ledger = site.open().ledger
    assert ledger.damage == []
    assert session in ledger.state.open


def test_only_the_ledger_is_looked_through_for_batches_of_several_versions(site):
    watched = FaultyStore(site.store, {})
    ledger = site.open(watched).ledger
    before = len(watched.requests)
    for _ in range(3):
        open_session(site.open(), "default", DISK)
    ledger.refresh()
    asked = [one.key for one in watched.requests[before:] if one.kind == "versions"]
    assert asked
    assert all(key.startswith(names.ledger(0)[:-1]) for key in asked)


def test_who_opens_what_no_lock_holds_asks_for_no_versions(small):
    watched = FaultyStore(small.store, {})
    small.open(deterministic_surroundings(50), watched)
    assert [one for one in watched.requests if one.kind == "versions"] == []
