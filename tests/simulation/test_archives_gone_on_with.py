"""A copy of which every worker was lost is gone on with by the next run, for a day."""

from dataclasses import replace

import pytest

from holdfast.domain.policy import WorkerChoice, WorkerMode
from holdfast.domain.session import State
from holdfast.domain.verification import DamagedObject
from tests.simulation.archiving import DAY_SECONDS, MONTHLY, YEARLY, archive, archived, copies, kinds, look
from tests.simulation.reading import assert_nothing_left, log, tasks


@pytest.fixture
def lost(archiving):
    """Monthly and yearly archives fell due, and every worker died."""
    site = archiving
    archived(site, yearly=YEARLY)
    site.wait(4 * 3600)
    site.cloud.worker_world.fate = lambda owner: "works" if "archive" not in kinds(site) else "dies"
    look(site)
    (site.failed,) = look(site)
    assert (site.failed.state, copies(site)) == (State.FAILED, [])
    site.left = {one.work for one in site.records.open_backups.all()}
    site.cloud.worker_world.fate = lambda owner: "works"
    return site


def settle(site):
    return site.run(lambda appliance: appliance.workflows.settlement.settle())


def test_the_next_archive_goes_on_with_it_and_bears_what_is_owed(lost):
    site = lost
    assert sum("is kept for a day" in line for line in log(site, site.failed)) == 2
    assert len(site.left) == 2
    assert site.repository.pins == {}, "nobody reads it meanwhile"
    assert settle(site) == []
    site.wait(60)
    archived(site, yearly=YEARLY, worker=WorkerChoice(mode=WorkerMode.EC2, instance_type="c7g.large"))
    session = archive(site)
    assert session.state == State.SUCCEEDED
    assert {one.id for one in copies(site)} == site.left
    assert {one.flags for one in copies(site)} == {("M", "Y")}
    assert [[one.attempt for one in task.workers] for task in tasks(site, session)] == [[4], [4]]
    assert_nothing_left(site)


def test_it_is_gone_on_with_as_often_as_it_is_lost(lost):
    site = lost
    site.cloud.worker_world.fate = lambda owner: "dies"
    assert archive(site).state == State.FAILED
    site.cloud.worker_world.fate = lambda owner: "works"
    session = archive(site)
    assert {one.id for one in copies(site)} == site.left
    assert [[one.attempt for one in task.workers] for task in tasks(site, session)] == [[7], [7]]
    assert_nothing_left(site)


def test_after_a_day_it_is_given_up(lost):
    site = lost
    site.wait(DAY_SECONDS)
    assert settle(site) == []
    assert_nothing_left(site)
    assert archive(site).state == State.SUCCEEDED
    assert len(copies(site)) == 2
    assert site.left.isdisjoint(one.id for one in copies(site))


def test_one_that_something_else_has_ended_is_begun_anew(lost):
    site = lost
    for work in site.left:
        site.archive.abandon(work)
    assert archive(site).state == State.SUCCEEDED
    assert len(copies(site)) == 2
    assert site.left.isdisjoint(one.id for one in copies(site))
    assert_nothing_left(site)


@pytest.mark.parametrize("otherwise", ["a newer backup", "a longer promise"])
def test_another_copy_does_not_go_on_with_it(lost, otherwise):
    site = lost
    if otherwise == "a newer backup":
        site.run_policy("web", "backup")
    else:
        archived(site, monthly=replace(MONTHLY, months=5))
    assert archive(site).state == State.SUCCEEDED
    assert site.left.isdisjoint(one.id for one in copies(site))
    site.wait(DAY_SECONDS)
    assert settle(site) == []
    assert_nothing_left(site)


def test_nothing_that_was_begun_beside_damage_is_gone_on_with(lost):
    """A look finds it before the next run: what was begun may be built upon it."""
    site = lost
    assert archive(site).state == State.SUCCEEDED
    site.wait(DAY_SECONDS)
    site.run_policy("web", "backup")
    site.cloud.worker_world.fate = lambda owner: "dies"
    archive(site)
    begun = {one.work for one in site.records.open_backups.all()}
    site.cloud.worker_world.fate = lambda owner: "works"
    for point in copies(site):
        site.archive.damage[point.id] = (DamagedObject("packs/ab/" + "ab" * 16, "it is missing", ("/dev/sdf",)),)
    assert archive(site).state == State.WARNING
    assert len(copies(site)) == 4
    assert begun.isdisjoint(one.id for one in copies(site))


def test_it_keeps_nobody_from_removing_the_repository(lost):
    site = lost
    site.records.policies.remove("web")
    site.run(lambda appliance: appliance.service.remove_repository("cold", forget_points=True))
    site.wait(DAY_SECONDS)
    assert settle(site) == []
    assert site.records.open_backups.all() == []
