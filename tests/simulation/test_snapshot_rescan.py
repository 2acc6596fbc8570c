"""An appliance that has lost its records, or takes the place of a lost one, finds its snapshot points by their tags."""

import base64
import random
from dataclasses import replace

import pytest

from holdfast.appliance.ports.records import OpenBackup
from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.domain.infrastructure import Account
from holdfast.domain.restore import InstanceRestore, Place, VolumeRestore
from holdfast.domain.restore_point import PointKind
from holdfast.domain.session import State
from holdfast.testing.memory_records import memory_records
from holdfast.testing.simulated_cloud import ACCOUNT_ID
from holdfast.testing.simulated_site import REGION
from tests.simulation.reading import log, points, snapshots, tasks

LOST = "ap-0"


def rescan(site, lost=None, account="main"):
    return site.run(lambda appliance: appliance.service.rescan_snapshots(account, REGION, lost))


def lose_records(site):
    """Nothing is left but what AWS has."""
    site.records = memory_records()
    site.memory.rows.clear()
    site.cloud.ledger = site.records.ledger
    site.records.accounts.put(Account("main", account_id=ACCOUNT_ID))


def snapshot_policy(site, **changed):
    return site.policy(backup=None, **changed)


def tag(site, snapshot_id, name="holdfast:point"):
    return site.cloud.objects[snapshot_id].facts[f"tag:{name}"]


def test_points_are_found_again_with_all_that_they_were(site):
    site.cloud.add_instance("web-1")
    snapshot_policy(site)
    assert site.run_policy("web", "snapshot").state == State.SUCCEEDED
    site.wait(3600)
    site.run_policy("web", "snapshot")
    before = points(site)
    lose_records(site)

    found = rescan(site)
    assert (found.points, found.added, found.incomplete, found.warnings) == (2, 2, 0, ())
    after = points(site)
    assert [replace(one, found_at=None) for one in after] == before
    assert (after[0].policy, after[0].kind) == ("web", PointKind.SNAPSHOT)
    again = rescan(site)
    assert (again.points, again.added) == (2, 0)
    assert points(site) == after

    order = InstanceRestore(before[-1].id, Place.NEW)
    session = site.run(lambda appliance: appliance.service.start_restore(order))
    assert site.records.sessions.get(session.id).state == State.SUCCEEDED


def test_retention_counts_them_once_their_policy_is_there(site):
    site.cloud.add_instance("web-1")
    snapshot_policy(site)
    for _ in range(2):
        site.run_policy("web", "snapshot")
        site.wait(3600)
    oldest = points(site)[0]
    lose_records(site)
    rescan(site)
    site.wait(60)
    snapshot_policy(site)
    site.run_policy("web", "snapshot")
    assert len(points(site)) == 3, "found before the policy was applied, they are none of its"
    rescan(site)
    site.wait(60)
    assert site.run_policy("web", "snapshot").state == State.SUCCEEDED
    assert len(points(site)) == 2
    assert oldest not in points(site)
    assert snapshots(site) == {one for point in points(site) for one in point.snapshots.values()}


def test_a_manual_snapshot_stays_one(site):
    instance = site.cloud.add_instance("web-1")
    site.run(lambda appliance: appliance.service.take_snapshot("main", REGION, instance))
    lose_records(site)
    rescan(site)
    (point,) = points(site)
    assert (point.kind, point.policy) == (PointKind.MANUAL_SNAPSHOT, "")
    deleted = site.run(lambda appliance: appliance.service.delete_point(point.id))
    assert site.records.sessions.get(deleted.id).state == State.SUCCEEDED
    assert snapshots(site) == set()


def test_a_set_that_lacks_a_snapshot_is_incomplete(site):
    instance = site.cloud.add_instance("web-1", volumes=3)
    snapshot_policy(site)
    site.run_policy("web", "snapshot")
    (point,) = points(site)
    gone_volume, gone = list(point.snapshots.items())[1]
    site.cloud.delete(gone)
    lose_records(site)
    found = rescan(site)
    assert (found.points, found.added, found.incomplete) == (1, 1, 1)
    (taken,) = points(site)
    assert taken.missing == (gone_volume,)
    assert set(taken.snapshots) == set(point.snapshots) - {gone_volume}

    plan = site.run(lambda appliance: appliance.service.plan_restore(InstanceRestore(point.id, Place.NEW)))
    assert any(gone_volume in problem for problem in plan.problems)
    with pytest.raises(UsageError):
        site.run(lambda appliance: appliance.service.start_restore(InstanceRestore(point.id, Place.NEW)))
    session = site.run(lambda appliance: appliance.service.start_restore(VolumeRestore(point.id)))
    assert site.records.sessions.get(session.id).state == State.SUCCEEDED
    assert site.cloud.count("volume") == 2
    with pytest.raises(NotFoundError):
        site.run(lambda appliance: appliance.service.plan_restore(VolumeRestore(point.id, (gone_volume,))))
    assert instance


def test_retention_neither_counts_nor_removes_an_incomplete_one(site):
    site.cloud.add_instance("web-1")
    snapshot_policy(site)
    for _ in range(2):
        site.run_policy("web", "snapshot")
        site.wait(3600)
    whole, broken = points(site)
    site.cloud.delete(next(iter(broken.snapshots.values())))
    lose_records(site)
    snapshot_policy(site)
    rescan(site)
    site.wait(60)
    site.run_policy("web", "snapshot")
    assert {whole.id, broken.id} <= {point.id for point in points(site)}, "two whole ones are kept"


def test_altered_and_copied_tags_are_refused_by_name_and_stop_nothing(site):
    for name in ("web-1", "web-2", "web-3"):
        site.cloud.add_instance(name)
    snapshot_policy(site)
    site.run_policy("web", "snapshot")
    altered, half, whole = points(site)
    for snapshot_id in altered.snapshots.values():
        site.cloud.objects[snapshot_id].facts["tag:holdfast:point-0"] = "AAAA"
    spoilt = next(iter(half.snapshots.values()))
    site.cloud.objects[spoilt].facts["tag:holdfast:point"] = tag(site, spoilt)[:-1]
    # Somebody copied a snapshot with all its tags.
    original = next(iter(whole.snapshots.values()))
    made = site.cloud.objects[original]
    site.cloud.objects["snap-copied"] = replace(made, id="snap-copied", facts=dict(made.facts))
    # And one that is made up.
    strange = {"token": "", "tag:holdfast:point": "?"}
    site.cloud.objects["snap-strange"] = replace(made, id="snap-strange", facts=strange)
    lose_records(site)

    found = rescan(site)
    assert {point.id for point in points(site)} == {half.id, whole.id}
    assert (found.points, found.incomplete) == (2, 0), "a snapshot that lost its description is there all the same"
    said = "\n".join(found.warnings)
    for name in (altered.id, spoilt, "snap-copied", "snap-strange"):
        assert name in said, said
    assert len(found.warnings) == 4
    assert "snap-copied" not in {one for point in points(site) for one in point.snapshots.values()}


def test_points_of_another_appliance_are_taken_on_only_when_it_is_named(site):
    site.cloud.add_instance("web-1")
    snapshot_policy(site)
    site.appliance_id = LOST
    site.run_policy("web", "snapshot")
    (before,) = points(site)
    lose_records(site)
    site.appliance_id = "ap-1"
    found = rescan(site)
    assert (found.points, points(site)) == (0, [])
    assert LOST in found.warnings[0]
    found = rescan(site, lost=LOST)
    assert (found.added, found.warnings) == (1, ())
    assert points(site)[0].id == before.id
    # Whoever changes the tag that names the maker has not changed what is sealed.
    lose_records(site)
    for snapshot_id in before.snapshots.values():
        made = site.cloud.objects[snapshot_id]
        site.cloud.objects[snapshot_id] = replace(made, owner=replace(made.owner, appliance_id="ap-1"))
    found = rescan(site)
    assert points(site) == []
    assert "another appliance" in found.warnings[0]


def test_what_this_appliance_knows_is_left_as_it_is(site):
    site.cloud.add_instance("web-1")
    snapshot_policy(site)
    site.run_policy("web", "snapshot")
    before = points(site)
    found = rescan(site)
    assert (found.points, found.added) == (1, 0)
    assert points(site) == before
    # A point that was deleted does not come back while its session is known.
    site.records.points.remove(before[0].id)
    assert rescan(site).points == 0
    assert points(site) == []


def test_snapshots_that_could_not_be_described_are_a_point_with_a_warning(site):
    site.cloud.add_instance("web-1")
    snapshot_policy(site)
    site.cloud.denied.add("ec2:CreateTags")
    session = site.run_policy("web", "snapshot")
    assert session.state == State.WARNING
    (task,) = tasks(site, session)
    assert "ec2:CreateTags" in task.warnings[0]
    assert len(points(site)) == 1


def test_user_data_that_has_no_room_is_said_in_the_log_and_by_the_plan(site):
    instance = site.cloud.add_instance("web-1")
    noise = base64.b64encode(random.Random(1).randbytes(16 * 1024)).decode()
    site.cloud.instances[instance] = replace(site.cloud.instances[instance], user_data=noise)
    snapshot_policy(site)
    session = site.run_policy("web", "snapshot")
    assert session.state == State.SUCCEEDED
    assert any("user data" in line for line in log(site, session))
    lose_records(site)
    rescan(site)
    order = InstanceRestore(points(site)[0].id, Place.NEW)
    plan = site.run(lambda appliance: appliance.service.plan_restore(order))
    assert any("user data" in warning for warning in plan.warnings)


def test_a_deleted_point_does_not_come_back_with_the_snapshots_that_serve_a_backup(site):
    site.cloud.add_instance("web-1")
    site.policy()
    assert site.run_policy("web", "snapshot", "backup").state == State.SUCCEEDED
    [snapshot] = [point for point in points(site) if point.kind == PointKind.SNAPSHOT]
    site.run(lambda appliance: appliance.service.delete_point(snapshot.id))
    assert set(snapshot.snapshots.values()) <= snapshots(site)
    lose_records(site)

    found = rescan(site)
    assert (found.points, found.added, found.warnings) == (0, 0, ())


def test_nor_with_those_that_only_a_backup_names_whose_end_was_not_seen(site):
    site.cloud.add_instance("web-1")
    site.policy()
    session = site.run_policy("web", "snapshot", "backup")
    snapshot, backup = sorted(points(site), key=lambda point: point.kind == PointKind.IMAGE_BACKUP)
    [task, *_] = tasks(site, session)
    unsettled = OpenBackup(backup.id, "vault", session.id, task.id, backup.workload, "web", dict(backup.snapshots))
    site.records.points.remove(backup.id)
    site.records.open_backups.put(unsettled)
    site.run(lambda appliance: appliance.service.delete_point(snapshot.id))
    assert site.records.open_backups.all() == [unsettled]
    assert {tag(site, one) for one in snapshot.snapshots.values()} == {"gone"}
    lose_records(site)
    assert rescan(site).points == 0


def test_an_account_that_is_not_registered_or_no_region_is_refused(site):
    with pytest.raises(NotFoundError):
        rescan(site, account="nobody's")
    with pytest.raises(UsageError):
        site.run(lambda appliance: appliance.service.rescan_snapshots("main", "here", None))


def test_a_description_of_another_place_is_refused(site):
    site.cloud.add_instance("web-1")
    snapshot_policy(site)
    site.run_policy("web", "snapshot")
    (point,) = points(site)
    lose_records(site)
    for snapshot_id in point.snapshots.values():
        site.cloud.objects[snapshot_id].region = "eu-west-1"
    found = site.run(lambda appliance: appliance.service.rescan_snapshots("main", "eu-west-1", None))
    assert points(site) == []
    assert "another place" in found.warnings[0]
