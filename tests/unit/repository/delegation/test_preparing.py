"""The appliance's side: one opener and one plan a session, resuming after crashes, moved chunks, what is refused."""

import dataclasses
import hashlib

import pytest

from holdfast.domain.errors import (
    ChunksMovedError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    UsageError,
)
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import (
    VolumeSource,
    abandon,
    ordered_task,
    prepare_backup,
    reprepare,
    write_task,
)
from holdfast.repository.delegation.orders import delete_scratch, read_result
from holdfast.repository.delegation.restore_side import (
    VolumeTarget,
    finish_reading,
    prepare_restore,
    write_restore_task,
)
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.delegation.worker_side import run_restore_task
from holdfast.repository.format import index_run, names
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.manifest import CONFIGURATION_LIMIT_BYTES, Manifest
from holdfast.repository.format.pack import open_body
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.repository.sessions.session import open_session, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.pack_writer import PackWriter
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.memory_volumes import MemoryTarget, sample
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put
from tests.faults.world import publish_plan
from tests.unit.repository.delegation.delegated import WORKLOAD, Disks, back_up, restore, work

BLOCK = 512 * 1024
ROOT = sample(4 * BLOCK)
SESSION = b"my session id 16"


@pytest.fixture
def small() -> SmallRepository:
    return make_small_repository(MemoryStore(), deterministic_surroundings(), 600 * 1024)


@pytest.fixture
def repository(small) -> Repository:
    return small.open(deterministic_surroundings(1))


@pytest.fixture
def disks() -> Disks:
    return Disks()


@pytest.fixture
def sources(disks) -> list[VolumeSource]:
    return [VolumeSource("root", disks.snapshot("r", ROOT))]


def accepted(repository: Repository, session: bytes, attempt: int = 1) -> Manifest:
    result = read_result(repository, session, attempt)
    assert isinstance(result, BackupResult)
    return accept_backup(repository, session, result)


def test_preparing_again_gives_the_same_task(repository, sources):
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, session=SESSION)
    task = write_task(prepared, 1)
    assert task.session == SESSION
    again = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, session=SESSION)
    assert again.task == task
    assert write_task(again, 1) == task
    assert write_task(again, 2) == ordered_task(repository, SESSION, 2)
    assert len(repository.ledger.refresh().open) == 1


def test_a_session_opened_and_never_ordered_is_ended(repository, sources, disks):
    left = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, session=SESSION)
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, session=SESSION)
    assert prepared.session != SESSION
    write_task(left, 1)
    work(repository.store, left, disks)
    with pytest.raises(ConflictError):
        accepted(repository, SESSION)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    assert [accepted(repository, prepared.session).session] == [point.session for point in list_points(repository)]


@pytest.mark.parametrize("ending", [accepted, abandon])
def test_a_commit_that_died_before_its_ledger_record_is_recorded_by_whoever_comes_next(small, sources, disks, ending):
    repository = small.open(deterministic_surroundings(2))
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    plain = FaultyStore(small.copied().store, {})
    accepted(small.open(deterministic_surroundings(3), plain), prepared.session)
    put_point = next(one for one in plain.requests if one.kind == "create" and one.key.startswith(names.POINTS))
    dying = FaultyStore(small.store, {put_point.number: Fault.CRASH_AFTER})
    with pytest.raises(SimulatedCrash):
        accepted(small.open(deterministic_surroundings(3), dying), prepared.session)
    assert prepared.session in repository.ledger.refresh().open
    assert ending(repository, prepared.session) is not None
    assert prepared.session in repository.ledger.refresh().live
    assert repository.ledger.state.open == {}
    before = repository.ledger.state.sequence
    assert ending(repository, prepared.session) is not None
    assert repository.ledger.refresh().sequence == before


def test_index_runs_of_an_accept_that_died_are_taken_over_and_another_attempts_are_not(small, sources, disks):
    repository = small.open(deterministic_surroundings(2))
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources)
    for attempt in (1, 2):
        write_task(prepared, attempt)
        work(repository.store, prepared, disks, attempt)
    plain = FaultyStore(small.copied().store, {})
    accepted(small.open(deterministic_surroundings(3), plain), prepared.session)
    put_run = next(one for one in plain.requests if one.kind == "create" and one.key.startswith(names.INDEX))
    dying = FaultyStore(small.store, {put_run.number: Fault.CRASH_AFTER})
    with pytest.raises(SimulatedCrash):
        accepted(small.open(deterministic_surroundings(3), dying), prepared.session)
    tenant = repository.tenant_id(DEFAULT_TENANT)
    for attempt, part in ((1, 0), (2, 1)):
        copied = small.copied().open(deterministic_surroundings(4))
        manifest = accepted(copied, prepared.session, attempt)
        assert manifest.index_runs == (names.index_run(tenant, prepared.session, part),)
        run = copied.access().read_index_run(manifest.index_runs[0])
        assert {row.pack for row in run.packs} == {pack.pack for pack in manifest.packs}


def test_of_two_who_open_one_session_one_does(small, sources):
    """The second has read the ledger before the first appended."""
    first, second = (small.open(deterministic_surroundings(seed)) for seed in (2, 3))
    open_session(first, DEFAULT_TENANT, WORKLOAD, SESSION)
    with pytest.raises(ConflictError):
        open_session(second, DEFAULT_TENANT, WORKLOAD, SESSION)


def test_a_session_that_has_ended_is_not_prepared_again(repository, sources, disks):
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, session=SESSION)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    accepted(repository, SESSION)
    delete_scratch(repository, SESSION)
    for again in (
        lambda: reprepare(repository, SESSION),
        lambda: prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, session=SESSION),
    ):
        with pytest.raises(ConflictError):
            again()
    retire(repository, SESSION, names.point(*_ids(repository), SESSION))
    with pytest.raises(NotFoundError):
        abandon(repository, SESSION)


def _ids(repository: Repository) -> tuple[bytes, bytes]:
    tenant = repository.tenant_id(DEFAULT_TENANT)
    return tenant, repository.tenant(DEFAULT_TENANT).keys.workload_id(WORKLOAD)


def test_further_attempts_stay_under_the_plan_that_the_session_knows(repository, sources, disks):
    first, _result = back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)})
    publish_plan(repository, [first.session])
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, session=SESSION)
    write_task(prepared, 1)
    publish_plan(repository, [first.session], epoch=2)
    task = write_task(reprepare(repository, SESSION), 2)
    assert task.terms.plan_epoch == 1
    assert [info.key for info in repository.store.list(names.scratch(SESSION) + "ack")] == [
        names.acknowledgement(SESSION, 1)
    ]
    work(repository.store, prepared, disks, 2)
    assert accepted(repository, SESSION, 2).plan_epoch == 1
    delete_scratch(repository, SESSION)
    assert [info.key for info in repository.store.list(names.scratch(SESSION))] == [names.acknowledgement(SESSION, 1)]


def test_condemned_packs_are_not_built_upon(repository, disks):
    first, _result = back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)}, "w")
    publish_plan(repository, [], condemned=[pack.pack for pack in first.packs])
    manifest, result = back_up(repository, disks, {"root": disks.snapshot("r1", ROOT)}, "w")
    assert manifest.parent is None
    assert manifest.statistics["new_chunks"] == first.statistics["new_chunks"]
    assert set(result.loaded_runs) == set(first.index_runs)
    assert restore(repository, manifest.session, "root") == {"root": ROOT}


def test_a_full_backup_on_request_reads_all_and_stores_nothing_twice(repository, sources, disks):
    back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)})
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources, with_parent=False)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    manifest = accepted(repository, prepared.session)
    assert manifest.parent is None
    assert manifest.statistics["read_bytes"] == 3 * BLOCK
    assert manifest.statistics["new_chunks"] == 0


@pytest.mark.parametrize("names_", [[], ["a", "a"], [""], ["a\n"], ["x" * 256]])
def test_volumes_that_are_no_point_are_refused_before_anything_is_opened(repository, names_):
    with pytest.raises(UsageError):
        prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, [VolumeSource(name, {}) for name in names_])
    assert repository.ledger.refresh().open == {}


def test_a_source_of_another_size_is_not_backed_up(repository, disks):
    facts = disks.snapshot("r", ROOT)
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, [VolumeSource("root", facts, 5 * BLOCK)])
    write_task(prepared, 1)
    with pytest.raises(ConflictError):
        work(repository.store, prepared, disks)


def test_a_configuration_has_its_limit(repository, sources, disks):
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    result = read_result(repository, prepared.session, 1)
    assert isinstance(result, BackupResult)
    with pytest.raises(IntegrityError):
        accept_backup(repository, prepared.session, result, bytes(CONFIGURATION_LIMIT_BYTES + 1))
    manifest = accept_backup(repository, prepared.session, result, bytes(CONFIGURATION_LIMIT_BYTES))
    assert len(manifest.configuration or b"") == CONFIGURATION_LIMIT_BYTES


def move_data_packs(repository: Repository, manifest: Manifest) -> bytes:
    """What a collector does: seal the chunks anew in a session of its own, say so in an index run, delete the old."""
    session = repository.surroundings.random_bytes(16)
    access = repository.access()
    writer, index = PackWriter(access, session, holds_maps=False), ChunkIndex()
    for stored in (pack for pack in manifest.packs if not pack.holds_maps):
        key = names.pack(stored.pack)
        data = repository.store.get(key)
        opened = open_body(data, access.keys.session(1, manifest.session).of_pack(stored.pack, holds_maps=False), key)
        for number, entry in enumerate(opened.entries):
            sealed = data[entry.offset : entry.offset + entry.length]
            plain = opened.cipher.open_into(number, entry, sealed, memoryview(bytearray(entry.length)))
            assert plain is not None
            chunk = PreparedChunk(entry.id, entry.plain_length, entry.compression, bytes(plain))
            index.add(entry.id, CHUNK_TYPE_DATA, writer.add(chunk))
        repository.store.delete(key)
    writer.finish()
    [(rows, table)] = index.own_rows()
    run = IndexRun(session, bytes(16), True, 1, table, rows)
    key = names.index_run(repository.tenant_id(DEFAULT_TENANT), session, 0)
    repository.sealed.write(Kind.INDEX_RUN, key, index_run.encode(run))
    return session


def test_the_keys_of_moved_chunks_are_handed_over(repository, disks):
    manifest, _result = back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)})
    mover = move_data_packs(repository, manifest)
    publish_plan(repository, [manifest.session])
    point = find_point(repository, manifest.session.hex(), DEFAULT_TENANT)
    prepared = prepare_restore(repository, point, [VolumeTarget(None, {})], Silence())
    assert set(prepared.task.data_keys) == {mover}
    finish_reading(repository, prepared.session, Silence())
    assert restore(repository, manifest.session, "root") == {"root": ROOT}


@pytest.mark.parametrize("told", [True, False], ids=["of the run, not of the key", "of neither"])
def test_chunks_that_move_meanwhile_are_found_by_the_next_attempt(repository, disks, told):
    manifest, _result = back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)})
    point = find_point(repository, manifest.session.hex(), DEFAULT_TENANT)
    around = deterministic_surroundings(9)

    def attempt(number: int) -> MemoryTarget:
        target = MemoryTarget()
        prepared = prepare_restore(
            repository, point, [VolumeTarget("root", {"kind": "memory"})], Silence(), session=SESSION
        )
        task = write_restore_task(prepared, number)
        if number == 1:
            move_data_packs(repository, manifest)
            publish_plan(repository, [manifest.session])
            late = [info.key for info in repository.store.list(names.INDEX)]
            task = dataclasses.replace(task, index_runs=tuple(late) if told else ())
        try:
            run_restore_task(repository.store, task, lambda facts: target, Silence(), around)
        except ChunksMovedError:
            assert target.aborted
            raise
        return target

    with pytest.raises(ChunksMovedError):
        attempt(1)
    target = attempt(2)
    assert target.volume is not None
    assert target.volume.content == ROOT
    assert len(repository.ledger.refresh().pins) == 1
    before = repository.ledger.state.sequence
    prepare_restore(repository, point, [VolumeTarget("root", {})], Silence(), session=SESSION)
    assert repository.ledger.refresh().sequence == before
    finish_reading(repository, SESSION, Silence())
    assert repository.ledger.refresh().pins == {}


def test_a_retired_point_is_not_restored_and_its_pin_is_taken_back(repository, disks):
    manifest, _result = back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)})
    point = find_point(repository, manifest.session.hex(), DEFAULT_TENANT)
    retire(repository, point.session, point.key)
    with pytest.raises(NotFoundError):
        prepare_restore(repository, point, [VolumeTarget("root", {})], Silence(), session=SESSION)
    assert SESSION in repository.ledger.refresh().pins
    finish_reading(repository, SESSION, Silence())
    assert repository.ledger.refresh().pins == {}


def test_a_restore_goes_on_without_a_pin_where_none_can_be_written(small, repository, disks):
    manifest, _result = back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)})
    key = names.ledger(1)
    put(small.store, key, b"damage" + bytes(small.store.get(key))[6:])
    hurt = small.open(deterministic_surroundings(5))
    point = find_point(hurt, manifest.session.hex(), DEFAULT_TENANT)
    prepared = prepare_restore(hurt, point, [VolumeTarget("root", {})], Silence())
    assert not prepared.pinned
    assert restore(hurt, manifest.session, "root") == {"root": ROOT}


def test_check_opens_scratch_objects_and_names_a_damaged_one(repository, sources, disks):
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources)
    write_task(prepared, 1)
    work(repository.store, prepared, disks)
    assert check_repository(repository, 100, Silence()).damage == ()
    for key in (names.task(prepared.session, 1), names.result(prepared.session, 1)):
        data = bytearray(repository.store.get(key))
        data[200] ^= 1
        put(repository.store, key, bytes(data[:-32]) + hashlib.sha256(data[:-32]).digest())
    named = {damage.object: damage.hurt for damage in check_repository(repository, None, Silence()).damage}
    assert named == {names.task(prepared.session, 1): (), names.result(prepared.session, 1): ()}


def test_a_tombstone_stands_where_the_point_would(repository, sources):
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources)
    assert abandon(repository, prepared.session) is None
    key = names.point(*_ids(repository), prepared.session)
    assert read_header(repository.store.get(key), key).kind == Kind.TOMBSTONE
    assert list_points(repository) == []
    assert check_repository(repository, 100, Silence()).damage == ()


def test_a_worker_that_dies_leaves_nothing_that_counts(repository, sources, disks):
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources)
    write_task(prepared, 1)
    dying = FaultyStore(repository.store, {4: Fault.CRASH_AFTER})
    with pytest.raises(SimulatedCrash):
        work(dying, prepared, disks)
    allowed = (names.PACKS, names.session_checkpoint(prepared.session, 1, 1))
    assert all(request.key.startswith(allowed) for request in dying.requests if request.kind == "create")
    assert list_points(repository) == []
    assert check_repository(repository, 100, Silence()).unreferenced_packs > 0


def test_a_worker_writes_packs_and_its_own_scratch_and_never_lists_or_deletes(repository, sources, disks):
    back_up(repository, disks, {"root": disks.snapshot("r0", ROOT)})
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, sources)
    write_task(prepared, 1)
    seen = FaultyStore(repository.store, {})
    work(seen, prepared, disks)
    written = {request.key.split("/", 1)[0] for request in seen.requests if request.kind == "create"}
    read = {request.key.split("/", 1)[0] for request in seen.requests if request.kind in ("get", "head")}
    assert written <= {"packs", "sessions"}
    assert read <= {"packs", "sessions", "index"}
    assert {request.kind for request in seen.requests} <= {"create", "get", "head"}
