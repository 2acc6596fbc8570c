"""Runs of policies on the simulated cloud, from snapshot to retention."""

from dataclasses import replace

import pytest

from holdfast.appliance.backups.image_backup import COMPARED
from holdfast.appliance.sessions.waiting import SHOWN_AFTER_SECONDS
from holdfast.domain.errors import (
    ChunksMovedError,
    ConflictError,
    InterruptedByUserError,
    PermissionDeniedError,
    SourceGoneError,
    UnavailableError,
    UsageError,
)
from holdfast.domain.policy import BackupTarget, Exclusion, Retention, Selection, WorkerChoice, WorkerMode
from holdfast.domain.restore_point import PointKind
from holdfast.domain.session import SessionKind, State
from holdfast.testing.simulated_cloud import SimulatedCompute
from holdfast.testing.simulated_site import REGION
from holdfast.testing.simulated_workers import SimulatedEvents, SimulatedWorkers
from tests.simulation.reading import assert_nothing_left, log, points, snapshots, tasks


def test_one_run_makes_both_points_and_leaves_no_worker(site):
    instance = site.cloud.add_instance("web-1")
    site.policy()
    session = site.run_policy()
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert session.counts == {"succeeded": 1}
    assert [point.kind for point in points(site)] == [PointKind.SNAPSHOT, PointKind.IMAGE_BACKUP]
    assert site.cloud.count("snapshot") == 2, "one set serves both points"
    assert_nothing_left(site)
    (task,) = tasks(site, session)
    assert task.workload.id == instance
    stored_bytes = task.result["stored_bytes"]
    assert isinstance(stored_bytes, int)
    assert stored_bytes > 0
    assert task.workers[0].ended_at is not None
    assert any(line.endswith(f"is a c5.large in {REGION}a") for line in log(site, session))
    assert not site.last.engine.failures


def test_what_a_repository_says_of_the_parent_stands_in_the_session(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.repository.warnings = ("point 3fa9 was passed over as the parent: it is damaged",)
    session = site.run_policy()
    assert log(site, session).count(site.repository.warnings[0]) == 1


def test_only_the_snapshots_that_are_needed_stay(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None)
    for _ in range(3):
        session = site.run_policy("web", "backup")
        assert session.state == State.SUCCEEDED
        site.wait(3600)
    backups = points(site)
    assert len(backups) == 2, "the policy keeps two"
    assert [bool(point.snapshots) for point in backups] == [False, True]
    assert len(snapshots(site)) == 2, "the base of the newest alone"
    assert backups[1].parent == backups[0].id
    assert len(site.repository.retired) == 1
    assert_nothing_left(site)


def test_retention_counts_each_kind_and_instance(site):
    site.cloud.add_instance("web-1")
    site.cloud.add_instance("web-2")
    site.policy()
    for _ in range(4):
        site.run_policy()
        site.wait(3600)
    assert len(points(site, "snapshot")) == 4
    assert len(points(site, "image-backup")) == 4
    assert_nothing_left(site)


def test_a_base_that_is_gone_makes_a_warning(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None)
    site.run_policy("web", "backup")
    (first,) = points(site)
    for snapshot in first.snapshots.values():
        site.cloud.delete(snapshot)
    session = site.run_policy("web", "backup")
    assert session.state == State.WARNING
    assert tasks(site, session)[0].warnings == (COMPARED,)
    assert points(site)[1].warnings == (COMPARED,)


def test_volumes_that_are_left_out_are_in_no_snapshot(site):
    instance = site.cloud.add_instance("web-1", volumes=3)
    volumes = site.cloud.instances[instance].volumes
    site.policy(exclude=Exclusion(volumes=(volumes[2].volume_id,), volume_tags={"disk": "1"}))
    session = site.run_policy()
    assert session.state == State.SUCCEEDED
    assert set(points(site)[0].snapshots) == {volumes[0].volume_id}


def test_an_item_that_fails_says_why_and_the_others_go_on(site):
    site.cloud.add_instance("web-1", volumes=1)
    site.cloud.add_instance("web-2", volumes=2)
    site.policy(exclude=Exclusion(root_volumes=True))
    session = site.run_policy()
    assert session.state == State.FAILED
    assert session.counts == {"failed": 1, "succeeded": 1}
    (error,) = [task.error for task in tasks(site, session) if task.error]
    assert error.code == "not-found"
    assert "exclude" in error.cure
    assert_nothing_left(site)


def test_a_policy_that_matches_nothing_fails_and_says_so(site):
    site.policy(select=Selection(tags={"backup": "yes"}))
    session = site.run_policy()
    assert session.state == State.FAILED
    (task,) = tasks(site, session)
    assert task.error is not None
    assert task.error.what == "policy web matches nothing"
    assert task.error.cure


def test_a_manual_snapshot_of_an_unknown_instance_speaks_of_no_policy(site):
    session = site.run(lambda appliance: appliance.service.take_snapshot("main", REGION, "i-0123456789abcdef0"))
    (task,) = tasks(site, session)
    assert task.error is not None
    assert task.error.what == "there is no instance i-0123456789abcdef0"
    assert REGION in task.error.why


def test_an_instance_is_protected_by_one_policy_only(site):
    site.cloud.add_instance("web-1", tags={"tier": "gold"})
    site.cloud.add_instance("web-2")
    site.policy("gold", select=Selection(tags={"tier": "gold"}), priority=1)
    site.policy("rest")
    session = site.run_policy("rest")
    assert session.state == State.WARNING
    told = {task.workload.name: (task.state, task.warnings) for task in tasks(site, session)}
    assert told["web-2"] == (State.SUCCEEDED, ())
    assert told["web-1"][0] == State.WARNING
    assert "gold" in told["web-1"][1][0]
    site.records.policies.enable("gold", False, site.loop.now())
    assert site.run_policy("rest").state == State.SUCCEEDED


def test_a_region_that_refuses_fails_alone(site):
    site.cloud.add_instance("web-1")
    site.cloud.denied.add("ec2:DescribeInstances in us-east-1")
    site.policy(regions=(REGION, "us-east-1"))
    session = site.run_policy()
    assert session.state == State.FAILED
    assert session.counts == {"failed": 1, "succeeded": 1}


def test_mode_local_needs_no_instance(site):
    site.cloud.add_instance("web-1")
    site.policy(worker=WorkerChoice(mode=WorkerMode.LOCAL))
    session = site.run_policy()
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert site.cloud.worker_world.launches == 0
    assert len(site.local_runs) == 1
    assert tasks(site, session)[0].workers[0].mode == "local"
    assert_nothing_left(site)


def test_a_local_worker_that_meets_a_passing_fault_is_replaced_as_another_is(site):
    site.cloud.add_instance("web-1")
    site.policy(worker=WorkerChoice(mode=WorkerMode.LOCAL))
    site.local_failures = [
        ChunksMovedError("chunks were moved", why="a collection did it", cure="none is needed"),
        InterruptedByUserError("interrupted", why="somebody ended the process", cure="none is needed"),
    ]
    session = site.run_policy()
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert [worker.attempt for worker in tasks(site, session)[0].workers] == [1, 2, 3]
    assert_nothing_left(site)


def test_a_local_worker_that_would_fail_again_is_not_replaced(site):
    site.cloud.add_instance("web-1")
    site.policy(worker=WorkerChoice(mode=WorkerMode.LOCAL))
    site.local_failures = [PermissionDeniedError("it is refused", why="a right is missing", cure="give it")]
    session = site.run_policy()
    assert session.state == State.FAILED
    (task,) = tasks(site, session)
    assert task.error is not None
    assert (task.error.code, len(task.workers)) == ("permission-denied", 1)
    assert_nothing_left(site)


def test_a_worker_that_is_lost_is_replaced(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.fate = lambda owner: "dies" if owner.attempt < 3 else "works"
    session = site.run_policy()
    assert session.state == State.SUCCEEDED
    (task,) = tasks(site, session)
    assert [worker.attempt for worker in task.workers] == [1, 2, 3]
    assert site.cloud.worker_world.launches == 3
    assert_nothing_left(site)


def test_three_workers_that_never_boot_fail_with_the_end_of_the_console(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.fate = lambda owner: "never-boots"
    session = site.run_policy()
    (task,) = tasks(site, session)
    assert session.state == State.FAILED
    assert task.error is not None
    assert task.error.code == "worker-lost"
    assert "no route to host" in task.error.why
    assert [point.kind for point in points(site)] == [PointKind.SNAPSHOT], "the snapshot point was made before"
    assert_nothing_left(site)


@pytest.mark.parametrize(
    ("fate", "code", "why", "launches"),
    [("not-launched", "conflict", "client error on launch", 1), ("dies", "worker-lost", "its end: the host failed", 3)],
)
def test_why_aws_ended_a_worker_is_told_at_once_where_another_would_end_so(site, fate, code, why, launches):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.fate = lambda owner: fate
    (task,) = tasks(site, site.run_policy())
    assert task.error is not None
    assert (task.error.code, site.cloud.worker_world.launches) == (code, launches)
    assert why in task.error.why
    assert_nothing_left(site)


@pytest.mark.parametrize("fate", ["mute", "ends-when-asked"])
def test_a_worker_that_is_not_heard_is_believed_by_what_it_left(site, fate):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.fate = lambda owner: fate
    session = site.run_policy()
    assert session.state == State.SUCCEEDED
    assert site.cloud.worker_world.launches == 1
    assert_nothing_left(site)


def test_reports_that_come_twice_count_once(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.fate = lambda owner: "repeats"
    session = site.run_policy()
    assert session.state == State.SUCCEEDED
    assert site.cloud.worker_world.queues[REGION] == {}, "all are stored, and done with"


def test_a_worker_ends_within_thirty_seconds_of_its_last_byte(site):
    site.cloud.add_instance("web-1")
    site.policy()
    session = site.run_policy()
    (worker,) = tasks(site, session)[0].workers
    world = site.cloud.worker_world
    assert worker.started_at is not None
    assert worker.ended_at is not None
    took = (worker.ended_at - worker.started_at).total_seconds()
    assert took - world.boot_seconds - world.work_seconds < 30


def test_a_quota_that_is_reached_is_waited_for(site):
    for number in range(3):
        site.cloud.add_instance(f"web-{number}")
    site.policy()
    site.cloud.worker_world.quota = 1
    session = site.run_policy()
    assert session.state == State.SUCCEEDED
    assert site.cloud.worker_world.peak == 1
    assert any("waiting for room" in line for line in log(site, session))


def test_a_quota_that_is_never_free_fails_and_leaves_nothing(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.quota = 0
    session = site.run_policy()
    (task,) = tasks(site, session)
    assert task.error is not None
    assert task.error.code == "quota-reached"
    assert_nothing_left(site)


def test_a_task_limit_of_a_repository_holds(site):
    for number in range(6):
        site.cloud.add_instance(f"web-{number}")
    site.records.repositories.put(replace(site.records.repositories.get("vault"), task_limit=2), None)
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    assert site.cloud.worker_world.peak == 2
    assert site.last.engine.peak["repository/vault", ""] == 2


def test_a_source_that_goes_away_is_no_reason_for_another_worker(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None)

    def lose_snapshots(owner):
        for snapshot in snapshots(site):
            site.cloud.delete(snapshot)
        return "works"

    site.cloud.worker_world.fate = lose_snapshots
    session = site.run_policy("web", "backup")
    (task,) = tasks(site, session)
    assert task.error is not None
    assert task.error.code == "source-gone"
    assert len(task.workers) == 1
    assert_nothing_left(site)


def test_what_cannot_be_undone_now_is_left_to_the_reaper(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.quota = 0
    site.cloud.denied.add("ec2:DeleteSnapshot")
    session = site.run_policy("web", "backup")
    assert session.state == State.FAILED
    assert any("removed later" in line for line in log(site, session))
    assert len(snapshots(site)) == 2
    site.cloud.denied.clear()
    site.wait(60)
    assert site.run(lambda appliance: appliance.reaper.reap()).removed == [], "a session's own clean-up has its time"
    site.wait(600)
    removed = site.run(lambda appliance: appliance.reaper.reap()).removed
    assert {one.kind for one in removed} == {"snapshot"}
    assert_nothing_left(site)


def test_a_cancelled_session_ends_its_workers_and_removes_what_it_made(site):
    for number in range(12):
        site.cloud.add_instance(f"web-{number}")
    site.policy(snapshot=None)

    async def act(appliance):
        session = appliance.service.run_policy("web", ())
        while site.cloud.worker_world.living() < 8:
            appliance.pump.pump(REGION, 0)
            await appliance.surface.surroundings.sleep(1)
        began = site.loop.time()
        detail = appliance.service.cancel_session(session.id)
        assert detail.session.state == State.CANCELLING
        assert sum(task.state == State.CANCELLED for task in detail.tasks) == 4, "what waited ends at once"
        await appliance.engine.settle()
        assert site.loop.time() - began < 5
        return session

    session = site.run(act)
    ended = site.records.sessions.get(session.id)
    assert ended.state == State.CANCELLED
    assert ended.counts == {"cancelled": 12}
    assert points(site) == []
    assert_nothing_left(site)


def test_stopping_a_policy_cancels_its_run(site):
    site.cloud.add_instance("web-1")
    site.policy()

    async def act(appliance):
        appliance.service.run_policy("web", ())
        await appliance.surface.surroundings.sleep(30)
        with pytest.raises(ConflictError):
            appliance.service.run_policy("web", ())
        with pytest.raises(ConflictError):
            appliance.service.remove_policy("web")
        (stopped,) = appliance.service.stop_policy("web")
        return stopped

    stopped = site.run(act)
    assert site.records.sessions.get(stopped.id).state == State.CANCELLED
    assert_nothing_left(site)


def test_a_manual_snapshot_is_nobodys_business(site):
    instance = site.cloud.add_instance("web-1")
    site.policy(backup=None)
    opened = site.run(lambda appliance: appliance.service.take_snapshot("main", REGION, instance))
    session = site.records.sessions.get(opened.id)
    assert (session.kind, session.state) == (SessionKind.MANUAL_SNAPSHOT, State.SUCCEEDED)
    for _ in range(4):
        assert site.run_policy("web", "snapshot").state == State.SUCCEEDED
        site.wait(60)
    manual = points(site, "manual-snapshot")
    assert [point.policy for point in manual] == [""]
    assert len(points(site, "snapshot")) == 2
    deletion = site.run(lambda appliance: appliance.service.delete_point(manual[0].id[:8]))
    assert site.records.sessions.get(deletion.id).state == State.SUCCEEDED
    assert points(site, "manual-snapshot") == []
    assert_nothing_left(site)


def test_a_target_that_the_policy_does_not_have_is_refused(site):
    site.policy(backup=None)
    with pytest.raises(UsageError, match="backup"):
        site.run(lambda appliance: appliance.service.run_policy("web", ("backup",)))


def test_a_repository_that_cannot_be_reached_fails_the_item_and_keeps_the_snapshot(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.repository.fail_next = [UnavailableError("the bucket does not answer", why="no route", cure="wait")]
    session = site.run_policy()
    assert session.state == State.FAILED
    assert [point.kind for point in points(site)] == [PointKind.SNAPSHOT]
    assert_nothing_left(site)


def test_retention_that_fails_for_one_point_is_a_warning(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None, backup=BackupTarget("vault", Retention(1)))
    site.run_policy("web", "backup")
    retire = site.repository.retire

    def refuse(point, tenant):
        raise UnavailableError("the bucket does not answer", why="no route", cure="wait")

    site.repository.retire = refuse
    session = site.run_policy("web", "backup")
    assert session.state == State.WARNING
    assert "could not be removed" in session.warnings[0]
    assert len(points(site)) == 2
    site.repository.retire = retire
    assert site.run_policy("web", "backup").state == State.SUCCEEDED
    assert len(points(site)) == 1
    assert_nothing_left(site)


@pytest.mark.parametrize(("away_seconds", "state"), [(600, State.SUCCEEDED), (7200, State.FAILED)])
def test_an_appliance_that_is_cut_off_for_a_while_loses_no_worker(site, monkeypatch, away_seconds, state):
    site.cloud.add_instance("web-1")
    site.policy()
    site.cloud.worker_world.work_seconds = 300.0
    began = site.loop.now()

    def is_away():
        return 60 <= (site.loop.now() - began).total_seconds() < away_seconds

    state_of, receive = SimulatedWorkers.state, SimulatedEvents.receive

    def cut_off(workers, worker):
        if is_away():
            raise UnavailableError("ec2 cannot be reached", why="no route to host", cure="later")
        return state_of(workers, worker)

    def deaf(events, wait_seconds):
        return [] if is_away() else receive(events, wait_seconds)

    monkeypatch.setattr(SimulatedWorkers, "state", cut_off)
    monkeypatch.setattr(SimulatedEvents, "receive", deaf)
    monkeypatch.setattr(site.repository, "accept_backup", hidden_while(site.repository.accept_backup, is_away))
    session = site.run_policy()
    assert session.state == state, tasks(site, session)
    assert site.cloud.worker_world.launches == 1
    assert_nothing_left(site)


def hidden_while(accept, is_away):
    """A repository that cannot be reached either."""

    def accepting(*words):
        if is_away():
            raise UnavailableError("the repository cannot be reached", why="no route to host", cure="later")
        return accept(*words)

    return accepting


@pytest.mark.parametrize("hidden_looks", [2, 10_000], ids=["soon", "never"])
def test_snapshots_that_ec2_does_not_show_yet_are_waited_for(site, monkeypatch, hidden_looks):
    site.cloud.add_instance("web-1")
    site.policy()
    shown, looks = SimulatedCompute.snapshots_percent, []

    def percent(compute, snapshot_ids):
        looks.append(site.cloud.now())
        if len(looks) <= hidden_looks:
            raise SourceGoneError(f"{snapshot_ids[0]} is not there", why="InvalidSnapshot.NotFound", cure="look")
        return shown(compute, snapshot_ids)

    monkeypatch.setattr(SimulatedCompute, "snapshots_percent", percent)
    session = site.run_policy()
    assert session.state == (State.SUCCEEDED if hidden_looks == 2 else State.FAILED), tasks(site, session)
    if hidden_looks > 2:
        waited_seconds = (looks[-1] - looks[0]).total_seconds()
        assert SHOWN_AFTER_SECONDS <= waited_seconds < 2 * SHOWN_AFTER_SECONDS
        assert {task.error.code for task in tasks(site, session) if task.error} == {"source-gone"}
