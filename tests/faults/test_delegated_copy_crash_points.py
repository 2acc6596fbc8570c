"""A copy into an archive by appliance and worker: every request of each step, to either store × all that may befall it.

The steps are preparing, working, accepting. Whatever befalls one, there is no copy or a whole one, and the source is as
it was; done again as the appliance would there is exactly one, and no pin is left.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import HoldfastError
from holdfast.repository.delegation.backup_side import abandon, write_task
from holdfast.repository.delegation.copy_side import CopyFrom
from holdfast.repository.delegation.orders import delete_scratch
from holdfast.repository.delegation.restore_side import finish_reading
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import PointSummary, find_point, list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, Request, SimulatedCrash
from holdfast.testing.small_repository import SmallRepository, make_small_repository, restored
from tests.faults.judged import Judged
from tests.faults.mishaps import Case, Mishap, befallen, mishaps
from tests.faults.world import DISK, FIRST, PACK_SIZE_BYTES, SECOND, back_up, publish_plan
from tests.unit.repository.delegation.delegated_copy import READER, accepted, prepare_copy, told, worker

SOURCE, ARCHIVE = "source", "archive"
SIDES = (SOURCE, ARCHIVE)
SESSION = bytes(range(16))


@dataclass
class Run:
    """Two repositories, and what the appliance remembers between its steps: no more than ids."""

    repositories: dict[str, SmallRepository]
    point: bytes
    session: bytes = SESSION
    attempt: int = 1
    broken: dict[str, ObjectStore] = field(default_factory=dict)

    def copied(self) -> "Run":
        """The same moment, to be worked on."""
        repositories = {side: small.copied() for side, small in self.repositories.items()}
        return Run(repositories, self.point, self.session, self.attempt)

    def store(self, side: str) -> ObjectStore:
        return self.broken.get(side, self.repositories[side].store)

    def open(self, side: str, seed: int) -> Repository:
        return self.repositories[side].open(deterministic_surroundings(seed), self.store(side))

    def chosen(self, source: Repository) -> CopyFrom:
        return CopyFrom(source, "memory:", find_point(source, self.point.hex(), None), READER)


Step = Callable[[Run, int], None]


def prepare(run: Run, seed: int) -> None:
    prepared = prepare_copy(run.chosen(run.open(SOURCE, seed)), run.open(ARCHIVE, seed + 1), session=run.session)
    run.session = prepared.session
    write_task(prepared, run.attempt)


def do(run: Run, seed: int) -> None:
    """No fault of the worker's reaches the appliance."""
    apart = Run(run.repositories, run.point)
    prepared = prepare_copy(
        run.chosen(apart.open(SOURCE, seed)),
        apart.open(ARCHIVE, seed + 1),
        session=run.session,
    )
    worker(run.store(SOURCE), run.store(ARCHIVE), prepared, run.attempt, deterministic_surroundings(seed + 2))


def accept(run: Run, seed: int) -> None:
    source, archive = run.open(SOURCE, seed), run.open(ARCHIVE, seed + 1)
    accepted(source, archive, run.session, told(archive, run.session, run.attempt))
    delete_scratch(archive, run.session)
    finish_reading(source, READER, Silence())


STEPS: dict[str, Step] = {"prepare": prepare, "work": do, "accept": accept}


@functools.cache
def scene() -> Run:
    """The archive has a copy of the first point, and a plan."""
    source = make_small_repository(MemoryStore(), deterministic_surroundings(1), PACK_SIZE_BYTES)
    archive = make_small_repository(
        MemoryStore(), deterministic_surroundings(2), PACK_SIZE_BYTES, ArchiveClass.DEEP_ARCHIVE
    )
    first = back_up(source.open(deterministic_surroundings(3)), DISK, FIRST, "s1").finished.manifest.session
    run = Run({SOURCE: source, ARCHIVE: archive}, first, session=b"f" * 16)
    for number, step in enumerate(STEPS.values()):
        step(run, 10 + 5 * number)
    publish_plan(run.open(ARCHIVE, 30), [b"f" * 16])
    repository = source.open(deterministic_surroundings(4))
    run.point = back_up(repository, DISK, SECOND, "s2", {"s1": FIRST}).finished.manifest.session
    run.session = SESSION
    return run


def before(name: str) -> Run:
    run = scene().copied()
    for number, step in enumerate(list(STEPS)[: list(STEPS).index(name)]):
        STEPS[step](run, 40 + 5 * number)
    return run


def faults(name: str, start: Run, side: str) -> list[Case]:
    run = start.copied()
    plain = FaultyStore(run.store(side), {})
    run.broken[side] = plain
    STEPS[name](run, 60)
    assert len(plain.requests) > 2
    return mishaps(plain.requests)


def hit(name: str, run: Run, side: str, request: Request, fault: Mishap) -> bool:
    """Do the step with that fault; whether it succeeded."""
    run.broken[side] = befallen(run.store(side), request, fault)
    try:
        STEPS[name](run, 60)
    except (HoldfastError, SimulatedCrash):
        return False
    finally:
        run.broken.clear()
    return True


def copies(run: Run) -> int:
    """How many copies there are besides the first; each point is whole, on both sides."""
    source, archive = run.open(SOURCE, 1000), run.open(ARCHIVE, 1001)

    def contents(repository: Repository) -> dict[PointSummary, bytes]:
        return {point: restored(repository, point) for point in list_points(repository)}

    assert list(contents(source).values()) == [FIRST.content, SECOND.content]
    found = contents(archive)
    assert list(found.values()) == [FIRST.content, SECOND.content][: len(found)]
    assert check_repository(archive, 0, Silence()).damage == ()
    return len(found) - 1


def go_on(run: Run) -> None:
    """What the appliance does after a step that failed, from what it remembers."""
    try:
        accept(run, 70)
    except (HoldfastError, AssertionError):
        run.attempt += 1
        prepare(run, 75)
        do(run, 80)
        accept(run, 85)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", STEPS)
def test_copy(name, side, count_crash_point):
    start, judged = before(name), Judged()
    for request, fault in faults(name, start, side):
        run = start.copied()
        try:
            succeeded = hit(name, run, side, request, fault)
            if judged.is_new(succeeded, run.session, stores=(run.store(SOURCE), run.store(ARCHIVE))):
                made = copies(run)
                assert made <= (name == "accept")
                assert not (name == "accept" and succeeded and not made)
                two_futures(run, made)
        except BaseException as error:
            error.add_note(f"{name}: {fault.name} at {request} of the {side}")
            raise
        count_crash_point()


def two_futures(run: Run, made: int) -> None:
    """The appliance goes on, or gives up."""
    if made and not list(run.store(ARCHIVE).list(names.result(run.session, run.attempt))):
        finish_reading(run.open(SOURCE, 90), READER, Silence())
    else:
        given_up = run.copied()
        give_up(given_up)
        assert copies(given_up) == made
        go_on(run)
        assert copies(run) == 1
    assert run.open(SOURCE, 91).ledger.state.pins == {}


def give_up(run: Run) -> None:
    archive = run.open(ARCHIVE, 95)
    with contextlib.suppress(HoldfastError):  # a session that the ledger never heard of
        abandon(archive, run.session)
    delete_scratch(archive, run.session)
    finish_reading(run.open(SOURCE, 96), READER, Silence())
    with contextlib.suppress(HoldfastError, AssertionError):
        accept(run, 97)
