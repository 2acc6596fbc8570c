"""Given everything that a worker's task holds, what opens? Its own, the tenant's maps and index, and nothing else.

The attacker tries every key that it has, in every way that the format derives one, on every object of the repository.
"""

from collections.abc import Iterator

import pytest

from holdfast.domain.errors import ChunksMovedError, IntegrityError
from holdfast.repository.crypto.keys import AeadKey, expand
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup
from holdfast.repository.delegation.copy_side import CopyFrom
from holdfast.repository.delegation.restore_side import VolumeTarget, prepare_restore
from holdfast.repository.delegation.tasks import BackupTask, Task
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind, open_object, read_header
from holdfast.repository.format.pack import open_body
from holdfast.repository.format.pack import read_header as read_pack_header
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import sample
from holdfast.testing.small_repository import make_small_repository
from tests.faults.world import publish_plan
from tests.unit.repository.delegation.delegated import Disks, back_up
from tests.unit.repository.delegation.delegated_copy import prepare_copy

BLOCK = 512 * 1024
OTHER_TENANT = "222222222222"


@pytest.fixture
def disks() -> Disks:
    return Disks()


@pytest.fixture
def repository(disks) -> Repository:
    """Two workloads with two points each, another tenant, a retired point, a plan."""
    surroundings = deterministic_surroundings()
    repository = make_small_repository(MemoryStore(), surroundings, 600 * 1024).open(surroundings)
    gone, _result = back_up(repository, disks, {"root": disks.snapshot("g", sample(BLOCK))}, "gone")
    retire(repository, gone.session, find_point(repository, gone.session.hex(), DEFAULT_TENANT).key)
    for number in range(2):
        for workload in ("a", "b"):
            content = sample(4 * BLOCK) + (workload.encode() + bytes([number])) * (BLOCK // 2)
            back_up(repository, disks, {"root": disks.snapshot(f"{workload}{number}", content)}, workload)
    other = prepare_backup(repository, OTHER_TENANT, "theirs", [VolumeSource("root", {"snapshot": "g"})])
    assert other.task.owner.tenant != repository.tenant_id(DEFAULT_TENANT)
    publish_plan(repository, repository.ledger.state.live)
    return repository


def keys_of(task: Task, scratch_key: bytes) -> list[bytes]:
    held = [task.data_key] if isinstance(task, BackupTask) else list(task.data_keys.values())
    owner = task.owner
    of_epochs = [key for keys in owner.epochs.values() for key in (keys.map, keys.index)]
    return [owner.id_key, *of_epochs, scratch_key, *held]


def ways(key: bytes, session: bytes, tenant: bytes) -> Iterator[bytes]:
    """Every parent key that the format could have derived from this one."""
    yield key
    for info in (b"sess" + session, b"tenant" + tenant, session, b"task"):
        yield expand(key, info, 32)
    yield expand(expand(key, b"tenant" + tenant, 32), b"sess" + session, 32)


def opened_packs(repository: Repository, keys: list[bytes], tenant: bytes) -> set[tuple[bytes, bool]]:
    """(session, holds maps) of every pack that opens with any key in any way."""
    found = set()
    for info in repository.store.list(names.PACKS):
        data = repository.store.get(info.key)
        header = read_pack_header(data, info.key)
        for key in keys:
            for parent in ways(key, header.session, tenant):
                try:
                    open_body(data, AeadKey.derive(parent, b"pack" + header.pack), info.key)
                except IntegrityError:
                    continue
                found.add((header.session, header.holds_maps))
    return found


def opened_objects(repository: Repository, keys: list[bytes], session: bytes, tenant: bytes) -> set[Kind]:
    """Kinds of the objects that open with any key in any way."""
    found = set()
    for info in repository.store.list(""):
        if info.key.startswith((names.PACKS, names.KEYS)):
            continue
        data = repository.store.get(info.key)
        kind = Kind(read_header(data, info.key).kind)
        for key in keys:
            for parent in ways(key, session, tenant):
                try:
                    open_object(
                        data,
                        kinds=(kind,),
                        kind_key={1: parent}.__getitem__,
                        object_key=info.key,
                        repository=repository.master.repository,
                    )
                except IntegrityError:
                    continue
                found.add(kind)
    return found


def all_packs(repository: Repository, *, maps: bool) -> set[bytes]:
    headers = [read_pack_header(repository.store.get(info.key), "") for info in repository.store.list(names.PACKS)]
    return {header.session for header in headers if header.holds_maps == maps}


def test_a_backup_task_opens_maps_and_index_and_no_data(repository, disks):
    sources = [VolumeSource("root", disks.snapshot("a2", sample(BLOCK)))]
    prepared = prepare_backup(repository, DEFAULT_TENANT, "a", sources)
    task = prepared.task
    keys = keys_of(task, prepared.scratch_key)
    maps = all_packs(repository, maps=True)
    assert len(maps) > 3
    assert len(all_packs(repository, maps=False)) > 3
    assert opened_packs(repository, keys, task.owner.tenant) == {(session, True) for session in maps}
    kinds = opened_objects(repository, keys, task.session, task.owner.tenant)
    assert kinds == {Kind.INDEX_RUN, Kind.ACKNOWLEDGEMENT}
    ring = task.access(repository.store, repository.surroundings).keys
    for session in all_packs(repository, maps=False):
        with pytest.raises(ChunksMovedError):
            ring.session(ring.kid, session).of_pack(bytes(16), holds_maps=False)


def test_what_a_backup_task_writes_opens_with_it(repository, disks):
    """The attack above can succeed at all: the session's own packs are found to open."""
    manifest, _result = back_up(repository, disks, {"root": disks.snapshot("c", sample(3 * BLOCK)[::-1])}, "c")
    key = repository.master.data_key(manifest.session)
    assert opened_packs(repository, [key], bytes(16)) == {(manifest.session, False)}


def test_a_restore_task_opens_data_of_the_sessions_that_it_needs_and_no_other(repository):
    point = find_point(repository, "latest:b", DEFAULT_TENANT)
    prepared = prepare_restore(repository, point, [VolumeTarget("root", {})], Silence())
    task = prepared.task
    needed = set(task.data_keys)
    data = all_packs(repository, maps=False)
    assert point.session in needed
    assert needed < data
    keys = keys_of(task, prepared.scratch_key)
    opened = opened_packs(repository, keys, task.owner.tenant)
    assert {session for session, holds_maps in opened if not holds_maps} == needed
    assert opened_objects(repository, keys, task.session, task.owner.tenant) == {Kind.INDEX_RUN}


def test_a_ring_says_nothing_of_itself(repository, disks):
    prepared = prepare_backup(repository, DEFAULT_TENANT, "a", [VolumeSource("root", disks.snapshot("x", b"x"))])
    access = prepared.task.access(repository.store, repository.surroundings)
    for secret in keys_of(prepared.task, prepared.scratch_key):
        for thing in (prepared, prepared.task, prepared.task.owner, access, access.keys):
            assert repr(secret) not in repr(thing)
            assert secret.hex() not in repr(thing)


def test_a_copy_task_opens_of_the_source_what_a_restore_opens_and_of_the_target_no_data(repository, disks):
    surroundings = deterministic_surroundings(50)
    target = make_small_repository(MemoryStore(), surroundings, 600 * 1024).open(surroundings)
    theirs, _result = back_up(target, disks, {"root": disks.snapshot("t", sample(2 * BLOCK))}, "theirs")
    publish_plan(target, target.ledger.state.live)
    point = find_point(repository, "latest:b", DEFAULT_TENANT)
    prepared = prepare_copy(CopyFrom(repository, "memory:", point, b"r" * 16), target)
    task, source = prepared.task, prepared.task.copied_from
    assert source is not None
    held = [source.scratch_key, *source.data_keys.values(), *keys_of(task, prepared.scratch_key)]
    of_source = [source.owner.id_key, *(key for one in source.owner.epochs.values() for key in (one.map, one.index))]
    keys = [*held, *of_source]
    needed = set(source.data_keys)
    assert needed < all_packs(repository, maps=False)
    opened = opened_packs(repository, keys, source.owner.tenant)
    assert {session for session, holds_maps in opened if not holds_maps} == needed
    assert opened_objects(repository, keys, source.reader, source.owner.tenant) == {Kind.INDEX_RUN}
    assert opened_packs(target, keys, task.owner.tenant) == {(theirs.session, True)}
    assert opened_objects(target, keys, task.session, task.owner.tenant) == {Kind.INDEX_RUN, Kind.ACKNOWLEDGEMENT}
    for secret in held:
        for thing in (prepared, task, source, source.access(repository.store, surroundings)):
            assert repr(secret) not in repr(thing)
            assert secret.hex() not in repr(thing)
