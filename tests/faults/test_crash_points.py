"""Every request of every operation × everything that may befall it: what was committed stays, what was not is not seen.

The request with each number is hit once by each fault. In each state that this leaves the repository is opened as a new
process would, every point is restored and compared, the operation is run again, and `check` reads all of it.
"""

import contextlib
import itertools

import pytest

from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.patience import Waiting
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.slots import Secret
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import create_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.misleading_store import FITTING, Lie, MisleadingStore
from holdfast.testing.small_repository import SmallRepository, restored
from tests.faults.judged import Judged
from tests.faults.mishaps import befallen, mishaps
from tests.faults.operations import ACTS, Attempt, run, scene, spare_keys
from tests.faults.world import DISK, FIRST, World, back_up

PATIENT_FAULTS = (Fault.ERROR, Fault.LOST_ANSWER)
EVERY_ACT = pytest.mark.parametrize(
    ("name", "with_plan"),
    [(name, with_plan) for name in ACTS for with_plan in (False, True)],
)


def patient(store: ObjectStore) -> ObjectStore:
    return RetryingStore(store, waiting=Waiting(sleep=lambda seconds: None))


def attempted(name: str, store: ObjectStore, world_: World, seed: int) -> tuple[Attempt, bool]:
    """One attempt; whether it succeeded. Any failure but a crash must be an error of the tree."""
    attempt = Attempt()
    try:
        run(name, store, world_, seed, attempt)
    except (HoldfastError, SimulatedCrash):
        return attempt, False
    return attempt, True


def points_in_store(store: ObjectStore) -> set[bytes]:
    retired = {info.key.removeprefix(names.RETIRED) for info in store.list(names.RETIRED)}
    manifests = (info.key for info in store.list(names.POINTS) if _is_manifest(store, info.key))
    sessions = {key.rsplit("/", 1)[1] for key in manifests}
    return {bytes.fromhex(session) for session in sessions - retired}


def _is_manifest(store: ObjectStore, key: str) -> bool:
    return read_header(store.get(key), key).kind == Kind.MANIFEST


def inspect(store: ObjectStore, world_: World, attempt: Attempt, *, succeeded: bool) -> None:
    """A new process sees exactly what was committed, and every byte of it."""
    repository = world_.small.open(deterministic_surroundings(1000), store)
    seen = {point.session: point for point in list_points(repository)}
    assert set(seen) == points_in_store(store)
    before = set(world_.contents)
    added, missing = set(seen) - before, before - set(seen)
    assert missing <= {attempt.removes}
    assert len(added) <= (attempt.adds is not None)
    if succeeded:
        assert len(added) == (attempt.adds is not None)
        assert missing == ({attempt.removes} if attempt.removes else set())
        assert attempt.spare in (None, bool(spare_keys(repository)))
    for session, point in seen.items():
        expected = attempt.adds if session in added else world_.contents[session]
        assert restored(repository, point) == expected


def inspect_again(name: str, store: ObjectStore, world_: World, seed: int, first: Attempt) -> None:
    """The same operation succeeds now, and nothing is damaged."""
    if not is_gone(store, world_, first):
        points = points_in_store(store)
        again, succeeded = attempted(name, store, world_, seed)
        assert succeeded
        assert len(points_in_store(store) - points) == (again.adds is not None)
        if name in ("verify", "restore", "restore to a pipe"):
            assert again.outcome is True
    repository = world_.small.open(deterministic_surroundings(2000), store)
    newest = list_points(repository)[-1]
    if first.adds is not None:
        assert restored(repository, newest) == first.adds
    assert check_repository(repository, 100, Silence()).damage == ()


def is_gone(store: ObjectStore, world_: World, first: Attempt) -> bool:
    """Whether the attempt has removed what it was to remove: there is nothing left to do again."""
    if first.spare is False:
        return not spare_keys(world_.small.open(deterministic_surroundings(1500), store))
    return first.removes is not None and first.removes not in points_in_store(store)


def plain_requests(name: str, world_: World) -> tuple:
    store = FaultyStore(world_.small.copied().store, {})
    run(name, store, world_, 7, Attempt())
    return store.requests


@EVERY_ACT
def test_faults(name, with_plan, count_crash_point):
    world_ = scene(name, with_plan=with_plan)
    requests = plain_requests(name, world_)
    assert len(requests) > 10
    judged = Judged()
    for request, fault in itertools.product(requests, Fault):
        inner = world_.small.copied().store
        attempt, succeeded = attempted(name, FaultyStore(inner, {request.number: fault}), world_, 7)
        context = f"{name}: {fault.name} at {request}"
        try:
            assert not (succeeded and fault is Fault.CRASH_BEFORE)
            if attempt.targets and attempt.targets[0].volume is not None:
                assert attempt.targets[0].volume.content in world_.contents.values()
            if judged.is_new(succeeded, attempt.adds, attempt.removes, stores=(inner,)):
                inspect(inner, world_, attempt, succeeded=succeeded)
                inspect_again(name, inner, world_, 8, attempt)
        except BaseException as error:
            error.add_note(context)
            raise
        count_crash_point()


@EVERY_ACT
def test_patience_hides_passing_faults(name, with_plan, count_crash_point):
    world_, judged = scene(name, with_plan=with_plan), Judged()
    for request, fault in itertools.product(plain_requests(name, world_), PATIENT_FAULTS):
        inner = world_.small.copied().store
        store = patient(FaultyStore(inner, {request.number: fault}))
        attempt, succeeded = attempted(name, store, world_, 7)
        try:
            assert succeeded
            assert attempt.outcome is not False
            assert name != "check" or attempt.outcome == ()
            if judged.is_new(attempt.adds, attempt.removes, stores=(inner,)):
                inspect(inner, world_, attempt, succeeded=True)
        except BaseException as error:
            error.add_note(f"{name}: {fault.name} at {request}")
            raise
        count_crash_point()


@EVERY_ACT
def test_lies(name, with_plan, count_crash_point):
    world_, judged = scene(name, with_plan=with_plan), Judged()
    for request, lie in itertools.product(plain_requests(name, world_), Lie):
        if request.kind not in FITTING[lie]:
            continue
        inner = world_.small.copied().store
        attempt, succeeded = attempted(name, MisleadingStore(inner, {request.number: lie}), world_, 7)
        try:
            assert attempt.outcome is not False
            if name == "check" and lie is Lie.SHORT_LIST and succeeded:
                assert attempt.outcome == ()  # rule 5: absence in a list is no damage
            if judged.is_new(succeeded, attempt.adds, attempt.removes, stores=(inner,)):
                inspect(inner, world_, attempt, succeeded=succeeded)
                inspect_again(name, inner, world_, 8, attempt)
        except BaseException as error:
            error.add_note(f"{name}: {lie.name} at {request}")
            raise
        count_crash_point()


def make(store: ObjectStore, seed: int) -> SmallRepository:
    new = create_repository(store, deterministic_surroundings(seed))
    return SmallRepository(store, Secret(text=new.recovery_code.encode()))


def inspect_init(store: ObjectStore, made: SmallRepository | None) -> None:
    """After an `init` that failed anywhere there is either a repository or none, and never half of one: the next call
    makes it, or says that it stands."""
    if made is None:
        stands = any(info.key == names.CONFIG for info in store.list(""))
        if stands:
            with pytest.raises(ConflictError):
                make(store, 8)
            return
        made = make(store, 8)
    repository = made.open(deterministic_surroundings(9))
    back_up(repository, DISK, FIRST, "s1")
    [point] = list_points(repository)
    assert restored(repository, point) == FIRST.content
    assert check_repository(repository, 100, Silence()).damage == ()


def test_init(count_crash_point):
    plain = FaultyStore(MemoryStore(), {})
    make(plain, 7)
    assert len(plain.requests) > 70
    judged = Judged()
    for request, mishap in mishaps(plain.requests):
        inner = MemoryStore()
        made = None
        try:
            with contextlib.suppress(HoldfastError, SimulatedCrash):
                made = SmallRepository(inner, make(befallen(inner, request, mishap), 7).secret)
            if judged.is_new(made and made.secret, stores=(inner,)):
                inspect_init(inner, made)
        except BaseException as error:
            error.add_note(f"init: {mishap.name} at {request}")
            raise
        count_crash_point()


def test_patience_hides_passing_faults_from_init(count_crash_point):
    plain = FaultyStore(MemoryStore(), {})
    make(plain, 7)
    judged = Judged()
    for request, fault in itertools.product(plain.requests, PATIENT_FAULTS):
        inner = MemoryStore()
        try:
            made = make(patient(FaultyStore(inner, {request.number: fault})), 7)
            if judged.is_new(made.secret, stores=(inner,)):
                inspect_init(inner, SmallRepository(inner, made.secret))
        except BaseException as error:
            error.add_note(f"init: {fault.name} at {request}")
            raise
        count_crash_point()
