"""A store set back to any earlier moment, forked or with a gap: whoever saw it later is alarmed (rule 10)."""

import dataclasses

import pytest

from holdfast.domain.errors import FormatError, IntegrityError, RollbackError
from holdfast.repository.format import names
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectStore, StorageTerms
from holdfast.repository.opening.memory_of_locations import Remembered, recognise, remember
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import copy_to, make_small_repository, put
from tests.faults.test_ledger import OneMemory
from tests.faults.world import DISK, FIRST, SECOND, THIRD, back_up, collect, publish_plan, volume_of

WITNESSED = (names.LEDGER, names.PLANS, names.EPOCHS)


class FilmingStore(FaultyStore):
    """Keeps a copy of everything after each write that a witness can tell from the one before."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner, {})
        self.inner = inner
        self.film: list[tuple[str, ObjectStore]] = []

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        super().create(key, body, sha256, terms)
        if key.startswith(WITNESSED):
            self.film.append((key, copy_to(MemoryStore(), self.inner)))


@pytest.fixture(scope="module")
def story():
    """A history with points, deletions, plans and a rotation; its film, and what a witness of its end remembers."""
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    filming = FilmingStore(small.store)
    memory = OneMemory()
    repository = small.open(deterministic_surroundings(2), filming)
    recognise(repository, memory)
    for number, volume in enumerate((FIRST, SECOND, THIRD)):
        back_up(repository, DISK, volume, f"s{number}")
    first = list_points(repository)[0]
    retire(repository, first.session, first.key)
    collect(repository)
    back_up(repository, DISK, volume_of(8, 9), "s4")
    rotate(repository, small.secret)
    back_up(repository, DISK, volume_of(9, 8), "s5")
    first = list_points(repository)[0]
    retire(repository, first.session, first.key)
    remember(repository, memory, plan_epoch=collect(repository).epoch)
    return small, filming.film, memory


def opened(small, store, seed=70):
    return dataclasses.replace(small, store=store).open(deterministic_surroundings(seed))


def alarms(repository, memory):
    try:
        recognise(repository, memory)
    except RollbackError:
        return True
    return False


def test_every_earlier_moment_is_refused(story, count_case):
    small, film, memory = story
    kinds = {key.split("/")[0] for key, _copy in film}
    assert kinds == {"ledger", "plan", "epochs"}
    assert len(film) > 15
    for key, copy in film[:-1]:
        assert alarms(opened(small, copy), memory), f"set back to just after {key}"
        count_case()
    recognise(opened(small, film[-1][1]), memory)


def test_every_fork_is_refused_however_far_it_goes(story, count_case):
    small, film, memory = story
    for key, copy in film[:-1:5]:
        fork = copy_to(MemoryStore(), copy)
        repository = opened(small, fork, 71)
        while repository.ledger.state.sequence <= memory.known["memory:"].sequence:
            repository.ledger.append({"type": "unpin", "session": bytes(16)})
        assert alarms(opened(small, fork), memory), f"forked after {key}"
        count_case()


def test_every_gap_is_named_and_nothing_is_appended_behind_it(story, count_case):
    small, film, _memory = story
    whole = film[-1][1]
    [summed] = [info.key.rpartition("/")[2] for info in whole.list(names.CHECKPOINTS)]
    batches = [info.key for info in whole.list(names.LEDGER, names.ledger(int(summed)))]
    batches = [key for key in batches if not key.startswith(names.CHECKPOINTS)]
    assert len(batches) > 2
    for key in batches[:-1]:
        gap = copy_to(MemoryStore(), whole)
        gap.delete(key)
        ledger = opened(small, gap).ledger
        assert key in {name for error in ledger.damage for name in error.objects}
        with pytest.raises(IntegrityError):
            ledger.append({"type": "unpin", "session": bytes(16)})
        count_case()


def test_one_that_is_open_while_it_is_set_back_alarms_at_its_next_use(story):
    small, film, _memory = story
    store = copy_to(MemoryStore(), film[-1][1])
    ledger = opened(small, store).ledger
    ledger.require_standing()
    store.delete(names.ledger(ledger.state.sequence))
    with pytest.raises(RollbackError):
        ledger.require_standing()


@pytest.mark.parametrize("backs_up", [False, True])
def test_loss_of_a_plan_that_was_carried_out_or_written_under_is_seen_without_any_memory(story, backs_up):
    small, film, _memory = story
    store = copy_to(MemoryStore(), film[-1][1])
    repository = opened(small, store)
    newest = repository.ledger.state.plan_epoch
    assert newest == int([info.key for info in store.list(names.PLANS)][-1].removeprefix(names.PLANS))
    if backs_up:
        publish_plan(repository, [], epoch=newest + 1)
        back_up(repository, DISK, volume_of(7), "under the newest")  # which is handed over to the newest key first
        newest = repository.ledger.state.plan_epoch
    store.delete(names.plan(newest))
    for act in (lambda: back_up(opened(small, store), DISK, volume_of(6), "x"), lambda: collect(opened(small, store))):
        with pytest.raises(IntegrityError) as caught:
            act()
        assert caught.value.objects == (names.plan(newest),)
    memory = OneMemory()
    for _ in range(2):
        assert not alarms(opened(small, store), memory), "who reads has not seen it"


def test_a_person_who_accepts_the_loss_of_a_plan_is_believed(story):
    """Restores go on; who writes or collects is told by the ledger for as long as it is missing."""
    small, film, seen = story
    store, memory = copy_to(MemoryStore(), film[-1][1]), OneMemory()
    memory.known.update(seen.known)
    newest = names.plan(opened(small, store).ledger.state.plan_epoch)
    plan = store.get(newest)
    store.delete(newest)
    assert alarms(opened(small, store), memory)
    recognise(opened(small, store), memory, accept=True)
    for _ in range(2):
        assert not alarms(opened(small, store), memory)
    with pytest.raises(IntegrityError, match="is missing"):
        back_up(opened(small, store), DISK, volume_of(6), "x")
    put(store, newest, bytes(plan))
    assert not alarms(opened(small, store), memory)
    store.delete(newest)
    assert alarms(opened(small, store), memory), "it was seen since"


def test_what_another_party_remembers_counts_as_much(story):
    small, film, memory = story
    witness = Remembered.from_text(memory.known["memory:"].to_text())
    assert witness == memory.known["memory:"]
    for _key, copy in film[:-1:4]:
        with pytest.raises(RollbackError):
            recognise(opened(small, copy), OneMemory(), witness=witness)
    recognise(opened(small, film[-1][1]), OneMemory(), witness=witness)
    with pytest.raises(FormatError):
        Remembered.from_text("not of that form")


def test_loss_of_a_plan_that_was_published_and_no_more_is_seen_by_who_published_it(story):
    small, film, memory = story
    store = copy_to(MemoryStore(), film[-1][1])
    repository = opened(small, store)
    newest = repository.ledger.state.plan_epoch + 1
    publish_plan(repository, [], epoch=newest)
    remember(repository, memory, plan_epoch=newest)
    store.delete(names.plan(memory.known["memory:"].plan_epoch))
    with pytest.raises(RollbackError, match="plan/"):
        recognise(opened(small, store), memory)


def test_who_ends_last_does_not_make_what_was_seen_meanwhile_forgotten():
    """A check that takes hours opens first; a backup beside it ends sooner, and so does a rotation."""
    small = make_small_repository(MemoryStore(), deterministic_surroundings(61), 400)
    memory = OneMemory()
    slow = small.open(deterministic_surroundings(62))
    recognise(slow, memory)
    quick = small.open(deterministic_surroundings(63))
    recognise(quick, memory)
    back_up(quick, DISK, FIRST, "s1")
    rotate(quick, small.secret)
    remember(quick, memory)
    seen = memory.recall(small.store.location)
    assert seen is not None
    assert seen.kid == 2
    remember(slow, memory)
    assert memory.recall(small.store.location) == seen
