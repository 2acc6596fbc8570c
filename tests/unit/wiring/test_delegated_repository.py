"""What the appliance does in a real repository around the work of a worker, and what it hears when it asks again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.appliance.ports.repositories import SourceVolume, Verified
from holdfast.domain.verification import DamagedObject
from holdfast.repository.delegation.backup_side import PreparedBackup, ordered_task
from holdfast.repository.delegation.orders import ordered
from holdfast.repository.delegation.tasks import BackupTask
from holdfast.repository.delegation.worker_side import run_backup_task
from holdfast.repository.format.pack import read_header
from holdfast.repository.health.verification.preparing import PreparedVerification, verify_task
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository
from holdfast.wiring.delegated_repository import DelegatedRepository
from tests.faults.immutable_site import KEEP, Site
from tests.unit.repository.delegation.delegated import Disks, scratch
from tests.unit.repository.health.verification.verified import worker

TENANT, WORKLOAD, CONFIGURATION = "123456789012", "ec2-instance/eu-central-1/i-1", b'{"instance_id": "i-1"}'


class Opened:
    """A repository, and a machine to back up."""

    def __init__(self):
        around = deterministic_surroundings()
        self.inner = make_small_repository(MemoryStore(), around, 1000).open(around)
        self.repository = DelegatedRepository(self.inner, "memory:")
        self.disks = Disks()

    def prepare(self):
        """The session, its first task written."""
        session = self.repository.new_session()
        return self.repository.prepare_backup(session, 1, TENANT, WORKLOAD, [self.source()], "default")

    def source(self):
        """A new snapshot of its one disk."""
        facts = self.disks.snapshot(f"snap-{len(self.disks.snapshots)}", b"content" * 1000)
        return SourceVolume("/dev/xvda", facts)

    def work(self, prepared):
        """As a worker."""
        around = deterministic_surroundings(9)
        ordered = PreparedBackup(self.inner, ordered_task(self.inner, bytes.fromhex(prepared.session), 1))
        mine = scratch(self.inner.store, ordered, around)
        task = mine.read_task(1)
        assert isinstance(task, BackupTask)
        mine.write_result(run_backup_task(mine, task, self.disks.open_source, Silence(), around))

    def left(self, session):
        """Keys that its scratch has left."""
        return [info.key for info in self.inner.store.list("sessions/") if session in info.key]


@pytest.fixture
def opened():
    return Opened()


def test_a_commit_is_told_again_whatever_was_lost(opened):
    prepared = opened.prepare()
    opened.work(prepared)
    done = opened.repository.accept_backup(prepared.session, 1, CONFIGURATION)
    assert done is not None
    assert done.point == prepared.session
    assert opened.repository.accept_backup(prepared.session, 1, b"") == done
    assert opened.repository.abandon(prepared.session) == done.point, "the commit came first"
    assert opened.left(prepared.session) == []
    again = opened.repository.accept_backup(prepared.session, 1, b"")
    assert again is not None
    assert replace(again, warnings=done.warnings, compared_everything=done.compared_everything) == done
    (listed,) = opened.repository.points(TENANT)
    assert (listed["id"], listed["created"]) == (done.point, done.created)
    volumes, configuration = opened.repository.point_volumes(done.point, TENANT)
    assert configuration == CONFIGURATION
    assert volumes[0].source["snapshot"] == "snap-0"


def test_a_worker_is_told_the_snapshots_of_the_newest_point_alone(opened):
    for bases in ((), ("snap-0",), ("snap-1",)):
        prepared = opened.prepare()
        assert prepared.base_snapshots == bases
        opened.work(prepared)
        assert opened.repository.accept_backup(prepared.session, 1, CONFIGURATION) is not None


@pytest.mark.parametrize("has_result", [False, True])
def test_what_was_given_up_becomes_no_point(opened, has_result):
    prepared = opened.prepare()
    if has_result:
        opened.work(prepared)
    for _ in range(2):
        assert opened.repository.abandon(prepared.session) is None
    assert opened.left(prepared.session) == []
    assert opened.repository.accept_backup(prepared.session, 1, CONFIGURATION) is None
    assert opened.repository.points(TENANT) == []


def test_a_session_that_was_never_opened_is_given_up_like_any_other(opened):
    assert opened.repository.abandon(opened.repository.new_session()) is None


def test_a_point_that_was_deleted_is_none(opened):
    prepared = opened.prepare()
    opened.work(prepared)
    done = opened.repository.accept_backup(prepared.session, 1, CONFIGURATION)
    assert done is not None
    opened.repository.retire(done.point, TENANT)
    assert opened.repository.abandon(prepared.session) is None
    assert opened.repository.points(TENANT) == []


def test_a_point_is_verified_and_the_next_backup_leaves_alone_what_was_found(opened):
    prepared = opened.prepare()
    opened.work(prepared)
    done = opened.repository.accept_backup(prepared.session, 1, CONFIGURATION)
    reader = opened.repository.new_session()
    opened.repository.prepare_verification(reader, 1, done.point, TENANT)
    assert not opened.repository.has_result(reader, 1)
    assert opened.repository.verified(reader, 1, done.point, TENANT) is None
    (pack,) = [info.key for info in opened.inner.store.list("packs/") if is_data(opened.inner, info.key)]
    opened.inner.store.delete(pack)
    worker(
        opened.inner.store,
        PreparedVerification(opened.inner, verify_task(ordered(opened.inner, bytes.fromhex(reader), 1)), True),
    )
    assert opened.repository.has_result(reader, 1)
    found = opened.repository.verified(reader, 1, done.point, TENANT)
    assert found == Verified(0, 0, 0, (DamagedObject(pack, found.damage[0].why, ("/dev/xvda",)),), 0)
    opened.repository.end_reading(reader)
    assert opened.left(reader) == []
    packs = frozenset({pack.rpartition("/")[2]})
    again = opened.repository.prepare_backup(
        opened.repository.new_session(), 1, TENANT, WORKLOAD, [opened.source()], "default", None, packs
    )
    task = ordered_task(opened.inner, bytes.fromhex(again.session), 1)
    assert [one.parent for one in task.volumes] == [None]
    assert task.terms.condemned == set(map(bytes.fromhex, packs))


def is_data(repository, key):
    return not read_header(repository.store.get(key), key).holds_maps


def test_what_an_immutable_repository_promised_of_a_point_and_no_more():
    site = Site()
    now = site.clock()
    point = site.back_up(b"precious").hex()
    opened = DelegatedRepository(site.open(), "s3://bucket")
    assert opened.promises(point, DEFAULT_TENANT, now + KEEP)
    assert not opened.promises(point, DEFAULT_TENANT, now + KEEP + timedelta(seconds=1))
    other = site.back_up(b"precious", keep=None).hex()
    assert not DelegatedRepository(site.open(), "s3://bucket").promises(other, DEFAULT_TENANT, now)


def test_a_repository_that_promises_nothing_breaks_no_promise():
    opened = Opened()
    prepared = opened.prepare()
    opened.work(prepared)
    opened.repository.accept_backup(prepared.session, 1, CONFIGURATION)
    assert opened.repository.promises(prepared.session, TENANT, opened.inner.now() + timedelta(days=9999))


def test_a_backup_says_that_nobody_renews_the_locks():
    site, disks = Site(), Disks()
    site.back_up(b"precious")
    source = SourceVolume("/dev/xvda", disks.snapshot("snap-0", b"content" * 1000))

    def alarms():
        opened = DelegatedRepository(site.open(), "s3://bucket")
        return opened.prepare_backup(opened.new_session(), 1, TENANT, WORKLOAD, [source], "default").alarms

    assert alarms() == ()
    site.later(7.1)
    (said,) = alarms()
    assert "begin to end on 2026-01-11" in said
    assert "holdfast session list" in said
    site.renew()
    assert alarms() == ()


def test_where_nothing_is_kept_yet_no_lock_ends():
    site, disks = Site(), Disks()
    site.later(8)
    source = SourceVolume("/dev/xvda", disks.snapshot("snap-0", b"content" * 1000))
    opened = DelegatedRepository(site.open(), "s3://bucket")
    prepared = opened.prepare_backup(opened.new_session(), 1, TENANT, WORKLOAD, [source], "default")
    assert prepared.alarms == ()
