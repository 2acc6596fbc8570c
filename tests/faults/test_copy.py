"""A copy from one repository into another: each request to either store × everything that may befall it, and between
any two of them whole operations of others on either side.

Whatever comes of a run, both repositories open, every point of each gives back its bytes, nothing is damaged, each
backup is there once, and the same copy succeeds when it is called again.
"""

import contextlib
import functools
import io
import itertools
from dataclasses import dataclass

import pytest

from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.repository.copying.backups_here import backup_of
from holdfast.repository.copying.copy import CopyReport, copy_points
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.format.origin import Backup
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_stream
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.misleading_store import FITTING, Lie, MisleadingStore
from holdfast.testing.small_repository import SmallRepository, copy_to, make_small_repository, restored
from tests.faults.judged import Judged
from tests.faults.operations import STREAM
from tests.faults.test_interleaving import LATER, MeanwhileStore
from tests.faults.world import DISK, DUMP, FIRST, PACK_SIZE_BYTES, SECOND, THIRD, back_up, collect, world

SOURCE, TARGET = "source", "target"
SIDES = (SOURCE, TARGET)
Contents = dict[Backup, bytes]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two repositories, and what the source's backups must give back."""

    source: SmallRepository
    target: SmallRepository
    contents: Contents

    def copied(self) -> "Pair":
        """The same, to be worked on."""
        source, target = self.source.copied(), self.target.copied()
        return Pair(source, target, dict(self.contents))

    def store(self, side: str) -> ObjectStore:
        return (self.source if side == SOURCE else self.target).store


@functools.cache
def pair() -> Pair:
    """The target has what the world had, and both have a plan; then an increment and a stream that begins like an
    earlier one came.
    """
    world_ = world(with_plan=True)
    source = world_.small.copied()
    made = make_small_repository(MemoryStore(), deterministic_surroundings(70), PACK_SIZE_BYTES)
    copy_points(
        source.open(deterministic_surroundings(71)), made.open(deterministic_surroundings(72)), CopyOrder(), Silence()
    )
    collect(made.open(deterministic_surroundings(73)))
    repository = source.open(deterministic_surroundings(74))
    third = back_up(repository, DISK, THIRD, "s3", {"s1": FIRST, "s2": SECOND}).finished.manifest.session
    stream = backup_stream(repository, io.BytesIO(STREAM), BackupOrder(DUMP), Silence()).finished.manifest.session
    contents = {**world_.contents, third: THIRD.content, stream: STREAM}
    here = repository.config.repository
    return Pair(source, made, {Backup(here, session): content for session, content in contents.items()})


def run(
    pair_: Pair, seed: int, side: str = "", store: ObjectStore | None = None, clock: SteppableClock | None = None
) -> CopyReport:
    """As one process would, through another store on one side."""
    source = pair_.source.open(deterministic_surroundings(seed, clock), store if side == SOURCE else None)
    target = pair_.target.open(deterministic_surroundings(seed + 1, clock), store if side == TARGET else None)
    return copy_points(source, target, CopyOrder(), Silence())


def requests_of(side: str):
    made = pair().copied()
    store = FaultyStore(made.store(side), {})
    assert len(run(made, 80, side, store).copied) == 2
    return store.requests


def seen(repository: Repository, contents: Contents) -> list[Backup]:
    """Which backups a repository has; each gives back its bytes."""
    points = list_points(repository)
    for point in points:
        assert restored(repository, point) == contents[backup_of(repository, point)]
    return [backup_of(repository, point) for point in points]


def inspect(pair_: Pair, *, once: bool = True) -> None:
    """Both sides are whole, and the same copy succeeds now. `once`: no backup is there twice."""
    assert run(pair_, 1001).failed == []
    source, target = (one.open(deterministic_surroundings(1003)) for one in (pair_.source, pair_.target))
    there, here = seen(source, pair_.contents), seen(target, pair_.contents)
    assert set(here) >= set(there)
    assert len(here) == len(set(here)) or not once
    for repository in (source, target):
        assert check_repository(repository, None, Silence()).damage == ()


@pytest.mark.parametrize("side", SIDES)
def test_faults(side, count_crash_point):
    requests = requests_of(side)
    assert len(requests) > 20
    judged = Judged()
    for request, fault in itertools.product(requests, Fault):
        made = pair().copied()
        try:
            with contextlib.suppress(HoldfastError, SimulatedCrash):
                run(made, 80, side, FaultyStore(made.store(side), {request.number: fault}))
            if judged.is_new(stores=(made.source.store, made.target.store)):
                inspect(made)
        except BaseException as error:
            error.add_note(f"{fault.name} at {request} of the {side}")
            raise
        count_crash_point()


@pytest.mark.parametrize("side", SIDES)
def test_lies(side, count_crash_point):
    judged = Judged()
    for request, lie in itertools.product(requests_of(side), Lie):
        if request.kind not in FITTING[lie]:
            continue
        made = pair().copied()
        try:
            with contextlib.suppress(HoldfastError):
                run(made, 80, side, MisleadingStore(made.store(side), {request.number: lie}))
            if judged.is_new(stores=(made.source.store, made.target.store)):
                inspect(made, once=False)
        except BaseException as error:
            error.add_note(f"{lie.name} at {request} of the {side}")
            raise
        count_crash_point()


def delete_and_collect(small: SmallRepository, clock: SteppableClock) -> None:
    """The newest point of the disk goes, and with two collections what only it needs."""
    repository = small.open(deterministic_surroundings(90, clock))
    newest = list_points(repository, workload=DISK)[-1]
    retire(repository, newest.session, newest.key)
    for seed in (91, 92):
        collect(small.open(deterministic_surroundings(seed, clock)))


def copy_as_well(small: SmallRepository, clock: SteppableClock) -> None:
    """Somebody copies the same."""
    source = SmallRepository(copy_to(MemoryStore(), pair().source.store), pair().source.secret)
    run(Pair(source, small, {}), 90, clock=clock)


MEANWHILE = {
    (SOURCE, "delete and collect"): delete_and_collect,
    (TARGET, "delete and collect"): delete_and_collect,
    (TARGET, "copy"): copy_as_well,
}


@pytest.mark.parametrize(("side", "deed"), MEANWHILE)
def test_others_at_work(side, deed, count_case):
    judged = Judged()
    for request in requests_of(side):
        made, clock = pair().copied(), SteppableClock(LATER)
        small = made.source if side == SOURCE else made.target
        meanwhile = functools.partial(MEANWHILE[side, deed], small, clock)
        try:
            report = run(made, 80, side, MeanwhileStore(made.store(side), request.number, meanwhile), clock)
            # Who comes too late for a point says so; nobody loses an object of one that is pinned.
            assert [type(one.error) for one in report.failed] in ([], [NotFoundError] * (side == SOURCE))
            if judged.is_new(stores=(made.source.store, made.target.store)):
                inspect(made, once=deed != "copy")
        except BaseException as error:
            error.add_note(f"{deed} before {request} of the {side}")
            raise
        count_case()
