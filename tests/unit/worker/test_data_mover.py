"""A task from its pointer to its result, over a real repository in memory."""

import hashlib
from dataclasses import dataclass, field, replace

import pytest

from holdfast.domain.errors import (
    FormatError,
    IntegrityError,
    ObjectNotFoundError,
    PermissionDeniedError,
    SourceGoneError,
    WrongKeyError,
)
from holdfast.protocol.worker_messages import TaskKind, TaskPointer
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.copy_side import CopyFrom
from holdfast.repository.delegation.orders import read_result
from holdfast.repository.delegation.restore_side import VolumeTarget, prepare_restore, write_restore_task
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryTarget, MemoryVolume, sample
from holdfast.testing.small_repository import make_small_repository
from holdfast.worker.data_mover import DataMover
from holdfast.worker.narrow_store import NarrowStore
from tests.unit.repository.delegation.delegated_copy import accepted, prepare_copy
from tests.unit.worker.fakes import Hand

MIB = 1024 * 1024
TENANT = "default"


@dataclass
class Key:
    """Unwraps to `key`, after `refusals`."""

    key: bytes
    refusals: list[Exception] = field(default_factory=list)

    def unwrap(self, pointer: TaskPointer) -> bytes:
        if self.refusals:
            raise self.refusals.pop(0)
        return self.key


class World:
    """An appliance with a repository, two volumes and their worker."""

    def __init__(self, seed=1):
        self.store = MemoryStore()
        self.surroundings = deterministic_surroundings(seed)
        self.repository = make_small_repository(self.store, self.surroundings, 2 * MIB).open(self.surroundings)
        self.volumes = {"root": MemoryVolume.of(sample(5 * MIB)), "data": MemoryVolume.of(sample(3 * MIB + 512))}
        self.targets: dict[str, MemoryTarget] = {}
        self.hand = Hand()

    def order_backup(self, attempt=1):
        sources = [VolumeSource(name, {"kind": "memory", "volume": name}) for name in self.volumes]
        prepared = prepare_backup(self.repository, TENANT, "machine", sources)
        write_task(prepared, attempt)
        return prepared, self.pointer(prepared, TaskKind.BACKUP, attempt)

    def order_restore(self, attempt=1):
        (point,) = list_points(self.repository, TENANT, "machine")
        targets = [VolumeTarget(name, {"kind": "memory", "place": f"new {name}"}) for name in self.volumes]
        prepared = prepare_restore(self.repository, point, targets, Silence())
        write_restore_task(prepared, attempt)
        return prepared, self.pointer(prepared, TaskKind.RESTORE, attempt)

    def result(self, prepared):
        return read_result(self.repository, prepared.session, 1)

    def pointer(self, prepared, kind, attempt):
        master = self.repository.master
        return TaskPointer(
            prepared.session.hex(), attempt, kind, "memory:", master.repository.hex(), master.kid, "eu-west-1"
        )

    def mover(self, key, **changes):
        mover = DataMover(
            open_store=lambda location: self.store,
            open_source=lambda facts: MemorySource(self.volumes[facts["volume"]], facts["volume"]),
            open_target=self._open_target,
            keys=key if isinstance(key, Key) else Key(key),
            surroundings=deterministic_surroundings(2),
            waiting=self.hand.waiting,
        )
        return replace(mover, **changes)

    def _open_target(self, facts):
        self.targets[facts["place"]] = MemoryTarget()
        return self.targets[facts["place"]]


@pytest.fixture
def world():
    return World()


def test_backup_and_restore_give_back_every_byte(world):
    prepared, pointer = world.order_backup()
    world.mover(prepared.scratch_key).move(pointer, Silence())
    accept_backup(world.repository, prepared.session, world.result(prepared))
    prepared, pointer = world.order_restore()
    world.mover(prepared.scratch_key).move(pointer, Silence())
    for name, volume in world.volumes.items():
        assert world.targets[f"new {name}"].volume.content == volume.content
    result = world.result(prepared)
    assert [volume.name for volume in result.volumes] == list(world.volumes)


def test_a_copy_reads_one_repository_and_writes_another(world):
    prepared, pointer = world.order_backup()
    world.mover(prepared.scratch_key).move(pointer, Silence())
    original = accept_backup(world.repository, prepared.session, world.result(prepared))
    archive = World(5)
    [point] = list_points(world.repository)
    prepared = prepare_copy(CopyFrom(world.repository, "memory:source", point, b"r" * 16), archive.repository)
    write_task(prepared, 1)
    pointer = archive.pointer(prepared, TaskKind.COPY, 1)
    stores = {"memory:": archive.store, "memory:source": world.store}
    before = [info.key for info in world.store.list("")]
    mover = archive.mover(prepared.scratch_key, open_store=stores.__getitem__)
    for kind in (TaskKind.BACKUP, TaskKind.RESTORE):
        with pytest.raises(FormatError, match=f"the task is no {kind}"):
            mover.move(replace(pointer, kind=kind), Silence())
    mover.move(pointer, Silence())
    assert [info.key for info in world.store.list("")] == before
    result = archive.result(prepared)
    copied = accepted(world.repository, archive.repository, prepared.session, result)
    assert [volume.source for volume in copied.volumes] == [volume.source for volume in original.volumes]
    prepared, pointer = archive.order_restore()
    archive.mover(prepared.scratch_key).move(pointer, Silence())
    assert {name: archive.targets[f"new {name}"].volume for name in world.volumes} == world.volumes


def test_a_backup_is_no_copy(world):
    prepared, pointer = world.order_backup()
    with pytest.raises(FormatError, match="the task is no copy"):
        world.mover(prepared.scratch_key).move(replace(pointer, kind=TaskKind.COPY), Silence())


def test_late_rights_are_waited_for(world):
    prepared, pointer = world.order_backup()
    key = Key(prepared.scratch_key, [PermissionDeniedError("kms:Decrypt", why="y", cure="c")] * 3)
    world.mover(key).move(pointer, Silence())
    assert len(world.hand.slept_seconds) == 3


@pytest.mark.parametrize("key", [b"", b"x" * 31])
def test_a_key_that_is_none_is_refused(world, key):
    _, pointer = world.order_backup()
    with pytest.raises(WrongKeyError):
        world.mover(key).move(pointer, Silence())


def test_another_sessions_key_opens_nothing(world):
    _, pointer = world.order_backup()
    other, _ = world.order_backup()
    with pytest.raises(IntegrityError):
        world.mover(other.scratch_key).move(pointer, Silence())


def test_a_pointer_of_another_kind_is_refused(world):
    prepared, pointer = world.order_backup()
    with pytest.raises(FormatError, match="the task is no restore"):
        world.mover(prepared.scratch_key).move(replace(pointer, kind=TaskKind.RESTORE), Silence())


def test_an_attempt_that_was_not_ordered_is_not_there(world):
    prepared, pointer = world.order_backup()
    with pytest.raises(ObjectNotFoundError):
        world.mover(prepared.scratch_key).move(replace(pointer, attempt=2), Silence())


def test_what_fails_leaves_no_result(world):
    prepared, pointer = world.order_backup()

    def gone(facts):
        raise SourceGoneError("snapshot not found", why="y", cure="c")

    with pytest.raises(SourceGoneError):
        world.mover(prepared.scratch_key, open_source=gone).move(pointer, Silence())
    with pytest.raises(ObjectNotFoundError):
        world.result(prepared)


def test_a_worker_writes_packs_and_its_own_session_alone():
    store = NarrowStore(MemoryStore(), bytes(16), writes_packs=True)
    for key in ("packs/ab/" + "ab" * 16, f"sessions/{'00' * 16}/result-1"):
        store.create(key, b"x", hashlib.sha256(b"x").digest())
    for key in ("points/x", "ledger/x", "config", f"sessions/{'01' * 16}/result-1", f"sessions/{'00' * 16}x"):
        with pytest.raises(PermissionDeniedError, match="may not write"):
            store.create(key, b"x", b"")
    with pytest.raises(PermissionDeniedError, match="may not delete"):
        store.delete("packs/ab/" + "ab" * 16)
    with pytest.raises(PermissionDeniedError, match="may not list"):
        store.list("packs/")


def test_who_reads_alone_writes_no_packs():
    store = NarrowStore(MemoryStore(), bytes(16), writes_packs=False)
    store.create(f"sessions/{'00' * 16}/result-1", b"x", hashlib.sha256(b"x").digest())
    with pytest.raises(PermissionDeniedError, match="may not write"):
        store.create("packs/ab/" + "ab" * 16, b"x", hashlib.sha256(b"x").digest())


class Denying(MemoryStore):
    """Says of every object that it is denied, as S3 does to who may not list."""

    def get(self, key, offset=0, length=None, version=None):
        raise PermissionDeniedError("s3:GetObject was refused", why="AccessDenied", cure="c")

    def head(self, key, version=None):
        raise PermissionDeniedError("s3:GetObject was refused", why="HTTP 403", cure="c")


def test_a_denied_pack_or_index_run_is_one_that_is_gone_and_says_why():
    store = NarrowStore(Denying(), bytes(16), writes_packs=True)
    for ask in (store.get, store.head):
        for key in ("packs/ab/" + "ab" * 16, "index/x", f"sessions/{'00' * 16}/checkpoint-0001-00000001"):
            with pytest.raises(ObjectNotFoundError) as gone:
                ask(key)
            assert "may not read it" in gone.value.why
        with pytest.raises(PermissionDeniedError):
            ask(f"sessions/{'00' * 16}/task-1")


@pytest.mark.parametrize("key", ["packs/ab/" + "ab" * 16, "index/x"])
def test_where_s3_says_that_reading_itself_is_not_allowed_it_is_no_loss(key):
    why = "AccessDenied: User: arn:aws:sts::1:x is not authorized to perform: s3:GetObject on resource: y"

    class Refusing(MemoryStore):
        def get(self, key, offset=0, length=None, version=None):
            raise PermissionDeniedError("s3:GetObject was refused", why=why, cure="c")

    with pytest.raises(PermissionDeniedError) as refused:
        NarrowStore(Refusing(), bytes(16), writes_packs=True).get(key)
    assert refused.value.code == "permission-denied"
