"""The machine dies at every boundary of a step and around every change in the cloud: nothing is lost or left."""

from collections.abc import Callable

import pytest

from holdfast.appliance.backups.backup_task import BackupTask
from holdfast.appliance.backups.policy_run import PolicyRun
from holdfast.domain.policy import (
    ArchiveTarget,
    BackupTarget,
    MonthlyTier,
    Retention,
    Schedule,
    SnapshotTarget,
    WorkerChoice,
    WorkerMode,
)
from holdfast.domain.restore import InstanceRestore, NewPlace, Place, VolumeRestore
from holdfast.domain.session import State
from holdfast.testing.memory_engine import MachineDiedError
from holdfast.testing.simulated_site import SimulatedSite
from tests.simulation.reading import assert_nothing_left, points, tasks
from tests.simulation.upkeep import sweep, tick

Arrange = Callable[[SimulatedSite], None]


def dying_at(number: int) -> Callable[[int, str], None]:
    def boundary(count: int, what: str) -> None:
        if count == number:
            raise MachineDiedError(what)

    return boundary


def quickly(site: SimulatedSite) -> None:
    """Waiting is not what is tested here."""
    site.cloud.snapshot_seconds = 1.0
    site.cloud.worker_world.boot_seconds = site.cloud.worker_world.work_seconds = 2.0


def backed_up_before(site: SimulatedSite) -> None:
    quickly(site)
    for number in range(2):
        site.cloud.add_instance(f"web-{number}")
    site.policy(snapshot=SnapshotTarget(keep=1))
    for _ in range(2):
        assert site.run_policy().state == State.SUCCEEDED
        site.wait(3600)


def recover(site: SimulatedSite) -> None:
    """Start again, as often as it takes; then let the reaper look, when it may."""
    site.run(lambda appliance: appliance.recovery.sweep())
    assert not site.last.engine.failures
    site.wait(7200)
    site.run(lambda appliance: appliance.reaper.reap())


def boundaries_of(arrange: Arrange, act: Callable[[SimulatedSite, Callable[[int, str], None] | None], object]) -> int:
    site = SimulatedSite()
    arrange(site)
    act(site, None)
    return site.last.engine.boundaries


def run_policy(site: SimulatedSite, boundary: Callable[[int, str], None] | None) -> object:
    return site.run(lambda appliance: appliance.service.run_policy("web", ()), boundary)


def assert_consistent(site: SimulatedSite) -> None:
    session = site.records.sessions.page(before=None, limit=1)[0]
    assert session.state == State.SUCCEEDED, (session, tasks(site, session))
    assert_nothing_left(site)


def on_a_day_of_its_own(site: SimulatedSite) -> None:
    """It is 10:31 on the 2nd; the schedule was never."""
    quickly(site)
    site.cloud.add_instance("web-1")
    retention = Retention(keep=2, monthly=MonthlyTier(months=12, on_day=2, at="10:30"))
    site.policy(snapshot=None, backup=BackupTarget("vault", retention, Schedule("0 8 1 1 *")))
    site.wait(91 * 60)


def a_day_later(site: SimulatedSite) -> None:
    on_a_day_of_its_own(site)
    tick(site, None)
    site.wait(24 * 3600)


@pytest.mark.parametrize("number", range(1, boundaries_of(on_a_day_of_its_own, tick) + 1))
def test_a_backup_beside_the_schedule_survives_death_at_any_boundary(number):
    site = SimulatedSite()
    on_a_day_of_its_own(site)
    tick(site, dying_at(number))
    assert site.last.engine.dead
    recover(site)
    tick(site, None)
    assert_consistent(site)
    (temporary,), (monthly,) = points(site, "snapshot"), points(site, "image-backup")
    assert (temporary.flags, monthly.flags) == (("T",), ("M",))
    assert temporary.keep_until is not None


@pytest.mark.parametrize("number", range(1, boundaries_of(a_day_later, sweep) + 1))
def test_letting_a_point_go_survives_death_at_any_boundary(number):
    site = SimulatedSite()
    a_day_later(site)
    sweep(site, dying_at(number))
    assert site.last.engine.dead
    recover(site)
    sweep(site, None)
    assert_consistent(site)
    assert [point.flags for point in points(site)] == [("M",)]


def to_be_archived(site: SimulatedSite) -> None:
    """One of two instances has an archive already."""
    quickly(site)
    site.add_archive()
    target = ArchiveTarget("cold", monthly=MonthlyTier(months=12, on_day=2, at="12:00"))
    site.policy(snapshot=None, backup=BackupTarget("vault", Retention(2), Schedule("0 12 * * *")), archive=target)
    site.cloud.add_instance("web-1")
    site.run_policy("web", "backup")
    archive_it(site, None)
    site.cloud.add_instance("web-2")
    site.run_policy("web", "backup")


def archive_it(site: SimulatedSite, boundary: Callable[[int, str], None] | None) -> object:
    return site.run(lambda appliance: appliance.service.run_policy("web", ("archive",)), boundary)


ARCHIVE_BOUNDARIES = boundaries_of(to_be_archived, archive_it)


@pytest.mark.parametrize("number", range(1, ARCHIVE_BOUNDARIES + 1))
def test_an_archive_survives_death_at_any_boundary(number):
    site = SimulatedSite()
    to_be_archived(site)
    before = len(points(site, "archive"))
    archive_it(site, dying_at(number))
    assert site.last.engine.dead
    recover(site)
    assert_consistent(site)
    newest = {one.workload.id: one.id for one in points(site, "image-backup")}
    copied = {one.workload.id: one.copy_of for one in points(site, "archive")}
    assert copied == newest
    assert len(points(site, "archive")) == before + len(newest)


BACKUP_BOUNDARIES = boundaries_of(backed_up_before, run_policy)


@pytest.mark.parametrize("number", range(1, BACKUP_BOUNDARIES + 1))
def test_a_backup_survives_death_at_any_boundary(number):
    site = SimulatedSite()
    backed_up_before(site)
    launches = site.cloud.worker_world.launches
    run_policy(site, dying_at(number))
    assert site.last.engine.dead
    recover(site)
    assert_consistent(site)
    assert len(points(site, "snapshot")) == 2, "one of each instance: the older ones are gone"
    assert len(points(site, "image-backup")) == 4
    assert site.cloud.worker_world.launches - launches == 2, "no worker twice"


class Calls:
    """Counts changes in the cloud, and dies at one of them."""

    def __init__(self, at: int = 0) -> None:
        self.count = 0
        self.at = at

    def __call__(self, what: str) -> None:
        self.count += 1
        if self.count == self.at:
            raise MachineDiedError(what)


def cloud_calls() -> int:
    site = SimulatedSite()
    backed_up_before(site)
    site.cloud.on_call = calls = Calls()
    run_policy(site, None)
    return calls.count


@pytest.mark.parametrize("number", range(1, cloud_calls() + 1))
def test_a_backup_survives_death_around_any_change_in_the_cloud(number):
    site = SimulatedSite()
    backed_up_before(site)
    site.cloud.on_call = Calls(number)
    run_policy(site, None)
    assert site.last.engine.dead
    recover(site)
    assert_consistent(site)
    assert len(points(site, "image-backup")) == 4


@pytest.mark.parametrize("seed", range(20))
def test_a_backup_survives_many_deaths(seed):
    site = SimulatedSite()
    backed_up_before(site)
    run_policy(site, dying_at(1 + seed))
    for round_number in range(6):
        site.run(lambda appliance: appliance.recovery.sweep(), dying_at(2 + (seed * 7 + round_number * 5) % 23))
    recover(site)
    assert_consistent(site)


def local_before(site: SimulatedSite) -> None:
    quickly(site)
    site.cloud.add_instance("web-1")
    site.policy(worker=WorkerChoice(mode=WorkerMode.LOCAL))


LOCAL_BOUNDARIES = boundaries_of(local_before, run_policy)


@pytest.mark.parametrize("number", range(1, LOCAL_BOUNDARIES + 1))
def test_a_local_backup_survives_death_at_any_boundary(number):
    site = SimulatedSite()
    local_before(site)
    run_policy(site, dying_at(number))
    recover(site)
    assert_consistent(site)
    assert len(points(site)) == 2


def restore_volumes(site: SimulatedSite, boundary: Callable[[int, str], None] | None) -> object:
    newest = points(site, "image-backup")[-1]
    return site.run(lambda appliance: appliance.service.start_restore(VolumeRestore(newest.id)), boundary)


def restore_instance(site: SimulatedSite, boundary: Callable[[int, str], None] | None) -> object:
    newest = points(site, "image-backup")[-1]
    order = InstanceRestore(newest.id, place=Place.NEW, new=NewPlace(name="again"))
    return site.run(lambda appliance: appliance.service.start_restore(order), boundary)


def restore_in_place(site: SimulatedSite, boundary: Callable[[int, str], None] | None) -> object:
    newest = points(site, "snapshot")[-1]
    order = InstanceRestore(newest.id, replace=True)
    return site.run(lambda appliance: appliance.service.start_restore(order), boundary)


RESTORES = [restore_volumes, restore_instance, restore_in_place]


@pytest.mark.parametrize(
    ("restore", "number"),
    [(one, number) for one in RESTORES for number in range(1, boundaries_of(backed_up_before, one) + 1)],
)
def test_a_restore_survives_death_at_any_boundary(restore, number):
    site = SimulatedSite()
    backed_up_before(site)
    restore(site, dying_at(number))
    recover(site)
    session = site.records.sessions.page(before=None, limit=1)[0]
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert site.cloud.count("volume") == 2
    assert site.cloud.count("instance") == (1 if restore is restore_instance else 0)
    assert "running" in set(site.cloud.states.values())
    assert "stopped" not in set(site.cloud.states.values())
    assert site.cloud.kept == {}
    for one in list(site.cloud.objects.values()):
        if one.owner.purpose == "restored":
            site.cloud.delete(one.id)
    assert_nothing_left(site)


def verify(site: SimulatedSite, boundary: Callable[[int, str], None] | None) -> object:
    newest = points(site, "image-backup")[-1]
    return site.run(lambda appliance: appliance.service.verify_point(newest.id), boundary)


@pytest.mark.parametrize("number", range(1, boundaries_of(backed_up_before, verify) + 1))
def test_a_verification_survives_death_at_any_boundary(number):
    site = SimulatedSite()
    backed_up_before(site)
    launches = site.cloud.worker_world.launches
    verify(site, dying_at(number))
    assert site.last.engine.dead
    recover(site)
    assert_consistent(site)
    assert points(site, "image-backup")[-1].verification is not None
    assert site.cloud.worker_world.launches - launches == 1, "no worker twice"


def test_a_session_that_was_opened_and_never_started_is_started():
    site = SimulatedSite()
    backed_up_before(site)

    def open_only(appliance):
        policy = site.records.policies.get("web").policy
        appliance.surface.engine().start = lambda *arguments: None
        return appliance.service.start_run("ab" * 16, policy, ("snapshot",))

    opened = site.run(open_only)
    assert site.records.sessions.get(opened.id).state == State.QUEUED
    recover(site)
    assert_consistent(site)


def defect(*_words):
    raise ZeroDivisionError


def test_a_session_whose_workflow_broke_off_ends_and_says_so(monkeypatch):
    site = SimulatedSite()
    backed_up_before(site)
    with monkeypatch.context() as broken:
        broken.setattr(PolicyRun, "retain", defect)
        opened = site.run(lambda appliance: appliance.service.run_policy("web", ()))
    assert [type(one) for one in site.last.engine.failures] == [ZeroDivisionError]
    site.run(lambda appliance: appliance.recovery.sweep())
    session = site.records.sessions.get(opened.id)
    assert session.state == State.FAILED
    assert session.error is not None
    assert "broken off" in session.error.what


def test_a_task_whose_workflow_broke_off_gives_its_turn_back_and_ends(monkeypatch):
    site = SimulatedSite()
    backed_up_before(site)
    with monkeypatch.context() as broken:
        broken.setattr(BackupTask, "record_snapshots", defect)
        opened = site.run(lambda appliance: appliance.service.run_policy("web", ()))
    session = site.records.sessions.get(opened.id)
    assert session.state == State.FAILED
    assert session.counts == {"failed": 2}
    assert all(task.error and "broken off" in task.error.what for task in tasks(site, session))
    assert {type(one) for one in site.last.engine.failures} == {ZeroDivisionError}
    site.wait(7200)
    site.run(lambda appliance: appliance.reaper.reap())
    assert_nothing_left(site)
