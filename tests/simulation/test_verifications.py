"""Image backups are read back by workers on the simulated cloud, by hand and as policies say."""

from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.appliance.upkeep.health_checks import HealthChecks
from holdfast.appliance.upkeep.scheduler import Scheduler
from holdfast.domain.errors import ConflictError, IntegrityError, NotFoundError, ObjectNotFoundError, UsageError
from holdfast.domain.policy import BackupTarget, HealthCheck, Retention, Schedule
from holdfast.domain.session import SessionKind, State
from holdfast.domain.verification import NAMED_LIMIT, DamagedObject, Outcome
from tests.simulation.reading import assert_nothing_left, log, points, tasks

PACK = "ab" * 16
DAY_SECONDS = 24 * 3600.0
HURT = DamagedObject(f"packs/ab/{PACK}", "2 of its 30 chunks do not open", ("/dev/sdf",))
HARMLESS = DamagedObject("packs/cd/" + "cd" * 16, "it is missing")


def image(site):
    return points(site, "image-backup")[-1]


def verify(site, point=None, **wanted):
    opened = site.run(lambda appliance: appliance.service.verify_point((point or image(site)).id, **wanted))
    return site.records.sessions.get(opened.id)


@pytest.mark.parametrize("mode", ["ec2", "local"])
def test_a_point_is_read_back_and_remembers_it(protected, mode):
    site = protected
    session = verify(site, worker_mode=mode)
    assert (session.kind, session.state) == (SessionKind.VERIFY, State.SUCCEEDED), tasks(site, session)
    (task,) = tasks(site, session)
    assert (task.result["outcome"], task.result["chunks"], task.result["opened_packs"]) == ("good", 10, 1)
    told = image(site).verification
    assert (told.outcome, told.damage, told.packs) == (Outcome.GOOD, (), 1)
    assert session.created_at <= told.at <= session.ended_at
    assert_nothing_left(site)
    assert verify(site).state == State.SUCCEEDED
    assert tasks(site, site.records.sessions.page(before=None, limit=1)[0])[0].result["opened_packs"] == 0


def test_damage_that_hurts_fails_the_session_and_names_the_cure(protected):
    site = protected
    site.repository.damage[image(site).id] = (HARMLESS, HURT)
    session = verify(site)
    assert session.state == State.FAILED
    (task,) = tasks(site, session)
    assert task.error is not None
    assert (task.error.code, task.error.exit_status) == ("damaged", 6)
    assert image(site).id in task.error.what
    assert "/dev/sdf" in task.error.what
    assert HURT.object in task.error.why
    assert "holdfast repository repair" in task.error.cure
    told = image(site).verification
    assert (told.outcome, told.damaged_objects, told.hurt_volumes) == (Outcome.HURT, 2, ("/dev/sdf",))
    assert_nothing_left(site)


def test_damage_beside_whole_copies_is_a_warning(protected):
    site = protected
    site.repository.damage[image(site).id] = (HARMLESS,)
    session = verify(site)
    assert session.state == State.WARNING
    (task,) = tasks(site, session)
    assert "other copies" in task.warnings[0]
    assert image(site).verification.outcome == Outcome.DAMAGED


def test_however_many_packs_are_damaged_the_next_backup_builds_upon_none(protected):
    site = protected
    site.policy(backup=BackupTarget("vault", Retention(keep=9)))
    packs = [f"{number:032x}" for number in range(NAMED_LIMIT + 500)]
    lost = tuple(DamagedObject(f"packs/{pack[:2]}/{pack}", "it is missing", ("/dev/sdf",)) for pack in packs)
    found = image(site)
    site.repository.damage[found.id] = lost
    assert verify(site).state == State.FAILED
    told = image(site).verification
    assert (told.damaged_objects, len(told.damage)) == (len(packs), NAMED_LIMIT)
    site.run_policy("web", "backup")
    assert site.repository.avoided_packs == set(packs)
    site.repository.damage[found.id] = lost[:3]
    verify(site, found)
    site.run_policy("web", "backup")
    assert site.repository.avoided_packs == set(packs[:3])
    site.repository.damage[found.id] = ()
    verify(site, found)
    site.run_policy("web", "backup")
    assert site.repository.avoided_packs == set()


def test_the_next_backup_builds_upon_nothing_that_is_damaged(protected):
    site = protected
    site.run_policy("web", "backup")
    assert site.repository.avoided_packs == frozenset()
    site.repository.damage[image(site).id] = (HARMLESS, HURT)
    verify(site)
    session = site.run_policy("web", "backup")
    assert session.state == State.SUCCEEDED
    assert site.repository.avoided_packs == {PACK, "cd" * 16}
    assert any("2 damaged packs" in line for line in log(site, session))
    site.repository.damage.clear()
    for point in points(site, "image-backup"):
        verify(site, point)
    site.run_policy("web", "backup")
    assert site.repository.avoided_packs == frozenset()


def test_a_backup_that_cannot_read_the_map_of_the_one_before_is_whole_the_next_time(protected):
    site = protected
    key = HURT.object
    site.repository.broken[image(site).id] = ObjectNotFoundError("a map is gone", why="it is missing", cure="repair")
    hurt = image(site)
    site.repository.damage[hurt.id] = (HURT,)
    session = site.run_policy("web", "backup")
    assert session.state == State.FAILED
    assert any("nothing new is built upon that" in line for line in log(site, session))
    told = site.records.points.get(hurt.id).verification
    assert (told.outcome, told.damaged_packs) == (Outcome.HURT, {PACK})
    site.repository.broken[hurt.id] = IntegrityError(f"{key} is damaged", why="no", cure="repair", objects=(key,))
    session = site.run_policy("web", "backup")
    assert session.state == State.SUCCEEDED, log(site, session)
    assert site.repository.avoided_packs == {PACK}
    assert image(site).id != hurt.id
    assert_nothing_left(site)


def test_a_lost_worker_is_replaced(protected):
    site = protected
    site.cloud.worker_world.fate = lambda owner: "dies" if owner.attempt == 1 else "works"
    session = verify(site)
    assert session.state == State.SUCCEEDED
    assert [one.attempt for one in tasks(site, session)[0].workers] == [1, 2]
    assert_nothing_left(site)


def test_when_every_worker_is_lost_nothing_is_said_of_the_point(protected):
    site = protected
    site.cloud.worker_world.fate = lambda owner: "dies"
    session = verify(site)
    assert session.state == State.FAILED
    assert [task.error.code for task in tasks(site, session) if task.error] == ["worker-lost"]
    assert image(site).verification is None
    assert_nothing_left(site)


def test_a_cancelled_verification_leaves_nothing(protected):
    site = protected

    async def act(appliance):
        opened = appliance.service.verify_point(image(site).id)
        await appliance.surface.surroundings.sleep(60)
        assert site.repository.pins
        appliance.service.cancel_session(opened.id)
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert session.state == State.CANCELLED
    assert image(site).verification is None
    assert_nothing_left(site)


def test_what_cannot_be_verified(protected):
    site = protected
    with pytest.raises(UsageError, match="cannot be read back"):
        verify(site, points(site, "snapshot")[-1])
    with pytest.raises(UsageError, match="worker mode"):
        verify(site, worker_mode="by hand")
    with pytest.raises(NotFoundError):
        site.run(lambda appliance: appliance.service.verify_point("f" * 32))


def test_a_point_that_went_meanwhile_fails_its_task_and_is_unpinned(protected):
    site, point = protected, image(protected)

    async def act(appliance):
        opened = appliance.service.verify_point(point.id)
        await appliance.surface.surroundings.sleep(60)
        appliance.service.delete_point(point.id)
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert session.state == State.FAILED
    assert [task.error.code for task in tasks(site, session) if task.error] == ["not-found"]
    assert_nothing_left(site)


def test_a_repository_is_not_forgotten_while_a_point_of_it_is_read(protected):
    site = protected
    site.records.policies.remove("web")

    async def act(appliance):
        opened = appliance.service.verify_point(image(site).id)
        with pytest.raises(ConflictError, match="in use"):
            appliance.service.remove_repository("vault", forget_points=True)
        return opened

    assert site.records.sessions.get(site.run(act).id).state == State.SUCCEEDED


def checks_of(appliance):
    book, service = appliance.workflows.book, appliance.service
    owes = Scheduler(appliance.surface, book, service.start_run).owes
    return HealthChecks(appliance.surface, book, service.start_health_check, owes)


def health_checks(site):
    """What has fallen due is started, and done to its end; the sessions."""
    started = site.run(lambda appliance: checks_of(appliance).tick())
    return [site.records.sessions.get(one) for one in started]


@pytest.fixture
def checked(site):
    """A policy with two instances whose newest points are read back every day."""
    for name in ("web-1", "web-2"):
        site.cloud.add_instance(name)
    site.policy(health_check=HealthCheck(Schedule("0 5 * * *")))
    assert site.run_policy().state == State.SUCCEEDED
    return site


def test_a_policy_has_its_newest_points_read_back_once_for_each_moment(checked):
    site = checked
    assert site.run_policy("web", "backup").state == State.SUCCEEDED
    site.wait(DAY_SECONDS)
    (session,) = health_checks(site)
    assert (session.kind, session.subject, session.trigger) == (SessionKind.VERIFY, "web", "schedule")
    assert session.state == State.SUCCEEDED
    newest = points(site, "image-backup")[-2:]
    assert {task.result["restore_point"] for task in tasks(site, session)} == {one.id for one in newest}
    assert [one.verification is not None for one in points(site, "image-backup")] == [False, False, True, True]
    assert health_checks(site) == []
    site.wait(DAY_SECONDS)
    assert len(health_checks(site)) == 1


def test_one_damaged_point_does_not_keep_the_others(checked):
    site = checked
    first, second = points(site, "image-backup")
    site.repository.damage[first.id] = (HURT,)
    site.wait(DAY_SECONDS)
    (session,) = health_checks(site)
    assert session.state == State.FAILED
    outcomes = {site.records.points.get(one.id).verification.outcome for one in (first, second)}
    assert outcomes == {Outcome.HURT, Outcome.GOOD}


def test_a_check_waits_for_the_policy_that_runs(checked):
    site = checked
    site.wait(DAY_SECONDS)

    def act(appliance):
        appliance.service.run_policy("web", ("backup",))
        assert checks_of(appliance).tick() == []

    site.run(act)
    (session,) = health_checks(site)
    assert {task.result["restore_point"] for task in tasks(site, session)} == {
        one.id for one in points(site, "image-backup")[-2:]
    }


def test_a_check_that_runs_is_not_begun_again_and_a_disabled_one_not_at_all(checked):
    site = checked
    site.wait(DAY_SECONDS)

    def act(appliance):
        (first,) = checks_of(appliance).tick()
        stored = site.records.policies.get("web").policy
        changed = replace(stored, health_check=HealthCheck(Schedule("*/5 * * * *")))
        site.records.policies.put(changed, site.loop.now() - timedelta(hours=1))
        assert checks_of(appliance).tick() == []
        return first

    first = site.run(act)
    assert any("left out" in line for line in log(site, site.records.sessions.get(first)))
    site.records.policies.enable("web", False, site.loop.now())
    site.wait(DAY_SECONDS)
    assert health_checks(site) == []


def test_a_policy_without_points_has_nothing_to_read(site):
    site.cloud.add_instance("web-1")
    site.policy(health_check=HealthCheck(Schedule("0 5 * * *")))
    site.wait(DAY_SECONDS)
    assert health_checks(site) == []
    assert site.records.sessions.page(before=None, limit=10) == []
