"""A verify worker that lies, and what it holds: exactly the data keys of the packs that it is to read."""

import dataclasses

import pytest

from holdfast.domain.errors import IntegrityError, UsageError
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.orders import read_result
from holdfast.repository.delegation.results import BadPack, ReadPack, VerifyResult
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.pack import read_header
from holdfast.repository.health.verification.acceptance import accept_verification
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import sample
from holdfast.testing.small_repository import make_small_repository, put
from tests.faults.world import publish_plan
from tests.unit.repository.delegation.delegated import Disks, back_up
from tests.unit.repository.delegation.test_red_team import all_packs, keys_of, opened_objects, opened_packs
from tests.unit.repository.health.verification.verified import ordered, point_of, told, verify, worker

BLOCK = 512 * 1024
CONTENT = sample(4 * BLOCK)


@dataclasses.dataclass
class Scene:
    """A point of a workload, another workload's, and an honest result that waits to be judged."""

    repository: Repository
    session: bytes
    result: VerifyResult

    def judge(self, **lie):
        point = point_of(self.repository, self.session)
        return accept_verification(self.repository, point, dataclasses.replace(self.result, **lie))

    def runs(self):
        return {info.key for info in self.repository.store.list(names.INDEX)}


@pytest.fixture
def scene() -> Scene:
    surroundings = deterministic_surroundings()
    repository = make_small_repository(MemoryStore(), surroundings, 600 * 1024).open(surroundings)
    disks = Disks()
    back_up(repository, disks, {"root": disks.snapshot("o", CONTENT[::-1])}, "other")
    point, _result = back_up(repository, disks, {"root": disks.snapshot("r", CONTENT)}, "mine")
    prepared = ordered(repository, point.session)
    worker(repository.store, prepared)
    return Scene(repository, point.session, told(repository, prepared.session))


def test_a_verify_task_opens_data_of_the_packs_that_it_names_and_no_other(scene):
    prepared = ordered(scene.repository, scene.session)
    task = prepared.task
    keys = keys_of(task, prepared.scratch_key)
    opened = opened_packs(scene.repository, keys, task.owner.tenant)
    assert {session for session, holds_maps in opened if not holds_maps} == {scene.session}
    assert {scene.session} < all_packs(scene.repository, maps=False)
    written = {
        header.pack
        for info in scene.repository.store.list(names.PACKS)
        if not (header := read_header(scene.repository.store.get(info.key), "")).holds_maps
        and header.session == scene.session
    }
    assert {one.row.pack for one in task.packs} == written
    kinds = opened_objects(scene.repository, keys, task.session, task.owner.tenant)
    assert kinds == {Kind.INDEX_RUN, Kind.TASK}
    for secret in keys:
        assert repr(secret) not in repr((prepared, task))


@pytest.mark.parametrize(
    "lie",
    [
        lambda result: {"packs": result.packs[1:]},
        lambda result: {"packs": (*result.packs, result.packs[0])},
        lambda result: {"packs": (*result.packs[1:], ReadPack(bytes(16), 1, 1))},
        lambda result: {"damage": (BadPack(result.packs[0].pack, "so I say"),)},
    ],
    ids=["left out", "twice", "foreign", "good and bad"],
)
def test_a_result_that_does_not_say_of_each_pack_once_is_refused(scene, lie):
    before = scene.runs()
    with pytest.raises(IntegrityError, match="each pack"):
        scene.judge(**lie(scene.result))
    assert scene.runs() == before


def test_damage_that_is_called_good_is_found_where_a_sample_meets_it_and_opens_nothing(scene):
    for one in scene.result.packs:
        key = names.pack(one.pack)
        data = bytearray(scene.repository.store.get(key))
        data[120] ^= 1
        put(scene.repository.store, key, bytes(data))
    before = scene.runs()
    with pytest.raises(IntegrityError, match="says that"):
        scene.judge()
    assert scene.runs() == before


@pytest.mark.parametrize("condemned", [False, True])
def test_packs_that_are_gone_are_not_called_good(condemned, scene):
    """Whoever took them: nobody has their chunks, and that is seen whatever the worker says."""
    packs = [one.pack for one in scene.result.packs]
    before = scene.runs()
    if condemned:
        publish_plan(scene.repository, [scene.session], condemned=packs)
    for pack in packs:
        scene.repository.store.delete(names.pack(pack))
    verified = scene.judge()
    assert verified.packs == verified.opened_packs == 0
    assert {one.object for one in verified.hurt} == {names.pack(pack) for pack in packs}
    assert {name for one in verified.hurt for name in one.volumes} == {"root"}
    assert scene.runs() == before


def test_another_number_of_chunks_is_refused(scene):
    packs = tuple(dataclasses.replace(one, chunks=one.chunks + 1) for one in scene.result.packs)
    with pytest.raises(IntegrityError, match="says that"):
        scene.judge(packs=packs)


def test_a_pack_that_is_called_bad_and_is_whole_makes_no_noise(scene):
    accused, *others = scene.result.packs
    verified = scene.judge(packs=tuple(others), damage=(BadPack(accused.pack, "so I say"),))
    assert verified.damage == ()
    assert verified.opened_packs == len(others), "what nobody else calls good serves nobody else"


def test_a_result_under_a_task_of_another_kind_is_refused(scene):
    backup = prepare_backup(scene.repository, DEFAULT_TENANT, "mine", [VolumeSource("root", {"snapshot": "r"})])
    write_task(backup, 1)
    with pytest.raises(UsageError, match="no verification"):
        scene.judge(session=backup.session)


def test_the_result_is_judged_again_after_a_crash_with_the_same_outcome(scene):
    first = scene.judge()
    before = scene.runs()
    again = scene.judge()
    assert (first.opened_packs, again.opened_packs) == (len(scene.result.packs), 0)
    assert scene.runs() == before
    assert read_result(scene.repository, scene.result.session, 1) == scene.result
    assert verify(scene.repository, scene.session).damage == ()
