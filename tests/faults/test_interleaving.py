"""Two processes at once: between any two requests of one, the other does a whole operation of its own.

Both work on one store with views of their own. Whatever comes of it, both operations end as they would alone or with an
error that says why; every point that stands gives back its bytes, and nothing is damaged.
"""

import contextlib
import itertools
from datetime import timedelta

import pytest

from holdfast.domain.errors import NotFoundError
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.testing.deterministic_surroundings import FIRST_MOMENT, SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, Request
from holdfast.testing.small_repository import restored
from tests.faults.judged import Judged
from tests.faults.operations import Attempt, run
from tests.faults.world import World, world


class MeanwhileStore(FaultyStore):
    """Before its request `number` somebody else does something, once."""

    def __init__(self, inner: ObjectStore, number: int, meanwhile) -> None:
        super().__init__(inner, {})
        self._number = number
        self._meanwhile = meanwhile

    def _arrive(self, kind: str, key: str):
        arrived = super()._arrive(kind, key)
        if arrived[0].number == self._number:
            self._meanwhile()
        return arrived


LATER = FIRST_MOMENT + timedelta(days=7)
FIRST_PARTIES = ("full", "compared", "changed blocks", "stream", "delete", "restore", "check", "collect")
SECOND_PARTIES = ("changed blocks", "delete", "restore", "collect")


def requests_of(name: str, world_: World) -> tuple[Request, ...]:
    store = FaultyStore(world_.small.copied().store, {})
    run(name, store, world_, 7, Attempt())
    return store.requests


PAIRS = [(first, second, False) for first, second in itertools.product(FIRST_PARTIES, SECOND_PARTIES)]
UNDER_A_PLAN = [("changed blocks", "changed blocks", True), ("compared", "delete", True)]
ROTATING = [
    ("changed blocks", "rotate", True),
    ("restore", "rotate", False),
    ("collect", "rotate", False),
    ("rotate", "changed blocks", False),
]


@pytest.mark.parametrize(("first", "second", "with_plan"), [*PAIRS, *UNDER_A_PLAN, *ROTATING])
def test_two_processes(first, second, with_plan, count_case):
    world_, judged = world(with_plan=with_plan), Judged()
    for request in requests_of(first, world_):
        inner = world_.small.copied().store
        one, other, clock = Attempt(), Attempt(), SteppableClock(LATER)

        def meanwhile(store: ObjectStore = inner, attempt: Attempt = other, clock: SteppableClock = clock) -> None:
            with contextlib.suppress(NotFoundError) if first == "delete" else contextlib.nullcontext():
                run(second, store, world_, 9, attempt, clock)

        try:
            gave_up = not succeeds(first, MeanwhileStore(inner, request.number, meanwhile), world_, one, clock)
            if gave_up:  # only who wants the very point that the other deletes
                assert second == "delete"
                assert first in ("restore", "delete")
            if judged.is_new(one.adds, one.removes, other.adds, other.removes, stores=(inner,)):
                inspect(inner, world_, one, other)
        except BaseException as error:
            error.add_note(f"{second} before {request} of {first}")
            raise
        count_case()


def succeeds(name: str, store: ObjectStore, world_: World, attempt: Attempt, clock: SteppableClock) -> bool:
    try:
        run(name, store, world_, 7, attempt, clock)
    except NotFoundError:
        return False
    assert attempt.outcome is not False
    assert name != "check" or attempt.outcome == ()
    return True


def inspect(store: ObjectStore, world_: World, *attempts: Attempt) -> None:
    repository = world_.small.open(deterministic_surroundings(1000), store)
    removed = {attempt.removes for attempt in attempts}
    expected = {session: content for session, content in world_.contents.items() if session not in removed}
    seen = {point.session: restored(repository, point) for point in list_points(repository)}
    assert {session: seen.get(session) for session in expected} == expected
    added = sorted(content for session, content in seen.items() if session not in expected)
    assert added == sorted(attempt.adds for attempt in attempts if attempt.adds is not None)
    assert check_repository(repository, 100, Silence()).damage == ()
