"""What one has written another one does not see for as long as he works: neither found nor listed. One object, or all.

No store may do that (docs/format/ordering.md says what one must do). All the same two operations in a row lose nothing.
"""

import itertools
from datetime import timedelta

import pytest

from holdfast.domain.errors import HoldfastError, IntegrityError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, Request
from holdfast.testing.misleading_store import Lie, MisleadingStore
from holdfast.testing.small_repository import make_small_repository, restored
from tests.faults.operations import Attempt, run
from tests.faults.test_interleaving import LATER
from tests.faults.world import DISK, PACK_SIZE_BYTES, World, back_up, publish_plan, volume_of, world

# More than both operations ask for.
UNSEEN_REQUESTS = 2_000
FIRST_PARTIES = ("changed blocks", "stream", "delete", "collect", "rotate")
SECOND_PARTIES = ("changed blocks", "collect")
PROBE = "probe"


def late(store: ObjectStore, *numbers: int) -> MisleadingStore:
    return MisleadingStore(store, dict.fromkeys(numbers, Lie.LATE_VISIBLE), UNSEEN_REQUESTS)


def creates(store: FaultyStore) -> list[Request]:
    return [one for one in store.requests if one.kind == "create" and PROBE not in one.key]


def tried(name: str, store: ObjectStore, world_: World, seed: int, clock: SteppableClock) -> tuple[Attempt, bool]:
    attempt = Attempt()
    try:
        run(name, store, world_, seed, attempt, clock)
    except HoldfastError:
        return attempt, False
    return attempt, True


@pytest.mark.parametrize("with_plan", [False, True])
@pytest.mark.parametrize(("first", "second"), list(itertools.product(FIRST_PARTIES, SECOND_PARTIES)))
def test_two_in_a_row(first, second, with_plan, count_crash_point):
    world_ = world(with_plan=with_plan)
    plain = FaultyStore(world_.small.copied().store, {})
    run(first, plain, world_, 7, Attempt())
    written = creates(plain)
    for unseen in [*([one] for one in written), written]:
        inner = world_.small.copied().store
        store = late(inner, *(one.number for one in unseen))
        came = [
            tried(first, store, world_, 7, SteppableClock()),
            tried(second, store, world_, 9, SteppableClock(LATER)),
        ]
        try:
            assert len(store.requests) < UNSEEN_REQUESTS, (
                "it waits for what it does not find, without a pause or an end"
            )
            inspect(inner, world_, came)
        except BaseException as error:
            error.add_note(f"{second} does not see {unseen} of {first}")
            raise
        count_crash_point()


def inspect(store: ObjectStore, world_: World, came: list[tuple[Attempt, bool]]) -> None:
    """Once all is seen again: what stood and was not deleted is there, and so is what was said to be done."""
    repository = world_.small.open(deterministic_surroundings(1000, SteppableClock(LATER)), store)
    found = {point.session: restored(repository, point) for point in list_points(repository)}
    removed = {attempt.removes for attempt, _succeeded in came}
    standing = {session: content for session, content in world_.contents.items() if session not in removed}
    assert {session: found.get(session) for session in standing} == standing
    added = [content for session, content in found.items() if session not in world_.contents]
    for attempt, succeeded in came:
        assert not succeeded or attempt.adds is None or attempt.adds in added
    assert check_repository(repository, 100, Silence()).damage == ()


def test_a_plan_that_a_writer_does_not_find_is_asked_for_by_the_ledger():
    """The collection of that plan has deleted what the backup would build upon: it must not go on without."""
    content = volume_of(*range(20, 34), 1)
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), PACK_SIZE_BYTES)
    repository = small.open(deterministic_surroundings(2))
    gone, kept = (
        back_up(repository, DISK, volume, name).finished.manifest.session
        for volume, name in ((content, "s1"), (volume_of(1, 2), "s2"))
    )
    publish_plan(repository, [gone, kept])
    retire(repository, gone, next(point.key for point in list_points(repository) if point.session == gone))

    def collect(store: ObjectStore) -> int:
        order = CollectionOrder(patience=timedelta(0))
        opened = small.open(deterministic_surroundings(3), store)
        return Collection(opened, order, Silence(), lambda seconds: None).run().deleted

    plain = FaultyStore(small.copied().store, {})
    collect(plain)
    [plan] = [one for one in creates(plain) if one.key.startswith(names.PLANS)]
    inner = small.copied().store
    store = late(inner, plan.number)
    assert collect(store) > 0
    clock = SteppableClock(LATER)
    with pytest.raises(IntegrityError, match=plan.key):
        back_up(small.open(deterministic_surroundings(4, clock), store), DISK, content, "s3")
    made = back_up(small.open(deterministic_surroundings(6, clock), inner), DISK, content, "s3").finished.manifest
    after = small.open(deterministic_surroundings(5, clock), inner)
    assert {point.session: restored(after, point) for point in list_points(after)} == {
        kept: volume_of(1, 2).content,
        made.session: content.content,
    }
