"""Manual snapshots that are kept in another region or account."""

import pytest

from holdfast.domain.errors import ConflictError, NotFoundError, UsageError
from holdfast.domain.infrastructure import Account
from holdfast.domain.restore import InstanceRestore, NewPlace, Place, VolumeRestore
from holdfast.domain.restore_point import PointKind, SnapshotPlace
from holdfast.domain.session import State
from holdfast.testing.memory_engine import MachineDiedError
from holdfast.testing.memory_records import memory_records
from holdfast.testing.simulated_cloud import ACCOUNT_ID
from holdfast.testing.simulated_site import REGION
from tests.simulation.reading import assert_nothing_left, named_snapshots, points, snapshots, tasks

ABROAD = SnapshotPlace("main", "eu-west-1")
AWAY = SnapshotPlace("vaulted", "eu-west-1", "alias/vault")


@pytest.fixture
def instance(site):
    site.records.accounts.put(Account("vaulted", role_arn="arn:aws:iam::2:role/r", account_id="222222222222"))
    return site.cloud.add_instance("web-1")


def take(site, instance, destination=ABROAD, boundary=None):
    opened = site.run(
        lambda appliance: appliance.service.take_snapshot("main", REGION, instance, destination), boundary
    )
    return site.records.sessions.get(opened.id)


@pytest.mark.parametrize("destination", [ABROAD, AWAY])
def test_the_point_is_the_copy_and_nothing_stays_beside_the_volumes(site, instance, destination):
    session = take(site, instance, destination)
    assert session.state == State.SUCCEEDED, tasks(site, session)
    (point,) = points(site)
    assert (point.kind, point.policy, point.place) == (PointKind.MANUAL_SNAPSHOT, "", destination)
    assert (point.workload.account, point.workload.region) == ("main", REGION)
    made = [site.cloud.objects[one] for one in point.snapshots.values()]
    assert {(one.account, one.region, one.facts["key"]) for one in made} == {
        (destination.account, destination.region, destination.kms_key_id or "")
    }
    assert sorted(one.facts["tag:disk"] for one in made) == ["0", "1"], "people find it by its tags"
    assert snapshots(site) == named_snapshots(site)
    assert_nothing_left(site)
    (task,) = tasks(site, session)
    assert task.progress.done_bytes == task.progress.total_bytes > 0


def test_another_account_is_let_read_them_first(site, instance):
    shared: list[str] = []
    site.cloud.on_call = lambda name: shared.extend(
        one.facts["shared"] for one in site.cloud.objects.values() if "shared" in one.facts
    )
    take(site, instance, AWAY)
    assert set(shared) == {"222222222222"}
    shared.clear()
    take(site, instance, ABROAD)
    assert not shared


def test_it_is_restored_where_it_lies_and_nowhere_else(site, instance):
    take(site, instance, AWAY)
    (point,) = points(site)

    def plan(order):
        return site.run(lambda appliance: appliance.service.plan_restore(order))

    assert any("eu-west-1 of vaulted" in one for one in plan(InstanceRestore(point.id)).problems)
    assert plan(InstanceRestore(point.id, Place.NEW, NewPlace(region=REGION))).problems
    assert not plan(InstanceRestore(point.id, Place.NEW)).problems
    for order in (InstanceRestore(point.id, Place.NEW), VolumeRestore(point.id)):
        session = site.run(lambda appliance, order=order: appliance.service.start_restore(order))
        assert site.records.sessions.get(session.id).state == State.SUCCEEDED
    made = [one for one in site.cloud.objects.values() if one.kind in ("volume", "instance")]
    assert {(one.account, one.region) for one in made} == {("vaulted", "eu-west-1")}
    assert {one.facts["zone"] for one in made if one.kind == "volume"} == {"eu-west-1a"}


def test_it_is_deleted_where_it_lies(site, instance):
    take(site, instance, AWAY)
    (point,) = points(site)
    session = site.run(lambda appliance: appliance.service.delete_point(point.id))
    assert site.records.sessions.get(session.id).state == State.SUCCEEDED
    assert snapshots(site) == set()
    assert_nothing_left(site)


def test_the_account_that_keeps_it_is_not_forgotten(site, instance):
    take(site, instance, AWAY)
    with pytest.raises(ConflictError):
        site.run(lambda appliance: appliance.service.remove_account("vaulted"))
    site.run(lambda appliance: appliance.service.delete_point(points(site)[0].id))
    site.run(lambda appliance: appliance.service.remove_account("vaulted"))


def test_retention_does_not_know_it(site, instance):
    site.policy(backup=None)
    take(site, instance)
    (copy,) = points(site)
    for _ in range(3):
        site.wait(3600)
        assert site.run_policy("web", "snapshot").state == State.SUCCEEDED
    assert copy in points(site)
    assert len(points(site, "snapshot")) == 2
    site.wait(7200)
    reaped = site.run(lambda appliance: appliance.reaper.reap())
    assert (reaped.removed, reaped.failed) == ([], [])


def test_no_room_for_more_copies_is_waited_for(site, instance):
    site.cloud.copies_at_once = 1
    session = take(site, instance)
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert len(points(site)[0].snapshots) == 2


@pytest.mark.parametrize("action", ["ec2:ModifySnapshotAttribute", "ec2:CopySnapshot", "ec2:CreateSnapshots"])
def test_what_is_denied_leaves_nothing(site, instance, action):
    site.cloud.denied.add(action)
    session = take(site, instance, AWAY)
    assert session.state == State.FAILED
    (task,) = tasks(site, session)
    assert task.error is not None
    assert action in task.error.what
    assert snapshots(site) == set()
    assert_nothing_left(site)


def test_cancelled_while_it_copies_leaves_nothing(site, instance):
    site.cloud.snapshot_seconds = 600.0

    def boundary(number, what):
        running = list(site.records.sessions.unfinished())
        if "until_copied" in what and running:
            site.records.sessions.request_cancel(running[0].id)

    session = take(site, instance, AWAY, boundary)
    assert session.state == State.CANCELLED, tasks(site, session)
    assert snapshots(site) == set()
    assert_nothing_left(site)


def test_a_source_that_vanishes_is_said_and_leaves_nothing(site, instance):
    def lose(name):
        if name == "before create snapshot" and len(snapshots(site)) == 2:
            site.cloud.objects.pop(sorted(snapshots(site))[1])

    site.cloud.on_call = lose
    session = take(site, instance)
    assert session.state == State.FAILED
    assert snapshots(site) == set()


def test_killed_at_every_step_it_ends_with_one_point_and_nothing_else(site, instance):
    count = []
    take(site, instance, AWAY, lambda number, what: count.append(what))
    steps = len(count)
    assert steps > 10
    site.run(lambda appliance: appliance.service.delete_point(points(site)[0].id))

    for death in range(1, steps + 1):

        def boundary(number, what, death=death):
            if number == death:
                raise MachineDiedError(what)

        session = take(site, instance, AWAY, boundary)
        site.run(lambda appliance: appliance.recovery.sweep())
        assert site.records.sessions.get(session.id).state == State.SUCCEEDED, (death, tasks(site, session))
        (point,) = points(site)
        assert snapshots(site) == set(point.snapshots.values()), death
        site.run(lambda appliance, point=point: appliance.service.delete_point(point.id))
        assert_nothing_left(site)


def test_killed_around_every_change_in_the_cloud_it_ends_the_same(site, instance):
    calls: list[str] = []
    site.cloud.on_call = calls.append
    take(site, instance, AWAY)
    assert {"before create snapshot", "after create snapshot", "before tag snapshots", "after delete"} <= set(calls)
    for death in range(1, len(calls) + 1):
        site.cloud.on_call = lambda name: None
        site.run(lambda appliance: appliance.service.delete_point(points(site)[0].id))
        left = [death]

        def die(name, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise MachineDiedError(name)

        site.cloud.on_call = die
        session = take(site, instance, AWAY)
        site.cloud.on_call = lambda name: None
        site.run(lambda appliance: appliance.recovery.sweep())
        assert site.records.sessions.get(session.id).state == State.SUCCEEDED, (death, tasks(site, session))
        (point,) = points(site)
        assert snapshots(site) == set(point.snapshots.values()), death
        site.wait(7200)
        site.run(lambda appliance: appliance.reaper.reap())
        assert_nothing_left(site)


def test_it_is_found_again_by_its_tags(site, instance):
    take(site, instance, AWAY)
    (before,) = points(site)
    site.records.points.remove(before.id)
    found = site.run(lambda appliance: appliance.service.rescan_snapshots("vaulted", "eu-west-1", None))
    assert (found.points, points(site)) == (0, []), "its session is known: it was deleted"
    site.records = memory_records()
    for account in (Account("own", account_id=ACCOUNT_ID), Account("far", account_id="222222222222")):
        site.records.accounts.put(account)
    found = site.run(lambda appliance: appliance.service.rescan_snapshots("far", "eu-west-1", None))
    assert (found.added, points(site)) == (0, []), "snapshots of another name of the account are not here"
    site.records.accounts.put(Account("vaulted", account_id="222222222222"))
    found = site.run(lambda appliance: appliance.service.rescan_snapshots("vaulted", "eu-west-1", None))
    assert (found.added, found.warnings) == (1, ())
    (after,) = points(site)
    assert (after.place, after.workload.account) == (AWAY, "own")


def test_a_destination_that_is_none_is_refused(site, instance):
    for place, error in (
        (SnapshotPlace("main", REGION), UsageError),
        (SnapshotPlace("main", "nowhere"), UsageError),
        (SnapshotPlace("nobody's", "eu-west-1"), NotFoundError),
    ):
        with pytest.raises(error):
            take(site, instance, place)
