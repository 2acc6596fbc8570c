"""Who has a past epoch's master key and may write forges every kind of object, in every place: nobody believes it.

The table in docs/threat-model.md has a row for each kind; the tests here have its names.
"""

import dataclasses
from datetime import timedelta

import numpy as np
import pytest

from holdfast.domain.errors import ConflictError, FormatError, IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.delegation.backup_side import first_task
from holdfast.repository.delegation.orders import marked, order
from holdfast.repository.delegation.task_form import encode_task
from holdfast.repository.delegation.tasks import TenantPart, VolumeOrder
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import names, session_checkpoint
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.ledger import LedgerState
from holdfast.repository.format.plan import NO_PLAN, Plan
from holdfast.repository.format.session_checkpoint import SessionCheckpoint, VolumeBlocks
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.epochs import KeyEpochs, Unlocked
from holdfast.repository.opening.plans import newest_plan, plan_to_write_under, publish
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import end_session, open_session, retire
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.collection.fence import knows
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.unfinished import marked as checkpoints_marked
from holdfast.repository.writing.unfinished import read_checkpoint
from holdfast.testing.deterministic_surroundings import FIRST_MOMENT, SteppableClock, deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore, SimulatedCrash
from holdfast.testing.small_repository import make_small_repository, put, restored
from tests.faults.immutable_site import Site as ImmutableSite
from tests.faults.thief import END_OF_TIME, TIME, Thief, misleading, without
from tests.faults.world import DISK, FIRST, SECOND, back_up, collect, pattern, volume_of

OTHER = volume_of(7, 8)


class Site:
    """Two points and a plan under the first key, which a thief has; a point under the second."""

    def __init__(self, *, rotated=True):
        self.small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
        self.seed = 1
        self.contents: dict[bytes, bytes] = {}
        self.back_up(DISK, FIRST)
        retire(self.open(), self.back_up("gone", volume_of(9)), self.newest("gone").key)
        del self.contents[next(reversed(self.contents))]
        self.back_up("other", OTHER)
        collect(self.open())
        self.thief = Thief(self.open())
        if rotated:
            rotate(self.open(), self.small.secret)

    @property
    def store(self):
        return self.small.store

    def open(self, store=None):
        self.seed += 1
        return self.small.open(deterministic_surroundings(self.seed), store)

    def back_up(self, workload, volume):
        made = back_up(self.open(), workload, volume, "s").finished.manifest
        self.contents[made.session] = volume.content
        return made.session

    def newest(self, workload):
        return [point for point in list_points(self.open()) if point.workload == workload][-1]

    def all_is_there(self):
        repository = self.open()
        assert {point.session: restored(repository, point) for point in list_points(repository)} == self.contents

    def named(self):
        return {damage.object for damage in check_repository(self.open(), 100, Silence()).damage}

    def goes_on(self):
        """Backups, a deletion, collections; and then everything is there."""
        self.back_up(DISK, SECOND)
        point = self.newest("other")
        retire(self.open(), point.session, point.key)
        del self.contents[point.session]
        self.back_up("third", OTHER)
        collect(self.open())
        collect(self.open())
        self.all_is_there()


@pytest.fixture
def site():
    return Site()


def test_without_a_thief_all_goes_on(site):
    before = {info.key for info in site.store.list(names.PACKS)}
    site.back_up("again", FIRST)
    assert {info.key for info in site.store.list(names.PACKS)} == before  # deduplication goes on across the rotation
    assert site.named() == set()
    site.goes_on()
    assert site.named() == set()


@pytest.mark.parametrize("where", ["before", "first", "next", "last"])
def test_ledger_checkpoint(site, where):
    """One that hides a point, and says its key epoch's best: at the sequence of a batch that stands, or of none."""
    state = site.open().ledger.state
    [first] = [int(info.key[-20:]) for info in site.store.list(names.CHECKPOINTS)]
    sequence = {"before": first - 1, "first": first, "next": state.sequence, "last": END_OF_TIME}[where]
    hidden = next(iter(state.live))
    site.thief.checkpoint(site.store, dataclasses.replace(state, sequence=sequence, live=without(state.live, hidden)))
    assert site.open().ledger.state == state
    site.goes_on()


def test_ledger_checkpoint_of_an_empty_ledger_and_no_other(site):
    """Its own one is gone: then the chain is read from its beginning, up to what the newest key has sealed."""
    before = site.open().ledger.state
    for info in list(site.store.list(names.CHECKPOINTS)):
        site.store.delete(info.key)
    site.thief.checkpoint(site.store, LedgerState(sequence=1, head=bytes(32)))
    assert site.open().ledger.state == before
    site.goes_on()
    assert len(list(site.store.list(names.CHECKPOINTS))) == 2  # who wrote next left a checkpoint again


def test_ledger_batch(site):
    state = site.open().ledger.state
    session, record = next(iter(state.live.items()))
    gone = {"type": "retire", "session": session, "point": record["point"], "time": TIME}
    batch = ledger_form.Batch(state.sequence + 1, state.head, TIME, (gone,))
    key = names.ledger(batch.sequence)
    site.thief.forge(site.store, Kind.LEDGER_BATCH, key, ledger_form.encode_batch(batch))
    repository = site.open()
    assert [error.objects for error in repository.ledger.damage] == [(key,)]
    assert session in repository.ledger.state.live
    with pytest.raises(IntegrityError):
        collect(repository)


@pytest.mark.parametrize("where", ["newest", "next", "far"])
def test_plan(site, where):
    """One that condemns every pack, with survivors that are none: nobody writes under it, nothing is deleted."""
    plan = newest_plan(site.open().sealed)
    epoch = {"newest": plan.epoch, "next": plan.epoch + 1, "far": END_OF_TIME}[where]
    packs = frozenset(bytes.fromhex(info.key[-32:]) for info in site.store.list(names.PACKS))
    forged = Plan(epoch, frozenset(), packs, plan.index_runs, dict.fromkeys(packs, packs))
    before = {info.key for info in site.store.list(names.PACKS)}
    if where == "newest":  # here the store may replace: what stood there is gone, and with it what was condemned
        site.store.delete(names.plan(epoch))
        assert newest_plan(site.open().sealed).epoch == epoch - 1
        return
    key = site.thief.plan(site.store, forged)
    for work in (collect, lambda repository: open_session(repository, "default", "w")):
        with pytest.raises(FormatError) as caught:
            work(site.open())
        assert caught.value.objects == (key,)
    assert {info.key for info in site.store.list(names.PACKS)} == before
    site.all_is_there()
    site.store.delete(key)
    site.goes_on()


def test_index_run_of_a_live_session(site):
    """A further part of what stands, for everybody to build upon: it says that chunks are stored which are nowhere."""
    access = site.open().access()
    ids = sorted(access.keys.chunk_key(CHUNK_TYPE_DATA).of(block) for block in (pattern(3), pattern(4)))
    for session in site.contents:
        true = access.read_index_run(names.index_run(access.keys.tenant, session, 0))
        rows = true.rows[true.rows["type"] == CHUNK_TYPE_DATA][:2].copy()
        rows["id"] = [np.void(one) for one in ids]
        site.thief.run(
            site.store,
            names.index_run(access.keys.tenant, session, 7),
            dataclasses.replace(true, rows=rows, verified=True, plan_epoch=END_OF_TIME),
        )
    site.back_up("again", volume_of(3, 4))
    site.all_is_there()
    site.goes_on()


def test_index_run_in_the_place_of_one_in_force(site):
    """It is damage, as any other bytes there would be; and no backup is built upon it."""
    access, plan = site.open().access(), newest_plan(site.open().sealed)
    forged = {
        site.thief.run(site.store, key, misleading(access.read_index_run(key))) for key in sorted(plan.index_runs)
    }
    assert plan.vouched is not None
    assert forged <= set(plan.vouched)
    site.back_up("again", FIRST)
    site.all_is_there()
    assert forged <= site.named()
    site.goes_on()


def test_index_run_is_not_handed_on_by_a_further_rotation(site):
    """What the epoch before did not vouch for, the next does not either."""
    access, plan = site.open().access(), newest_plan(site.open().sealed)
    forged = {
        site.thief.run(site.store, key, misleading(access.read_index_run(key))) for key in sorted(plan.index_runs)
    }
    added = names.index_run(access.keys.tenant, next(iter(site.contents)), 7)
    site.thief.run(site.store, added, misleading(access.read_index_run(sorted(forged)[0])))
    rotate(site.open(), site.small.secret)
    after = newest_plan(site.open().sealed)
    assert after.kid == 3
    assert plan.vouched is not None
    assert after.vouched is not None
    assert {key: after.vouched[key] for key in forged} == {key: plan.vouched[key] for key in forged}
    assert added not in after.vouched
    site.back_up("again", FIRST)
    site.all_is_there()


def test_retirement(site):
    for point in list_points(site.open()):
        site.thief.retirement(site.store, point.session, point.key)
    site.all_is_there()
    collect(site.open())
    site.all_is_there()
    site.goes_on()  # which deletes a point: the ledger tells, whatever stands under the name


def test_manifest_of_a_live_point(site):
    """Also of a point that was committed when the ledger did not say which manifest is its own."""
    point = site.newest(DISK)
    manifest = load_manifest(site.open(), point)
    holes = tuple(dataclasses.replace(volume, root=None) for volume in manifest.volumes)
    forged = dataclasses.replace(manifest, volumes=holes, packs=(), index_runs=())
    key = site.thief.manifest(site.store, point.key, forged)
    with pytest.raises(FormatError, match="not what the ledger says"):
        load_manifest(site.open(), point)
    assert key in site.named()


@pytest.mark.parametrize("ended_by", ["a person", "a collection a day later"])
@pytest.mark.parametrize("opened", ["before", "after"])
def test_manifest_of_an_open_session(opened, ended_by):
    """It is no point, whenever the session was opened; the session can be ended, and its name says nothing."""
    site = Site(rotated=False)
    repository = site.open()
    if opened == "before":
        session = open_session(repository, "default", DISK)
    rotate(site.open(), site.small.secret)
    if opened == "after":
        session = open_session(repository, "default", DISK)
    parent = load_manifest(site.open(), site.newest(DISK))
    key = site.thief.manifest(site.store, session.point_key, dataclasses.replace(parent, session=session.session))
    site.all_is_there()
    with pytest.raises(FormatError):
        collect(site.open())
    if ended_by == "a person":
        end_session(site.open(), session.session, key)
    else:
        later = SteppableClock(FIRST_MOMENT + timedelta(days=site.seed + 400))
        collect(site.small.open(deterministic_surroundings(0, later)))
    assert session.session not in site.open().ledger.state.open
    site.goes_on()


def test_tombstone_of_a_live_point(site):
    point = site.newest(DISK)
    site.thief.tombstone(site.store, point.key)
    with pytest.raises(FormatError):
        load_manifest(site.open(), point)
    with pytest.raises(FormatError):
        collect(site.open())


def test_tombstone_of_an_open_session(site):
    """It ends the backup, which any object there would."""
    repository = site.open()
    session = open_session(repository, "default", DISK)
    site.thief.tombstone(site.store, session.point_key)
    site.goes_on()
    assert session.session not in site.open().ledger.state.live


@pytest.mark.parametrize("how", ["sealed", "garbage", "later", "of another session"])
def test_acknowledgement(site, how):
    """A collection waits for who has not read the plan, whatever stands under the name that would say so."""
    reader = open_session(site.open(), "default", DISK)
    site.back_up("another", SECOND)
    retire(site.open(), site.newest("another").session, site.newest("another").key)
    del site.contents[next(reversed(site.contents))]
    plan = newest_plan(site.open().sealed)
    following = dataclasses.replace(plan, epoch=plan.epoch + 1)
    assert knows(site.open(), reader.session, plan)
    key = names.acknowledgement(reader.session, following.epoch)
    match how:
        case "sealed":
            site.thief.acknowledgement(site.store, reader.session, following.epoch)
        case "garbage":
            put(site.store, key, b"anything")
        case "later":
            site.thief.acknowledgement(site.store, reader.session, END_OF_TIME)
        case _:
            put(site.store, key, bytes(site.store.get(names.acknowledgement(reader.session, plan.epoch))))
    assert not knows(site.open(), reader.session, following)


def test_config(site):
    """In its place another one is refused; a store that keeps versions still has the true one (test_versions...)."""
    site.thief.config(site.store, name_key=bytes(32))
    with pytest.raises(FormatError) as caught:
        site.open()
    assert caught.value.objects == (names.CONFIG,)


def test_tenant(site):
    key = site.thief.tenant(site.store, "default", id_key=bytes(32))
    with pytest.raises(FormatError) as caught:
        site.open().access()
    assert caught.value.objects == (key,)


def test_tenant_that_is_not_there_yet(site):
    key = site.thief.tenant(site.store, "new", id_key=bytes(32))
    with pytest.raises(FormatError) as caught:
        open_session(site.open(), "new", DISK)
    assert caught.value.objects == (key,)


def test_tenant_that_was_made_while_the_key_was_rotated_counts_once_the_ledger_knows_a_session_of_it():
    site = Site(rotated=False)
    running = site.open()
    rotate(site.open(), site.small.secret)
    session = open_session(running, "new", DISK)
    tenant = site.store.get(names.tenant(session.tenant_id))
    assert read_header(tenant, "").kid == 1
    assert site.open().tenant("new").keys == session.tenant.keys


def test_a_rotation_that_died_is_finished_by_who_writes_next(count_crash_point):
    """Killed at any request: what stood before counts as it did, and after the next backup nothing is believed of the
    thief any more."""
    plain = Site(rotated=False)
    store = FaultyStore(plain.small.copied().store, {})
    rotate(plain.open(store), plain.small.secret)
    for request in store.requests:
        site = Site(rotated=False)
        with pytest.raises(SimulatedCrash):
            rotate(site.open(FaultyStore(site.store, {request.number: Fault.CRASH_BEFORE})), site.small.secret)
        site.all_is_there()
        site.back_up("again", FIRST)
        site.goes_on()
        repository = site.open()
        if repository.master.kid == 2:
            assert newest_plan(repository.sealed).kid == 2
            assert [read_header(site.store.get(info.key), "").kid for info in site.store.list(names.CHECKPOINTS)] == [2]
        assert check_repository(repository, 100, Silence()).damage == ()
        count_crash_point()


def test_a_plan_is_handed_over_once_and_says_the_same():
    site = Site(rotated=False)
    before = newest_plan(site.open().sealed)
    rotate(site.open(), site.small.secret)
    after = newest_plan(site.open().sealed)
    said = dataclasses.replace(after, epoch=before.epoch, kid=1, vouched=None, said_since=None)
    assert said == before
    assert (after.epoch, after.since, after.kid) == (before.epoch + 1, before.epoch, 2)
    assert plan_to_write_under(site.open().sealed) == after
    assert after.vouched is not None
    assert set(after.vouched) == {info.key for info in site.store.list(names.INDEX)}


def test_without_a_plan_one_that_says_nothing_is_handed_over():
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    back_up(small.open(deterministic_surroundings(2)), DISK, FIRST, "s1")
    thief = Thief(small.open(deterministic_surroundings(3)))
    rotate(small.open(deterministic_surroundings(4)), small.secret)
    repository = small.open(deterministic_surroundings(5))
    plan = newest_plan(repository.sealed)
    assert (plan.epoch, plan.since, plan.condemned, plan.live) == (1, 0, frozenset(), NO_PLAN.live)
    assert back_up(repository, "other", FIRST, "o").finished.manifest.statistics
    again = small.open(deterministic_surroundings(6))
    assert [pack for pack in load_manifest(again, list_points(again)[1]).packs if not pack.holds_maps] == []
    assert collect(again).waiting == ()
    thief.plan(small.store, dataclasses.replace(NO_PLAN, epoch=9))
    with pytest.raises(FormatError):
        plan_to_write_under(again.sealed)


def test_a_collector_of_the_past_epoch_is_told(site):
    """It has read the plan before the rotation, and would publish what follows that one."""
    running = Site(rotated=False)
    collector, old = running.open(), newest_plan(running.open().sealed)
    rotate(running.open(), running.small.secret)
    following = dataclasses.replace(old, epoch=old.epoch + 1)
    assert not publish(collector.sealed, following)
    collect(collector)
    running.goes_on()


def test_who_ends_a_session_keeps_a_late_commit_out(site):
    repository = site.open()
    session = open_session(repository, "default", DISK)
    end_session(site.open(), session.session, session.point_key)
    with pytest.raises(ConflictError):
        repository.ledger.append(ending=session.session)
    with pytest.raises(ObjectNotFoundError):
        site.store.get(names.retired(session.session))


def test_task_of_a_session_that_was_opened_since(site):
    """A worker would not open it; and the appliance does not take it for its own."""
    repository = site.open()
    writer = open_session(repository, "default", DISK)
    task = first_task(writer, (VolumeOrder("disk", {}, None, None),), None, CompressionLevel.DEFAULT)
    ring = KeyEpochs(Unlocked(repository.epochs.slot, {1: site.thief.master}), lambda _newest: None).key_ring(
        writer.tenant_id, writer.tenant.keys.id_key
    )
    forged = marked(dataclasses.replace(task, owner=TenantPart.of(ring)), site.thief.master)
    key = names.task(writer.session, 1)
    site.thief.forge(site.store, Kind.TASK, key, encode_task(forged))
    with pytest.raises(FormatError) as caught:
        order(repository, task)
    assert caught.value.objects == (key,)


def test_session_checkpoint():
    """A dead session's word, under the past key, that blocks are zeros: they are read."""
    site = Site(rotated=False)
    dead = open_session(site.open(), "default", DISK)
    rotate(site.open(), site.small.secret)
    said = VolumeBlocks("volume", len(SECOND.content), {"snapshot": "s9"}, (), (0).to_bytes(8, "big") + bytes(51))
    repository = site.open()
    checkpoint = SessionCheckpoint(dead.session, 1, 1, dead.workload_id, (), (said,))
    body = session_checkpoint.encode(checkpoints_marked(checkpoint, site.thief.master))
    key = site.thief.forge(site.store, Kind.SESSION_CHECKPOINT, names.session_checkpoint(dead.session, 1, 1), body)
    with pytest.raises(FormatError) as caught:
        read_checkpoint(repository, dead.session, 1, 1)
    assert caught.value.objects == (key,)


def test_versions_put_over_what_is_locked():
    """In an immutable repository every restore goes on, and every backup: the true version is under the forged one."""
    site = ImmutableSite()
    content = b"first" * 1000
    session = site.back_up(content)
    site.collect()

    def over(_store, key, body):
        site.bucket.put(key, body)

    thief = Thief(site.open(), over)
    rotate(site.open(), site.secret)
    second = site.back_up(b"second" * 1000)
    repository = site.open()
    state, access, plan = repository.ledger.state, repository.access(), newest_plan(repository.sealed)
    thief.config(site.store, name_key=bytes(32))
    thief.tenant(site.store, "default", id_key=bytes(32))
    [summed] = [int(info.key[-20:]) for info in site.store.list(names.CHECKPOINTS)]
    empty = LedgerState(sequence=summed, head=state.head)
    thief.checkpoint(site.store, empty)
    for sequence in range(1, state.sequence + 1):
        batch = ledger_form.Batch(sequence, bytes(32), TIME, ())
        thief.forge(site.store, Kind.LEDGER_BATCH, names.ledger(sequence), ledger_form.encode_batch(batch))
    thief.plan(site.store, dataclasses.replace(plan, condemned=frozenset({bytes(16)}), vouched=None))
    for key in {*plan.index_runs, *(plan.vouched or ())}:
        thief.run(site.store, key, misleading(access.read_index_run(key)))
    for record in state.live.values():
        thief.tombstone(site.store, str(record["point"]))
        thief.retirement(site.store, record["session"], str(record["point"]))
    repository = site.open()
    assert newest_plan(repository.sealed) == plan
    contents = {point.session: restored(repository, point) for point in list_points(repository)}
    assert contents == {session: content, second: b"second" * 1000}
    third = site.back_up(b"third" * 1000)
    site.collect()
    repository = site.open()
    assert {point.session for point in list_points(repository)} == {session, second, third}


def test_what_it_costs():
    """Opening asks for no more than before, and who writes asks for the plan as before."""
    site = Site(rotated=False)

    def requests():
        store = FaultyStore(site.store, {})
        repository = site.open(store)
        opened = len(store.requests)
        plan_to_write_under(repository.sealed)
        return opened, len(store.requests) - opened

    before = requests()
    rotate(site.open(), site.small.secret)
    after = requests()
    assert after[0] <= before[0] + 4  # the new epoch, the next one that is not there, slots of both
    assert after[1] == before[1] == 3
