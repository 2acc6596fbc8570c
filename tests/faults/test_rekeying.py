"""A repository sealed anew under its newest key, cut off anywhere: another run goes on, and no point is lost."""

import contextlib
from datetime import timedelta

from holdfast.domain.errors import HoldfastError
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.upkeep.collection.collect import CollectionOrder
from holdfast.repository.upkeep.rekeying import Rekeyed, rekey
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, SimulatedCrash
from holdfast.testing.small_repository import restored
from tests.faults.judged import Judged
from tests.faults.mishaps import befallen, mishaps, share
from tests.faults.world import World, world

AT_ONCE_BYTES = 500
SHARE = 17
OLD = 1


def sealed_anew(world_: World, store: ObjectStore, seed: int) -> Rekeyed:
    repository = world_.small.open(deterministic_surroundings(seed), store)
    return rekey(repository, CollectionOrder(timedelta(0)), Silence(), lambda _seconds: None, AT_ONCE_BYTES)


def whole(world_: World, store: ObjectStore, seed: int) -> None:
    repository = world_.small.open(deterministic_surroundings(seed), store)
    assert {point.session: restored(repository, point) for point in list_points(repository)} == world_.contents
    assert check_repository(repository, 100, Silence()).damage == ()


def test_whatever_befalls_it_another_one_goes_on_and_nothing_is_lost(count_crash_point):
    world_, judged = world(with_plan=True), Judged()
    plain = FaultyStore(world_.small.copied().store, {})
    assert sealed_anew(world_, plain, 7).rounds > 2
    for request, mishap in share(mishaps(plain.requests), SHARE):
        store = world_.small.copied().store
        try:
            with contextlib.suppress(HoldfastError, SimulatedCrash):
                sealed_anew(world_, befallen(store, request, mishap), 7)
            if judged.is_new(stores=(store,)):
                whole(world_, store, 8)
                assert sealed_anew(world_, store, 9).stored_bytes[OLD] == 0
                whole(world_, store, 10)
        except BaseException as error:
            error.add_note(f"{mishap.name} at {request}")
            raise
        count_crash_point()
