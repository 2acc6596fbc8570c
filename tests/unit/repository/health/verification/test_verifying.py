"""A point is verified by a worker: what is whole serves other workloads, damage is named with whom it hurts."""

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.orders import read_result
from holdfast.repository.delegation.restore_side import finish_reading
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.health.verification.acceptance import accept_verification
from holdfast.repository.health.verification.preparing import write_verify_task
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume, sample
from holdfast.testing.small_repository import make_small_repository, put, restored
from tests.faults.world import collect, publish_plan
from tests.unit.repository.delegation.delegated import Disks, back_up, restore, work
from tests.unit.repository.health.verification.verified import ordered, point_of, told, verify, worker

BLOCK = 512 * 1024
CONTENT = sample(6 * BLOCK)


@pytest.fixture
def disks() -> Disks:
    return Disks()


@pytest.fixture
def repository() -> Repository:
    surroundings = deterministic_surroundings()
    return make_small_repository(MemoryStore(), surroundings, 600 * 1024).open(surroundings)


def backed_up(repository: Repository, disks: Disks, workload: str, content: bytes = CONTENT) -> Manifest:
    name = f"{workload}-{len(disks.snapshots)}"
    return back_up(repository, disks, {"root": disks.snapshot(name, content)}, workload)[0]


def data_packs(manifest: Manifest) -> list[str]:
    return [names.pack(pack.pack) for pack in manifest.packs if not pack.holds_maps]


def flip(repository: Repository, key: str, at: int = 200) -> None:
    data = bytearray(repository.store.get(key))
    data[at] ^= 1
    put(repository.store, key, bytes(data))


def test_what_was_verified_serves_other_workloads(repository, disks):
    first = backed_up(repository, disks, "a")
    unaware = backed_up(repository, disks, "b")
    assert data_packs(unaware), "a worker's word is not enough for another workload"
    verified = verify(repository, first.session)
    assert (verified.packs, verified.damage) == (len(data_packs(first)), ())
    assert verified.opened_packs == verified.packs > 1
    assert verified.read_bytes == sum(pack.size_bytes for pack in first.packs if not pack.holds_maps)
    later = backed_up(repository, disks, "c")
    assert data_packs(later) == []
    assert restore(repository, later.session, "root") == {"root": CONTENT}


def test_the_second_verification_opens_nothing_more_and_the_next_point_only_what_is_new(repository, disks):
    first = backed_up(repository, disks, "a")
    verify(repository, first.session)
    runs = {info.key for info in repository.store.list(names.INDEX)}
    assert verify(repository, first.session).opened_packs == 0
    assert {info.key for info in repository.store.list(names.INDEX)} == runs
    second = backed_up(repository, disks, "a", sample(BLOCK)[::-1] + CONTENT[BLOCK:])
    verified = verify(repository, second.session)
    assert verified.opened_packs == len(data_packs(second))
    assert verified.packs > len(data_packs(second)), "a point is read with all that it needs of earlier ones"


def test_packs_of_who_held_the_master_key_serve_everybody_already(repository):
    source = MemorySource(MemoryVolume.of(CONTENT), "s")
    point = backup_volume(repository, source, BackupOrder("local"), Silence()).finished.manifest
    verified = verify(repository, point.session)
    assert verified.packs == len(data_packs(point))
    assert verified.opened_packs == 0


def test_a_worker_leaves_nothing_but_its_result(repository, disks):
    prepared = ordered(repository, backed_up(repository, disks, "a").session)
    before = {info.key for info in repository.store.list("")}
    worker(repository.store, prepared)
    after = {info.key for info in repository.store.list("")}
    assert after - before == {names.result(prepared.session, 1)}
    assert before <= after


def test_damage_is_named_with_whom_it_hurts_and_opens_nothing(repository, disks):
    facts = {"root": disks.snapshot("r", CONTENT), "data": disks.snapshot("d", CONTENT[::-1])}
    point, _result = back_up(repository, disks, facts, "a")
    broken = data_packs(point)[0]
    flip(repository, broken)
    verified = verify(repository, point.session)
    (damage,) = verified.hurt
    assert (damage.object, damage.chunks, damage.volumes) == (broken, 1, ("root",))
    assert "do not match" in damage.why or "does not match" in damage.why
    assert verified.opened_packs == verified.packs == len(data_packs(point)) - 1
    later = backed_up(repository, disks, "b")
    assert len(data_packs(later)) == 1, "only what is damaged is stored again"


def test_a_flipped_bit_anywhere_in_a_pack_is_found(repository, disks):
    """Header, chunks, directory, footer and digest; the other packs are good all the same."""
    point = backed_up(repository, disks, "a")
    broken = data_packs(point)[0]
    whole = bytes(repository.store.get(broken))
    ends = [*range(0, 100, 3), len(whole) // 2, *range(len(whole) - 120, len(whole), 7)]
    for at in ends:
        flip(repository, broken, at)
        prepared = ordered(repository, point.session)
        worker(repository.store, prepared)
        result = told(repository, prepared.session)
        assert [names.pack(one.pack) for one in result.damage] == [broken], at
        assert len(result.packs) == len(data_packs(point)) - 1
        put(repository.store, broken, whole)


def test_a_pack_that_is_missing(repository, disks):
    point = backed_up(repository, disks, "a")
    publish_plan(repository, [point.session])
    missing = data_packs(point)[1]
    repository.store.delete(missing)
    (damage,) = verify(repository, point.session).hurt
    assert (damage.object, damage.chunks, damage.volumes) == (missing, 0, ("root",))


def test_a_map_that_does_not_open(repository, disks):
    facts = {"root": disks.snapshot("r", CONTENT), "data": disks.snapshot("d", CONTENT[::-1])}
    point, _result = back_up(repository, disks, facts, "a")
    (maps,) = [names.pack(pack.pack) for pack in point.packs if pack.holds_maps]
    flip(repository, maps, 100)
    verified = verify(repository, point.session)
    assert [(one.object, one.volumes) for one in verified.hurt] == [(maps, ("root",))]
    assert verified.packs > 0, "what the other volume needs was read all the same"


def test_damage_of_which_there_is_another_copy_hurts_nobody(repository, disks):
    point = backed_up(repository, disks, "a")
    backed_up(repository, disks, "b")
    flip(repository, data_packs(point)[0])
    verified = verify(repository, point.session)
    assert verified.hurt == ()
    (damage,) = verified.damage
    assert (damage.object, damage.volumes) == (data_packs(point)[0], ())
    assert restored(repository, point_of(repository, point.session)) == CONTENT


def test_chunks_that_a_collection_has_moved(disks):
    """Between the worker's work and the judgement, and before a task is written."""
    surroundings = deterministic_surroundings()
    repository = make_small_repository(MemoryStore(), surroundings, 16 * BLOCK).open(surroundings)
    gone = backed_up(repository, disks, "a")
    kept = backed_up(repository, disks, "a", CONTENT[:BLOCK] + sample(BLOCK)[::-1])
    retire(repository, gone.session, point_of(repository, gone.session).key)
    prepared = ordered(repository, kept.session)
    worker(repository.store, prepared)
    finish_reading(repository, prepared.session, Silence())
    write_verify_task(prepared, 1)
    worker(repository.store, prepared)
    for _round in range(2):
        collect(repository)
    standing = {info.key for info in repository.store.list(names.PACKS)}
    assert {names.pack(one.row.pack) for one in prepared.task.packs} - standing, "a pack was repacked and has gone"
    verified = accept_verification(repository, point_of(repository, kept.session), told(repository, prepared.session))
    assert verified.damage == ()
    assert verify(repository, kept.session).damage == ()


def test_a_point_that_is_retired_is_not_verified(repository, disks):
    point = point_of(repository, backed_up(repository, disks, "a").session)
    retire(repository, point.session, point.key)
    with pytest.raises(NotFoundError):
        ordered(repository, point.session)


def test_an_archive_is_not_read():
    surroundings = deterministic_surroundings()
    archive = make_small_repository(MemoryStore(), surroundings, archive_class=ArchiveClass.DEEP_ARCHIVE).open(
        surroundings
    )
    source = MemorySource(MemoryVolume.of(CONTENT), "s")
    point = backup_volume(archive, source, BackupOrder("local"), Silence()).finished.manifest
    with pytest.raises(UsageError, match="archive"):
        ordered(archive, point.session)


def test_the_run_is_of_the_plan_that_was_newest(repository, disks):
    """Rule 7: under a plan that came later it counts only where that plan names it."""
    point = backed_up(repository, disks, "a")
    publish_plan(repository, [point.session])
    verify(repository, point.session)
    prepared = prepare_backup(repository, DEFAULT_TENANT, "b", [VolumeSource("root", disks.snapshot("x", CONTENT))])
    access = prepared.task.access(repository.store, repository.surroundings)
    opened = [
        offer for offer in prepared.task.terms.index_runs if prepared.task.terms.load(offer, ChunkIndex(), access)
    ]
    assert [offer.in_force for offer in opened] == [False]
    assert access.read_index_run(opened[0].key).plan_epoch == prepared.task.terms.plan_epoch


def test_the_next_backup_builds_upon_nothing_that_is_damaged_and_heals_the_point_before(repository, disks):
    facts = {"root": disks.snapshot("r", CONTENT), "data": disks.snapshot("d", CONTENT[::-1])}
    point, _result = back_up(repository, disks, facts, "a")
    broken = data_packs(point)[0]
    flip(repository, broken)
    (damage,) = verify(repository, point.session).hurt
    avoided = frozenset({bytes.fromhex(damage.object.rpartition("/")[2])})
    sources = [VolumeSource(name, one) for name, one in facts.items()]
    prepared = prepare_backup(repository, DEFAULT_TENANT, "a", sources, avoided_packs=avoided)
    parents = {one.name: one.parent is not None for one in prepared.task.volumes}
    assert parents == {"root": False, "data": True}, "only what leads to damage is read anew"
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    result = read_result(repository, prepared.session, 1)
    assert isinstance(result, BackupResult)
    later = accept_backup(repository, prepared.session, result)
    assert len(data_packs(later)) == 1, "what is whole is not stored again"
    repository.store.delete(broken)
    assert restore(repository, later.session, "root", "data") == {"root": CONTENT, "data": CONTENT[::-1]}
    assert verify(repository, point.session).hurt == (), "another copy opens now"


def test_a_key_epoch_that_begins_behind_the_task_changes_nothing_for_its_worker(disks):
    surroundings = deterministic_surroundings()
    small = make_small_repository(MemoryStore(), surroundings, 600 * 1024)
    repository = small.open(surroundings)
    point = backed_up(repository, disks, "a")
    prepared = ordered(repository, point.session)
    rotate(repository, small.secret)
    assert prepared.task.owner.kid < repository.master.kid
    worker(repository.store, prepared)
    verified = accept_verification(repository, point_of(repository, point.session), told(repository, prepared.session))
    assert (verified.damage, verified.packs) == ((), len(data_packs(point)))


def test_packs_of_an_earlier_key_epoch_are_read_and_opened_to_others(disks):
    surroundings = deterministic_surroundings()
    small = make_small_repository(MemoryStore(), surroundings, 600 * 1024)
    repository = small.open(surroundings)
    backed_up(repository, disks, "a")
    rotate(repository, small.secret)
    later = backed_up(repository, disks, "a", sample(BLOCK)[::-1] + CONTENT[BLOCK:])
    prepared = ordered(repository, later.session)
    assert {one.row.kid for one in prepared.task.packs} == {1, 2}
    finish_reading(repository, prepared.session, Silence())
    verified = verify(repository, later.session)
    assert verified.damage == ()
    assert verified.opened_packs == verified.packs == len(prepared.task.packs)
    assert data_packs(backed_up(repository, disks, "b", sample(BLOCK)[::-1] + CONTENT[BLOCK:])) == []
