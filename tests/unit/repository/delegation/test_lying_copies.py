"""A copy worker that lies to an archive, of which the appliance reads no data pack: what fits nowhere is refused whole,
and what cannot be seen hurts no point but the worker's own.
"""

import dataclasses

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import HoldfastError, IntegrityError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest, StoredPack
from holdfast.repository.format.places import Located
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.repository.sessions.session import retire
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.small_repository import restored
from tests.faults.world import collect, publish_plan
from tests.unit.repository.copying.copied import Place
from tests.unit.repository.copying.test_copying import DISK, noise
from tests.unit.repository.delegation.awaiting import Awaiting
from tests.unit.repository.delegation.delegated_copy import accepted, copy_by_worker, prepared, told, worker
from tests.unit.repository.delegation.test_forged_results import ROOT_LIES, Forger, moved

PACK_SIZE_BYTES = 600 * 1024
DAY_SECONDS = 24 * 3600
FIRST = noise(1, 6)
SECOND = noise(2, 1) + FIRST[BLOCK_SIZE_BYTES:]
FOREIGN = noise(3, 2)


@dataclasses.dataclass
class Scene(Awaiting):
    """An archive with a copy of a workload and one of another's, and an honest result that waits to be accepted."""

    source: Place
    archive: Place

    def accept(self, result: BackupResult) -> Manifest:
        return accepted(self.source.open(), self.repository, self.prepared.session, result)

    def contents(self) -> dict[bytes, bytes | None]:
        """What each point gives back once all is retrieved; None for one that is damaged."""
        store, found = self.archive.small.store, dict[bytes, bytes | None]()
        for info in list(store.list(names.PACKS)):
            if store.head(info.key).coldness is not None:
                store.retrieve(info.key, 3, Tier.BULK)
        self.archive.clock.step(3 * DAY_SECONDS)
        repository = self.archive.open()
        for point in list_points(repository):
            try:
                found[point.session] = restored(repository, point)
            except HoldfastError:
                found[point.session] = None
        return found


@pytest.fixture
def scene() -> Scene:
    clock = SteppableClock()
    source = Place(1, clock, PACK_SIZE_BYTES)
    archive = Place(3000, clock, PACK_SIZE_BYTES, ArchiveClass.DEEP_ARCHIVE)
    foreign, _result = copy_by_worker(source, archive, source.back_up("other", FOREIGN))
    parent, _result = copy_by_worker(source, archive, source.back_up(DISK, FIRST))
    point = source.back_up(DISK, SECOND)
    repository = archive.open()
    order = prepared(source.open(), repository, point)
    worker(source.small.store, archive.small.store, order)
    return Scene(repository, parent, foreign, order, told(repository, order.session), source, archive)


def refused(scene: Scene, result: BackupResult) -> tuple[str, ...]:
    """No point, no index run; and the honest result is still accepted."""
    standing = [info.key for kind in (names.POINTS, names.INDEX) for info in scene.repository.store.list(kind)]
    with pytest.raises(IntegrityError) as caught:
        scene.accept(result)
    after = [info.key for kind in (names.POINTS, names.INDEX) for info in scene.repository.store.list(kind)]
    assert after == standing
    scene.accept(scene.result)
    return caught.value.objects


def forged(scene: Scene) -> Forger:
    return Forger(scene)  # type: ignore[arg-type]  # it asks for what both scenes have


def test_what_is_refused_is_refused_for_its_lie_and_the_honest_copy_stands(scene):
    manifest = scene.accept(scene.result)
    expected = {scene.foreign.session: FOREIGN, scene.parent.session: FIRST, manifest.session: SECOND}
    assert scene.contents() == expected


@pytest.mark.parametrize("lie", [{"size_bytes": 1000}, {"sha256": bytes(32)}, {"holds_maps": True}])
def test_a_cold_pack_described_wrongly(scene, lie):
    [data] = [pack for pack in scene.result.packs if not pack.holds_maps]
    others = [pack for pack in scene.result.packs if pack.holds_maps]
    if "holds_maps" in lie:
        with pytest.raises(HoldfastError):  # it is asked for its directory, and is cold
            scene.accept(scene.with_packs(dataclasses.replace(data, **lie), *others))
    else:
        assert refused(scene, scene.with_packs(dataclasses.replace(data, **lie), *others)) == (names.pack(data.pack),)


def test_a_cold_pack_that_is_not_there_or_not_reported_or_reported_twice(scene):
    [data] = [pack for pack in scene.result.packs if not pack.holds_maps]
    others = [pack for pack in scene.result.packs if pack.holds_maps]
    for packs in (
        [*scene.result.packs, StoredPack(b"n" * 16, False, 1000, bytes(32))],
        others,
        [data, *scene.result.packs],
    ):
        with pytest.raises(IntegrityError):
            scene.accept(scene.with_packs(*packs))
    scene.accept(scene.result)


@pytest.mark.parametrize("lie", [{"source": {"kind": "other"}}, {"name": "other"}, {"size_bytes": 1000}, {"depth": 2}])
def test_a_volume_described_wrongly(scene, lie):
    refused(scene, scene.with_volume(**lie))


def _before_the_first(one: Located) -> Located:
    return moved(one, offset=0)


def _behind_the_last(one: Located) -> Located:
    return moved(one, offset=1 << 31)


def _with_no_room_in_a_directory(one: Located) -> Located:
    return moved(one, number=1 << 16)


def _empty(one: Located) -> Located:
    return moved(one, length=16)


PLACES = {
    **{name: ROOT_LIES[name] for name in ("session", "epoch", "pack", "plain length", "number", "offset")},
    "before the first": _before_the_first,
    "behind the last": _behind_the_last,
    "no room in a directory": _with_no_room_in_a_directory,
    "empty": _empty,
}


@pytest.mark.parametrize("lie", PLACES)
def test_a_place_that_cannot_be(scene, lie):
    forger = forged(scene)
    refused(scene, forger.result({1: PLACES[lie](forger.chunk(b"z" * BLOCK_SIZE_BYTES))}))


def test_a_block_of_another_workload(scene):
    forger = forged(scene)
    refused(scene, forger.result({0: forger.block_of(scene.foreign, 0)}))


def _shifted(one: Located) -> Located:
    return moved(one, offset=one.place.offset + 1, length=one.place.length - 1)


# All that can be said of a pack with one chunk without breaking its bounds.
WITHIN = {"id": ROOT_LIES["id"], "shifted": _shifted}


@pytest.mark.parametrize("lie", WITHIN)
def test_a_lie_within_its_own_cold_pack_hurts_its_own_point_alone(scene, lie):
    forger = forged(scene)
    manifest = scene.accept(forger.result({1: WITHIN[lie](forger.chunk(b"z" * BLOCK_SIZE_BYTES))}))
    assert scene.contents() == {scene.foreign.session: FOREIGN, scene.parent.session: FIRST, manifest.session: None}


def test_another_session_s_pack_called_its_own_is_read_as_whose_it_is_and_is_not_lost_with_the_liar(scene):
    forger = forged(scene)
    theirs = forger.block_of(scene.foreign, 0)
    pack = next(one for one in scene.foreign.packs if one.pack == theirs.place.pack.pack)
    mine = dataclasses.replace(theirs.place.pack, session=scene.prepared.session)
    lying = forger.result({0: moved(theirs, pack=mine)})
    manifest = scene.accept(dataclasses.replace(lying, packs=(*lying.packs, pack)))
    assert scene.contents()[manifest.session][:BLOCK_SIZE_BYTES] == FOREIGN[:BLOCK_SIZE_BYTES]
    retire(scene.repository, manifest.session, find_point(scene.repository, manifest.session.hex(), None).key)
    for _time in range(2):
        scene.archive.clock.step(200 * DAY_SECONDS)
        collect(scene.archive.open())
    assert scene.contents() == {scene.foreign.session: FOREIGN, scene.parent.session: FIRST}


def test_what_the_plan_condemns_is_nobody_s_new_pack(scene):
    doomed = next(pack for pack in scene.foreign.packs if not pack.holds_maps)
    retire(scene.repository, scene.foreign.session, find_point(scene.repository, "latest:other", None).key)
    manifest = scene.accept(scene.result)
    repository = scene.archive.open()
    publish_plan(repository, [scene.parent.session, manifest.session], [doomed.pack])
    point = scene.source.back_up(DISK, FIRST)
    order = prepared(scene.source.open(), repository, point)
    assert doomed.pack in order.task.terms.condemned
    worker(scene.source.small.store, scene.archive.small.store, order)
    honest = told(repository, order.session)
    with pytest.raises(IntegrityError) as caught:
        accepted(
            scene.source.open(),
            repository,
            order.session,
            dataclasses.replace(honest, packs=(*honest.packs, doomed)),
        )
    assert caught.value.objects == (names.pack(doomed.pack),)
    accepted(scene.source.open(), repository, order.session, honest)
