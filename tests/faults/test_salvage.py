"""A salvage hit at each request for what it reads: it gives back all but what it names, or no target and an error."""

from holdfast.domain.errors import HoldfastError
from holdfast.repository.format import names
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import RestoreReport, restore_volume
from holdfast.repository.sessions.points import find_point, load_manifest
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.testing.small_repository import SmallRepository
from tests.faults.mishaps import befallen, mishaps
from tests.faults.world import DISK, World, without, world


def salvaged(small: SmallRepository, session: bytes, store: ObjectStore, target: MemoryTarget) -> RestoreReport:
    repository = small.open(deterministic_surroundings(7), store)
    point = find_point(repository, session.hex(), "default")
    return restore_volume(repository, point, target, Silence(), salvage=True)


def lacking_a_pack(world_: World, session: bytes) -> SmallRepository:
    """The world with one of the point's data packs gone."""
    small = world_.small.copied()
    repository = small.open(deterministic_surroundings(6))
    manifest = load_manifest(repository, find_point(repository, session.hex(), "default"))
    small.store.delete(names.pack(next(pack.pack for pack in manifest.packs if not pack.holds_maps)))
    return small


def test_faults(count_crash_point):
    world_ = world(with_plan=False)
    session = world_.newest[DISK]
    content, small = world_.contents[session], lacking_a_pack(world_, session)
    calm = FaultyStore(small.copied().store, {})
    assert salvaged(small, session, calm, MemoryTarget()).lost
    # What opening asks for is hit in test_crash_points.py.
    requests = [one for one in calm.requests if one.key.startswith((names.POINTS, names.PACKS, names.INDEX))]
    for request, mishap in mishaps(requests):
        target = MemoryTarget()
        store = befallen(small.copied().store, request, mishap)
        try:
            report = salvaged(small, session, store, target)
        except (HoldfastError, SimulatedCrash):
            assert target.volume is None
        else:
            assert report.lost
            assert target.volume is not None
            assert target.volume.content == without(content, report.lost), f"{mishap.name} at {request}"
        count_crash_point()
