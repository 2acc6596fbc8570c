"""Restores from an archive on the simulated cloud: retrieved first, for hours, and kept until they were read."""

from datetime import timedelta

import pytest

from holdfast.appliance.sessions.lanes import Limits
from holdfast.domain.archive import Tier
from holdfast.domain.errors import NeedsRetrievalError, PermissionDeniedError, UnavailableError, UsageError
from holdfast.domain.policy import ArchiveTarget, MonthlyTier
from holdfast.domain.restore import InstanceRestore, VolumeRestore
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.domain.session import State
from holdfast.testing.memory_engine import MachineDiedError
from holdfast.testing.simulated_site import SimulatedSite
from tests.simulation.reading import log, points, snapshots, tasks

BULK = RetrievalOrder(Tier.BULK)
HOUR_SECONDS = 3600.0


def archived(site):
    """An instance with a point in the archive `cold`, which its policy made there."""
    site.instance = site.cloud.add_instance("web-1")
    site.archive = site.add_archive()
    site.policy(archive=ArchiveTarget("cold", MonthlyTier(keep=2, on_day=1, at="12:00")))
    for targets in ((), ("archive",)):
        assert site.run_policy("web", *targets).state == State.SUCCEEDED
    (site.point,) = (one.id for one in points(site, "archive"))
    site.cold = site.archive.cold
    site.launches_before = site.cloud.worker_world.launches
    site.snapshots_before = snapshots(site)
    return site


@pytest.fixture
def site():
    """What is cold takes two hours, which are simulated sooner than two days."""
    site = archived(SimulatedSite())
    site.cold.takes = timedelta(hours=2)
    return site


def plan(site, order):
    return site.run(lambda appliance: appliance.service.plan_restore(order))


def restore(site, order, meanwhile=None):
    async def act(appliance):
        opened = appliance.service.start_restore(order)
        if meanwhile is not None:
            await meanwhile(appliance, opened)
        return opened

    return site.records.sessions.get(site.run(act).id)


def volumes(site):
    return [one for one in site.cloud.objects.values() if one.kind == "volume"]


def launched(site):
    return site.cloud.worker_world.launches - site.launches_before


def assert_clean(site):
    assert site.archive.pins == {}
    assert snapshots(site) == site.snapshots_before
    assert site.cloud.count("instance", "role", "queue") == 0


def test_a_plan_says_what_is_needed_and_asks_for_nothing(site):
    whole = plan(site, InstanceRestore(site.point))
    assert (whole.retrieval.storage_class, whole.retrieval.archived_packs) == ("DEEP_ARCHIVE", 2)
    assert [(offer.tier, offer.takes) for offer in whole.retrieval.offers] == [
        ("standard", "within 12 hours"),
        ("bulk", "within 48 hours"),
    ]
    assert whole.retrieval.retrieval_days == 3
    one = plan(site, VolumeRestore(site.point, ("/dev/sdf",), retrieval=RetrievalOrder(Tier.BULK, 10)))
    assert (one.retrieval.archived_packs, one.retrieval.retrieval_days) == (1, 10)
    assert one.retrieval.offers[0].usd < whole.retrieval.offers[0].usd
    assert site.cold.billed == []


def test_nothing_is_spent_that_nobody_said(site):
    with pytest.raises(NeedsRetrievalError) as refused:
        restore(site, VolumeRestore(site.point))
    assert "--retrieval-tier standard|bulk" in refused.value.cure
    assert site.cold.billed == []
    assert_clean(site)


def test_a_retrieval_that_there_is_not(site):
    with pytest.raises(UsageError, match="no expedited retrieval") as refused:
        plan(site, VolumeRestore(site.point, retrieval=RetrievalOrder(Tier.EXPEDITED)))
    assert "standard or bulk" in refused.value.cure
    for days in (0, 366):
        with pytest.raises(UsageError, match=f"for {days} days"):
            restore(site, VolumeRestore(site.point, retrieval=RetrievalOrder(Tier.BULK, days)))
    for kind in ("snapshot", "image-backup"):
        warm = points(site, kind)[-1].id
        with pytest.raises(UsageError, match="needs no retrieval"):
            plan(site, VolumeRestore(warm, retrieval=BULK))
        assert plan(site, VolumeRestore(warm)).retrieval is None
    assert site.cold.billed == []


@pytest.mark.parametrize("mode", ["ec2", "local"])
def test_no_worker_is_launched_before_the_data_is_back(site, mode):
    asked_at, site.cold.takes = site.loop.now(), None

    async def watch(appliance, opened):
        await appliance.surface.surroundings.sleep(47 * HOUR_SECONDS)
        (task,) = site.records.sessions.tasks(opened.id)
        assert task.stage == "retrieving: 0 of 2 packs can be read"
        assert (task.progress.done_bytes, task.progress.total_bytes) == (0, 128 * 1024**2)
        assert site.archive.pins
        assert launched(site) == 0
        assert site.local_runs == []

    session = restore(site, VolumeRestore(site.point, worker_mode=mode, retrieval=BULK), watch)
    assert session.state == State.SUCCEEDED, tasks(site, session)
    (task,) = tasks(site, session)
    assert task.result["volumes"]
    assert len(volumes(site)) == 2
    assert timedelta(hours=48) < session.ended_at - asked_at < timedelta(hours=48, minutes=20)
    assert sorted(pack for pack, _ in site.cold.billed) == [f"{site.point}/{one}" for one in ("/dev/sdf", "/dev/xvda")]
    (back,) = (line for line in log(site, session) if "the data is back" in line)
    assert "2 packs from DEEP_ARCHIVE" in back
    assert (("local restores", "") in site.last.engine.peak) == (mode == "local")
    assert_clean(site)


def test_what_is_back_already_is_restored_without_a_tier(site):
    assert restore(site, VolumeRestore(site.point, retrieval=BULK)).state == State.SUCCEEDED
    billed = list(site.cold.billed)
    session = restore(site, VolumeRestore(site.point))
    assert session.state == State.SUCCEEDED
    assert not any("retrieving" in line for line in log(site, session))
    assert restore(site, VolumeRestore(site.point, retrieval=BULK)).state == State.SUCCEEDED
    assert site.cold.billed == billed


def test_what_goes_within_hours_is_restored_only_by_who_lets_it_be_kept(site):
    assert restore(site, VolumeRestore(site.point, retrieval=BULK)).state == State.SUCCEEDED
    until = plan(site, VolumeRestore(site.point)).retrieval.readable_until
    site.wait((until - site.loop.now()).total_seconds() - 2 * HOUR_SECONDS)
    with pytest.raises(NeedsRetrievalError, match="cannot be read for long") as refused:
        restore(site, VolumeRestore(site.point))
    assert "--retrieval-tier" in refused.value.cure
    assert restore(site, VolumeRestore(site.point, retrieval=BULK)).state == State.SUCCEEDED
    assert plan(site, VolumeRestore(site.point)).retrieval.readable_until > until
    assert_clean(site)


def test_cancelled_while_it_waits_it_leaves_nothing(site):
    async def cancel(appliance, opened):
        await appliance.surface.surroundings.sleep(HOUR_SECONDS)
        appliance.service.cancel_session(opened.id)

    session = restore(site, VolumeRestore(site.point, retrieval=BULK), cancel)
    assert session.state == State.CANCELLED
    assert session.ended_at - session.created_at < timedelta(hours=1, minutes=1)
    assert launched(site) == 0
    assert volumes(site) == []
    assert_clean(site)


def test_cancelled_before_its_turn_it_leaves_nothing(site):
    site.limits = Limits(restores=0)
    site.cold.takes = timedelta(minutes=1)

    async def cancel(appliance, opened):
        await appliance.surface.surroundings.sleep(HOUR_SECONDS)
        (task,) = site.records.sessions.tasks(opened.id)
        assert "turn" in task.stage
        appliance.service.cancel_session(opened.id)

    session = restore(site, VolumeRestore(site.point, retrieval=BULK), cancel)
    assert session.state == State.CANCELLED
    assert [task.state for task in tasks(site, session)] == [State.CANCELLED]
    assert_clean(site)


def test_no_other_restore_waits_for_what_is_cold(site):
    site.limits = Limits(restores=1, restores_in_region=1)

    async def another(appliance, opened):
        await appliance.surface.surroundings.sleep(HOUR_SECONDS)
        other = appliance.service.start_restore(VolumeRestore(points(site, "snapshot")[-1].id))
        await appliance.surface.surroundings.sleep(HOUR_SECONDS)
        assert site.records.sessions.get(other.id).state == State.SUCCEEDED

    assert restore(site, VolumeRestore(site.point, retrieval=BULK), another).state == State.SUCCEEDED


def test_copies_are_kept_as_long_as_the_restore_lasts(site):
    site.cold.takes = timedelta(minutes=1)
    site.cloud.worker_world.work_seconds = 600.0

    async def grow_old(appliance, opened):
        while not launched(site):
            await appliance.surface.surroundings.sleep(1)
        site.cold.let_pass(timedelta(days=3, hours=10))

    session = restore(site, VolumeRestore(site.point, retrieval=BULK), grow_old)
    assert session.state == State.SUCCEEDED, log(site, session)
    assert [order.kept_days for _, order in site.cold.billed] == [3, 3, 1, 1]


def test_copies_that_nobody_kept_fail_the_restore_which_is_ordered_again(site):
    """As when the appliance was down for days."""
    site.cloud.worker_world.work_seconds = 600.0

    async def lose(appliance, opened):
        while not launched(site):
            await appliance.surface.surroundings.sleep(1)
        site.cold.let_pass(timedelta(days=5))

    session = restore(site, VolumeRestore(site.point, retrieval=BULK), lose)
    assert session.state == State.FAILED
    assert [task.error.code for task in tasks(site, session) if task.error] == ["needs-retrieval"]
    assert volumes(site) == []
    assert_clean(site)
    assert restore(site, VolumeRestore(site.point, retrieval=BULK)).state == State.SUCCEEDED


def test_a_store_that_is_out_of_reach_for_a_while_is_waited_for(site):
    away = UnavailableError("S3 does not answer", why="the network is down", cure="wait")

    async def cut_off(appliance, opened):
        await appliance.surface.surroundings.sleep(HOUR_SECONDS)
        site.archive.fail_next = [away] * 10

    session = restore(site, VolumeRestore(site.point, retrieval=BULK), cut_off)
    assert session.state == State.SUCCEEDED
    assert any("cannot ask for what is cold now" in line for line in log(site, session))

    async def cut_off_for_good(appliance, opened):
        await appliance.surface.surroundings.sleep(60)
        site.archive.fail_next = [away] * 10_000

    site.wait(30 * 24 * HOUR_SECONDS)
    session = restore(site, VolumeRestore(site.point, retrieval=BULK), cut_off_for_good)
    assert session.state == State.FAILED
    assert [task.error.code for task in tasks(site, session) if task.error] == ["unavailable"]


def test_who_may_not_ask_is_told_which_option_lets_him(site):
    async def deny(appliance, opened):
        site.archive.fail_next = [PermissionDeniedError("s3:RestoreObject was refused", why="AccessDenied", cure="ask")]

    session = restore(site, VolumeRestore(site.point, retrieval=BULK), deny)
    assert session.state == State.FAILED
    (error,) = [task.error for task in tasks(site, session) if task.error]
    assert (error.code, "?archive" in error.cure) == ("permission-denied", True)
    assert_clean(site)


def test_a_point_that_is_deleted_meanwhile_is_not_waited_for(site):
    async def delete(appliance, opened):
        await appliance.surface.surroundings.sleep(HOUR_SECONDS)
        appliance.service.delete_point(site.point)

    session = restore(site, VolumeRestore(site.point, retrieval=BULK), delete)
    assert session.state == State.FAILED
    assert [task.error.code for task in tasks(site, session) if task.error] == ["not-found"]
    assert launched(site) == 0


# ------------------------------------------------------------------------------------------------------------ crashes


def quick():
    site = archived(SimulatedSite())
    site.cold.takes = timedelta(seconds=20)
    site.cloud.snapshot_seconds = 1.0
    site.cloud.worker_world.boot_seconds = site.cloud.worker_world.work_seconds = 2.0
    return site


def begin(site, boundary=None):
    order = InstanceRestore(site.point, retrieval=BULK, replace=True)
    site.run(lambda appliance: appliance.service.start_restore(order), boundary)


def boundaries():
    site = quick()
    begin(site)
    return site.last.engine.boundaries


@pytest.mark.parametrize("number", range(1, boundaries() + 1))
def test_it_survives_death_at_any_boundary_and_pays_once(number):
    site = quick()

    def die(count, what):
        if count == number:
            raise MachineDiedError(what)

    begin(site, die)
    assert site.last.engine.dead
    site.run(lambda appliance: appliance.recovery.sweep())
    assert not site.last.engine.failures
    site.wait(2 * HOUR_SECONDS)
    site.run(lambda appliance: appliance.reaper.reap())
    session = site.records.sessions.page(before=None, limit=1)[0]
    assert session.state == State.SUCCEEDED, (session, tasks(site, session))
    assert len(site.cold.billed) == len(volumes(site)) == 2
    assert launched(site) == 1
    assert_clean(site)


def test_a_point_that_a_person_deletes_meanwhile_is_unpinned(site):
    async def meanwhile(appliance, opened):
        await appliance.surface.surroundings.sleep(60)
        assert site.archive.pins
        appliance.service.delete_point(site.point)

    assert restore(site, VolumeRestore(site.point, retrieval=BULK), meanwhile).state == State.FAILED
    assert site.archive.pins == {}
