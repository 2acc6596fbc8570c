"""Restores into an instance that stands: proved, kept, put back; and what the reaper does about what was cut off."""

from dataclasses import replace

import pytest

from holdfast.appliance.restores.old_volumes import STANDING
from holdfast.domain.errors import UsageError
from holdfast.domain.restore import Change, InstanceRestore, NewPlace, Place, VolumeRestore
from holdfast.domain.session import State
from tests.simulation.reading import log, points, tasks

DAY_SECONDS = 24 * 3600


def restore(site, **wishes):
    order = InstanceRestore(points(site, "snapshot")[-1].id, replace=True, **wishes)
    opened = site.run(lambda appliance: appliance.service.start_restore(order))
    return site.records.sessions.get(opened.id)


def reap(site):
    return site.run(lambda appliance: appliance.reaper.reap())


def stands_as_it_was(site, state="running"):
    return (site.cloud.instances[site.instance], site.cloud.states[site.instance]) == (site.was, state)


def remembered(site):
    """What is still written down of standing instances."""
    names = [f"standing/{task.id}" for one in site.records.sessions.page(before=None, limit=99)
             for task in site.records.sessions.tasks(one.id)]  # fmt: skip
    return [name for name in names if site.records.settings.sealed(name)]


def claims(site):
    """What the ledger says of restores into standing instances."""
    return [row for row in site.records.ledger.open_rows() if row.kind == STANDING]


def test_the_old_volumes_go_when_the_status_checks_have_passed(protected):
    site = protected
    looked = []
    site.cloud.checks = ("ok", "initializing")

    async def act(appliance):
        order = InstanceRestore(points(site, "snapshot")[-1].id, replace=True)
        opened = appliance.service.start_restore(order)
        await appliance.surface.surroundings.sleep(120)
        looked.append((set(site.cloud.kept), site.records.sessions.get(opened.id).state))
        site.cloud.checks = ("ok", "ok")
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert looked == [(site.old, State.RUNNING)]
    assert session.state == State.SUCCEEDED, log(site, session)
    assert site.cloud.kept == {}
    assert site.cloud.instances[site.instance].tags == {"Name": "web-1"}
    assert (remembered(site), claims(site)) == ([], [])


@pytest.mark.parametrize("trouble", ["impaired", "denied", "left stopped"])
def test_without_proof_the_old_volumes_stay_for_a_person(protected, trouble):
    site = protected
    if trouble == "denied":
        site.cloud.denied.add("ec2:DescribeInstanceStatus")
    if trouble == "impaired":
        site.cloud.checks = ("ok", "impaired")
    session = restore(site, power_on=trouble != "left stopped")
    assert session.state == State.WARNING
    (task,) = tasks(site, session)
    (warning,) = task.warnings
    assert trouble in warning
    assert all(one in warning for one in site.old)
    assert "delete them" in warning
    assert task.result["instance_id"] == site.instance
    site.wait(100 * DAY_SECONDS)
    report = reap(site)
    assert (report.removed, report.failed) == ([], [])
    assert set(site.cloud.kept) == site.old
    assert remembered(site) == []


def test_old_volumes_are_kept_as_long_as_a_person_wants(protected):
    site = protected
    session = restore(site, keep_old_volumes_hours=24)
    assert session.state == State.SUCCEEDED
    assert any("24 h" in line and all(one in line for one in site.old) for line in log(site, session))
    site.wait(DAY_SECONDS - 600)
    reap(site)
    assert set(site.cloud.kept) == site.old
    site.wait(1200)
    reap(site)
    assert site.cloud.kept == {}


def test_a_plan_says_what_becomes_of_old_volumes(protected):
    def planned(**wishes):
        order = InstanceRestore(points(protected, "snapshot")[-1].id, replace=True, **wishes)
        plan = protected.run(lambda appliance: appliance.service.plan_restore(order))
        (told,) = {(one.change, one.detail.partition(", ")[2]) for one in plan.objects if one.name in protected.old}
        return (*told, plan.problems)

    assert planned() == (Change.REMOVE, "once the new ones have proved to run", ())
    change, detail, problems = planned(keep_old_volumes_hours=5)
    assert (change, problems) == (Change.KEEP, ())
    assert "for 5 h" in detail
    assert planned(power_on=False)[0] == Change.KEEP
    assert planned(keep_old_volumes_hours=-1)[2]
    with pytest.raises(UsageError, match="cannot be restored like this"):
        restore(protected, keep_old_volumes_hours=721)
    with pytest.raises(UsageError) as refused:
        restore(protected, place=Place.NEW, new=NewPlace(name="b"), keep_old_volumes_hours=1)
    assert "no old volumes" in refused.value.why


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_what_fails_midway_is_put_back(protected, state):
    site = protected
    site.cloud.states[site.instance] = state
    site.cloud.denied.add("ec2:StartInstances")
    session = restore(site)
    assert session.state == State.FAILED
    assert stands_as_it_was(site, state)
    assert site.cloud.kept == {}
    assert tasks(site, session)[0].result == {}
    assert site.cloud.count("volume") == 0
    assert remembered(site) == []


def test_who_cancels_while_it_is_proved_gets_the_old_back(protected):
    site = protected
    site.cloud.checks = ("initializing", "initializing")

    async def act(appliance):
        opened = appliance.service.start_restore(InstanceRestore(points(site, "snapshot")[-1].id, replace=True))
        await appliance.surface.surroundings.sleep(60)
        appliance.service.cancel_session(opened.id)
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert session.state == State.CANCELLED
    assert stands_as_it_was(site)
    assert site.cloud.count("volume") == 0


@pytest.mark.parametrize("what", ["stop", "volume", "start"])
def test_who_cancels_is_heard_at_each_wait_and_gets_the_old_back(protected, what):
    site = protected

    def act(appliance):
        opened = appliance.service.start_restore(InstanceRestore(points(site, "snapshot")[-1].id, replace=True))

        def cancel(name):
            if name == f"wait for {what}":
                appliance.service.cancel_session(opened.id)

        site.cloud.on_call = cancel
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert session.state == State.CANCELLED
    assert stands_as_it_was(site)
    assert site.cloud.count("volume") == 0
    assert remembered(site) == claims(site) == []


def test_what_could_not_be_put_back_is_named_and_put_back_later(protected):
    site = protected
    site.cloud.denied |= {"ec2:StartInstances", "ec2:DetachVolume"}
    session = restore(site)
    assert session.state == State.FAILED
    (line,) = [one for one in log(site, session) if "will be put back later" in one]
    assert all(one in line for one in site.old)
    new = {one.id for one in site.cloud.objects.values() if one.kind == "volume"}
    site.wait(DAY_SECONDS)
    report = reap(site)
    assert report.removed == []
    (failed,) = report.failed
    assert all(one in failed for one in site.old)
    assert new <= set(site.cloud.objects), "until the old ones are back, the new ones are a copy"
    site.cloud.denied.clear()
    assert reap(site).failed == []
    assert stands_as_it_was(site)
    assert (site.cloud.kept, site.cloud.count("volume"), remembered(site)) == ({}, 0, [])


def test_who_restores_again_begins_with_what_it_was(protected):
    site = protected
    site.cloud.denied |= {"ec2:StartInstances", "ec2:DetachVolume"}
    assert restore(site).state == State.FAILED
    site.cloud.denied.remove("ec2:DetachVolume")
    assert restore(site).state == State.FAILED
    assert stands_as_it_was(site)
    assert (site.cloud.kept, site.cloud.count("volume"), remembered(site)) == ({}, 0, [])


def test_one_restore_at_a_time_is_at_work_on_an_instance(protected):
    site = protected
    site.cloud.checks = ("initializing", "initializing")

    async def act(appliance):
        order = InstanceRestore(points(site, "snapshot")[-1].id, replace=True)
        first = appliance.service.start_restore(order)
        await appliance.surface.surroundings.sleep(60)
        second = appliance.service.start_restore(order)
        await appliance.surface.surroundings.sleep(60)
        site.cloud.checks = ("ok", "ok")
        return first.id, second.id

    first, second = (site.records.sessions.get(one) for one in site.run(act))
    assert (first.state, second.state) == (State.SUCCEEDED, State.FAILED)
    error = tasks(site, second)[0].error
    assert error is not None
    assert first.id in error.why
    assert site.cloud.kept == {}


def test_what_was_restored_again_since_is_not_put_back_over(protected):
    """The instance runs what the second restore made of it: the first one's old volumes stay, and are named once."""
    site = protected
    site.cloud.denied |= {"ec2:StartInstances", "ec2:DetachVolume"}
    assert restore(site).state == State.FAILED
    site.cloud.denied.remove("ec2:StartInstances")
    session = restore(site)
    assert session.state == State.SUCCEEDED
    assert any("cannot be put back first" in line for line in log(site, session))
    (told,) = [line for line in log(site, session) if "yours to delete" in line]
    assert all(one in told for one in site.old)
    site.cloud.denied.clear()
    stands = site.cloud.instances[site.instance]
    site.wait(DAY_SECONDS)
    assert reap(site).failed == []
    assert (site.cloud.instances[site.instance], site.cloud.states[site.instance]) == (stands, "running")
    assert set(site.cloud.kept) == site.old
    assert (remembered(site), len(claims(site))) == ([], 1)
    site.cloud.kept.clear()
    reap(site)
    assert claims(site) == [], "a person has decided"


def test_an_instance_that_was_stopped_only_is_started_before_it_is_restored_again(protected):
    site = protected
    site.cloud.denied |= {"ec2:AttachVolume", "ec2:DetachVolume"}
    first = restore(site)
    assert first.state == State.FAILED
    site.cloud.denied.clear()
    assert restore(site).state == State.SUCCEEDED
    assert (remembered(site), claims(site), site.cloud.kept) == ([], [], {})
    assert_nothing_is_done(site)


@pytest.mark.parametrize("proved", [True, False])
def test_a_restore_that_came_to_nothing_is_let_go_when_a_later_one_has_come_to_its_end(protected, proved):
    """Nothing of the first was taken off, so no volume tells that something is to be put back."""
    site = protected
    site.cloud.denied |= {"ec2:AttachVolume", "ec2:DetachVolume"}
    assert restore(site).state == State.FAILED
    site.cloud.denied.remove("ec2:AttachVolume")
    session = restore(site, power_on=proved)
    assert session.state == (State.SUCCEEDED if proved else State.WARNING)
    assert any("cannot be put back first" in line for line in log(site, session))
    site.cloud.denied.clear()
    assert remembered(site) == []
    assert_nothing_is_done(site)


def test_new_volumes_of_the_first_are_old_ones_of_the_second(protected):
    """What a restore that failed has made goes, but not while a later one keeps it."""
    site = protected
    site.cloud.denied |= {"ec2:StartInstances", "ec2:DetachVolume"}
    assert restore(site).state == State.FAILED
    spare = {one.id for one in site.cloud.objects.values() if one.kind == "volume"}
    site.cloud.denied.remove("ec2:StartInstances")
    assert restore(site, keep_old_volumes_hours=24).state == State.SUCCEEDED
    site.cloud.denied.clear()
    site.wait(3600)
    assert reap(site).removed == []
    assert set(site.cloud.kept) == spare | site.old
    assert spare <= set(site.cloud.objects)
    site.wait(DAY_SECONDS)
    assert reap(site).failed == []
    assert set(site.cloud.kept) == site.old
    assert not spare & set(site.cloud.objects)


def test_nothing_is_put_back_while_another_restore_is_at_work(protected):
    site = protected
    site.cloud.denied |= {"ec2:AttachVolume", "ec2:DetachVolume"}
    assert restore(site).state == State.FAILED
    site.cloud.denied.remove("ec2:AttachVolume")
    site.cloud.checks = ("initializing", "initializing")
    site.wait(3600)

    async def act(appliance):
        opened = appliance.service.start_restore(InstanceRestore(points(site, "snapshot")[-1].id, replace=True))
        await appliance.surface.surroundings.sleep(60)
        site.cloud.denied.clear()
        stands = site.cloud.instances[site.instance]
        assert appliance.reaper.reap().failed == []
        assert site.cloud.instances[site.instance] == stands
        site.cloud.checks = ("ok", "ok")
        return opened

    assert site.records.sessions.get(site.run(act).id).state == State.SUCCEEDED


def assert_nothing_is_done(site):
    """The reaper leaves the instance what it is, and has nothing left to do about it."""
    stands, state = site.cloud.instances[site.instance], site.cloud.states[site.instance]
    kept = set(site.cloud.kept)
    site.wait(DAY_SECONDS)
    assert reap(site).failed == []
    assert (site.cloud.instances[site.instance], site.cloud.states[site.instance]) == (stands, state)
    assert set(site.cloud.kept) == kept


def test_an_instance_that_could_not_be_started_again_is_started_later(protected):
    """Nothing was taken off yet: it was stopped, and that is all."""
    site = protected
    site.cloud.denied |= {"ec2:AttachVolume", "ec2:DetachVolume"}
    assert restore(site).state == State.FAILED
    assert (site.cloud.states[site.instance], site.cloud.kept) == ("stopped", {})
    site.wait(3600)
    (failed,) = reap(site).failed
    assert site.instance in failed
    site.cloud.denied.clear()
    assert reap(site).failed == []
    assert stands_as_it_was(site)
    assert remembered(site) == []
    assert {row.kind for row in site.records.ledger.open_rows()} == {"snapshot"}


def test_old_volumes_that_could_not_be_removed_are_removed_later(protected):
    site = protected
    site.cloud.denied.add("ec2:DeleteVolume")
    session = restore(site)
    assert session.state == State.SUCCEEDED
    assert set(site.cloud.kept) == site.old
    site.cloud.denied.clear()
    site.wait(3600)
    assert reap(site).failed == []
    assert site.cloud.kept == {}


def test_old_volumes_of_which_nobody_knows_whose_they_were_are_told(protected):
    site = protected
    restore(site, keep_old_volumes_hours=24)
    for volume_id, one in site.cloud.kept.items():
        site.cloud.kept[volume_id] = replace(one, owner=replace(one.owner, session_id="ee" * 16))
    site.wait(100 * DAY_SECONDS)
    report = reap(site)
    assert (report.removed, report.failed) == ([], [])
    assert {one.id for one in report.strange} == site.old
    assert set(site.cloud.kept) == site.old


def test_what_a_failed_restore_could_not_remove_is_removed_later(protected):
    site = protected
    newest = points(site, "snapshot")[-1]
    site.cloud.delete(sorted(newest.snapshots.values())[-1])
    site.cloud.denied.add("ec2:DeleteVolume")
    opened = site.run(lambda appliance: appliance.service.start_restore(VolumeRestore(newest.id)))
    assert site.records.sessions.get(opened.id).state == State.FAILED
    assert site.cloud.count("volume") == 1
    assert site.records.sessions.tasks(opened.id)[0].result == {}
    site.cloud.denied.clear()
    site.wait(3600)
    assert [one.kind for one in reap(site).removed] == ["volume"]
