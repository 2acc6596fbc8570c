"""Without index runs a chunk lies where its map says: two points that share it by its id may have it in two packs, and
what opens in one says nothing of the other.
"""

import pytest

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.places import Located
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.checking.pack_check import read_packs
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.health.verification.hurt_volumes import HurtVolumes
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.small_repository import put, restored
from tests.faults.world import volume_of
from tests.unit.repository.copying.copied import Place


class Twins:
    """Points `a` and `b` of a chunk that lies in a pack of each; the pack of `hurt` has it damaged, the other pack is
    cut short behind its chunks.
    """

    def __init__(self, hurt):
        self.place = Place(1, SteppableClock(), 3000)
        self.manifests: dict[str, Manifest] = {}
        shared: dict[str, Located] = {}
        for name, content in {"a": volume_of(1, 2, tail_bytes=1024), "b": volume_of(1, 3, tail_bytes=2000)}.items():
            point = self.place.back_up(name, content.content)
            self.lose_runs()
            chunk = self.place.leaves(point)[0].located(0)
            assert chunk is not None
            self.manifests[name], shared[name] = self.place.manifest(point), chunk
        assert shared["a"].id == shared["b"].id
        self.packs = {name: chunk.place.pack.pack for name, chunk in shared.items()}
        assert self.packs["a"] != self.packs["b"]
        for name, chunk in shared.items():
            self._flip(name, chunk.place.offset + 3 if name == hurt else -1)

    def lose_runs(self):
        for info in list(self.place.small.store.list(names.INDEX)):
            self.place.small.store.delete(info.key)

    def _flip(self, name, at):
        store, key = self.place.small.store, names.pack(self.packs[name])
        data = bytearray(store.get(key))
        data[at] ^= 1
        put(store, key, bytes(data))

    def failing(self):
        """Workloads of points that cannot be restored."""
        repository, found = self.place.open(), set()
        for point in list_points(repository):
            try:
                restored(repository, point)
            except IntegrityError:
                found.add(point.workload)
        return found


@pytest.fixture(params=["a", "b"])
def twins(request):
    return request.param, Twins(request.param)


def test_a_check_names_the_points_that_cannot_be_restored_and_no_other(twins):
    hurt, site = twins
    assert site.failing() == {hurt}
    damage = check_repository(site.place.open(), 100, Silence()).damage
    assert {name.workload for one in damage for name in one.hurt} == {hurt}


def test_a_repair_takes_the_chunk_from_where_it_opens(twins):
    _, site = twins
    report = repair(site.place.open(), none, Silence())
    assert [one.lost_chunks for one in report.packs] == [0] * len(report.packs)
    assert site.failing() == set()


def test_a_verification_names_the_volume_that_cannot_be_restored(twins):
    hurt, site = twins
    repository = site.place.open()
    keys = [names.pack(pack) for pack in site.packs.values()]
    bad = {bytes.fromhex(key[-32:]): finding for key, finding in read_packs(repository, keys, {})}
    access = repository.access(site.manifests["a"].tenant)
    for order in ("ab", "ba"):
        volumes = [site.manifests[name].volumes[0] for name in order]
        found = HurtVolumes(access, frozenset(), bad).look(volumes)
        assert [one.object for one in found if one.volumes] == [names.pack(site.packs[hurt])]
