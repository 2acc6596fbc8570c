"""Workers and key epochs: a task holds what it needs of each epoch, and a session goes on in the one it began in."""

import pytest

from holdfast.domain.errors import PermissionDeniedError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES as BLOCK
from holdfast.repository.crypto.keyed_hash import FIPS_SUITE
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.orders import ordered, read_result
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.format import names
from holdfast.repository.format.pack import read_header
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.repository import DEFAULT_TENANT, create_repository
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from tests.faults.world import pattern
from tests.unit.repository.delegation.delegated import WORKLOAD, Disks, back_up, restore, work


@pytest.fixture(params=[1, 2], ids=["suite-1", "suite-2"])
def new(request):
    return create_repository(MemoryStore(), deterministic_surroundings(5), suite=request.param)


@pytest.fixture
def secret(new):
    return Secret(new.recovery_code.encode())


def kid_of(repository, pack):
    return read_header(repository.store.get(names.pack(pack.pack)), "").kid


def test_a_session_goes_on_in_the_epoch_that_it_began_in(new, secret):
    repository, disks = new.repository, Disks()
    facts = disks.snapshot("a", pattern(1) + pattern(2))
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, [VolumeSource("root", facts)])
    write_task(prepared, 1)
    rotate(repository, secret)
    second = write_task(prepared, 2)  # a further attempt, after it
    assert (second.owner.kid, ordered(repository, prepared.session, 2).owner.kid) == (1, 1)
    work(repository.store, prepared, disks, 2)
    result = read_result(repository, prepared.session, 2)
    assert isinstance(result, BackupResult)
    manifest = accept_backup(repository, prepared.session, result)
    assert {kid_of(repository, pack) for pack in manifest.packs} == {1}
    assert restore(repository, manifest.session, "root") == {"root": pattern(1) + pattern(2)}


def test_what_is_built_upon_an_older_epoch_is_written_and_read_by_workers(new, secret):
    repository, disks = new.repository, Disks()
    first, _result = back_up(repository, disks, {"root": disks.snapshot("a", pattern(1) + pattern(2) + pattern(3))})
    rotate(repository, secret)
    changed = pattern(1) + pattern(9) + pattern(3)
    second, _result = back_up(repository, disks, {"root": disks.snapshot("b", changed)})
    assert second.parent == first.session
    assert {kid_of(repository, pack) for pack in second.packs} == {2}
    data = [pack for pack in second.packs if not pack.holds_maps]
    assert sum(pack.size_bytes for pack in data) < BLOCK  # the rest is the parent's
    assert restore(repository, second.session, "root") == {"root": changed}


def test_a_task_holds_no_keys_of_epochs_after_its_own(new, secret):
    repository, disks = new.repository, Disks()
    facts = disks.snapshot("a", pattern(1))
    prepared = prepare_backup(repository, DEFAULT_TENANT, WORKLOAD, [VolumeSource("root", facts)])
    ring = prepared.task.access(repository.store, repository.surroundings).keys
    rotate(repository, secret)
    with pytest.raises(PermissionDeniedError):
        ring.epoch(2)
    later = prepare_backup(repository, DEFAULT_TENANT, "other", [VolumeSource("root", facts)])
    assert sorted(later.task.owner.epochs) == [1, 2]
    assert later.task.owner.epochs[1] == prepared.task.owner.epochs[1]
    assert later.scratch_key != repository.epochs.of(1).scratch_key(later.session)


def test_suite_1_stands_in_every_header(new):
    repository, disks = new.repository, Disks()
    back_up(repository, disks, {"root": disks.snapshot("a", pattern(1))})
    suites = {
        bytes(repository.store.get(info.key))[8:10]
        for info in repository.store.list("")
        if not info.key.startswith(names.KEYS)
    }
    assert suites == {repository.config.suite.to_bytes(2, "big")}
    assert repository.config.suite in (FIPS_SUITE, 2)
