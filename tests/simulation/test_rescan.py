"""An appliance that takes on what another one left in a repository."""

from dataclasses import replace

import pytest

from holdfast.domain.errors import ConflictError, UnavailableError, UsageError
from holdfast.domain.policy import ArchiveTarget, BackupTarget, MonthlyTier, Retention, Schedule
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.session import State
from holdfast.protocol.appliance_answers import RepositoryRescanOrder
from holdfast.testing.simulated_site import REGION
from tests.simulation.reading import points, snapshots, tasks


def rescan(site):
    return site.run(lambda appliance: appliance.service.rescan_repository("vault"))


def forget(site):
    """As if the appliance were new, and what was there another's."""
    for point in points(site):
        site.records.points.remove(point.id)


def test_points_of_a_lost_appliance_are_taken_on_and_restore(site):
    site.cloud.add_instance("web-1")
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    site.wait(3600)
    assert site.run_policy().state == State.SUCCEEDED
    known = points(site, "image-backup")
    forget(site)

    found = rescan(site)
    assert (found.points, found.added, found.warnings) == (2, 2, ())
    for before, after in zip(known, points(site, "image-backup"), strict=True):
        assert (after.id, after.workload, after.parent) == (before.id, before.workload, before.parent)
        assert after.created_at == before.created_at
        assert after.size_bytes
        assert after.policy == "", "no retention knows it"
        assert after.snapshots == before.snapshots, "the newest one's are the base of the next backup"
    again = rescan(site)
    assert (again.points, again.added) == (2, 0)

    session = site.run(lambda appliance: appliance.service.start_restore(VolumeRestore(known[-1].id)))
    assert site.records.sessions.get(session.id).state == State.SUCCEEDED

    # The next backup reads what changed since. The snapshots are the other appliance's: they may be points of it.
    bases = set(known[-1].snapshots.values())
    site.wait(3600)
    session = site.run_policy()
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert bases <= snapshots(site)
    assert points(site, "image-backup")[-1].parent == known[-1].id
    deleted = site.run(lambda appliance: appliance.service.delete_point(known[-1].id))
    assert site.records.sessions.get(deleted.id).state == State.SUCCEEDED
    assert bases <= snapshots(site)
    assert known[-1].id in site.repository.retired


def test_what_other_appliances_have_is_left_to_them(site):
    """In one repository and one account lie the points of several."""
    for name in ("web-1", "web-2", "web-3"):
        site.cloud.add_instance(name)
    site.policy()
    site.run_policy()
    first, second, third = sorted(point.id for point in points(site, "image-backup"))
    site.records.points.remove(first)
    site.records.points.remove(second)

    def rescan_without(*elsewhere, **bounds):
        order = RepositoryRescanOrder(elsewhere, **bounds)
        return site.run(lambda appliance: appliance.service.rescan_repository("vault", order))

    found = rescan_without(second, third)
    assert (found.points, found.added, found.elsewhere) == (2, 1, 1)
    assert {point.id for point in points(site, "image-backup")} == {first, third}, "what it made itself it keeps"
    again = rescan_without(first, second)
    assert (again.points, again.added, again.elsewhere) == (1, 0, 2)
    assert [point.id for point in points(site, "image-backup")] == [third], "what was only found is the other's"
    assert not site.repository.retired

    # In parts, which together are all.
    parts = [
        rescan_without(first, up_to=first),
        rescan_without(after=first, up_to=second),
        rescan_without(after=second),
    ]
    assert [(part.points, part.added, part.elsewhere) for part in parts] == [(0, 0, 1), (1, 1, 0), (1, 0, 0)]


def test_a_repository_is_rescanned_by_one_at_a_time(site):
    """Who has waited for too long asks again, while the first one reads on."""
    site.cloud.add_instance("web-1")
    site.policy()
    site.run_policy()
    forget(site)
    read, refused = site.repository.point_volumes, list[ConflictError]()

    def read_while_another_asks(point, tenant):
        with pytest.raises(ConflictError, match="is being rescanned") as error:
            appliances[0].service.rescan_repository("vault")
        refused.append(error.value)
        return read(point, tenant)

    appliances = []
    site.repository.point_volumes = read_while_another_asks

    def ask(appliance):
        appliances.append(appliance)
        return appliance.service.rescan_repository("vault")

    assert site.run(ask).added == 1
    assert len(refused) == 1
    site.repository.point_volumes = read
    assert rescan(site).added == 0, "the next one is not kept out"


def test_what_cannot_be_taken_on_is_said_and_hinders_nothing(site):
    for name in ("web-1", "web-2"):
        site.cloud.add_instance(name)
    site.policy()
    site.run_policy()
    one, other = points(site, "image-backup")
    site.repository.points_by_id[one.id].configuration = b"{}"
    stranger = site.repository.points_by_id[other.id]
    forget(site)
    stranger_kind = f"image/{REGION}/disk"
    site.repository.points_by_id["f" * 32] = type(stranger)(
        "f" * 32, stranger.tenant, stranger_kind, stranger.created_at, None, [], b"", compared=False
    )
    found = rescan(site)
    assert (found.points, found.added) == (1, 1)
    assert one.id in found.warnings[0]
    assert [point.id for point in points(site, "image-backup")] == [other.id]


def test_what_lies_in_an_archive_is_taken_on_as_archives(site):
    site.cloud.add_instance("web-1")
    site.policy()
    site.run_policy()
    (original,) = points(site, "image-backup")
    copy = "c" * 32
    site.add_archive().points_by_id[copy] = replace(
        site.repository.points_by_id[original.id], id=copy, parent=None, copy_of=original.id
    )

    found = site.run(lambda appliance: appliance.service.rescan_repository("cold"))
    assert (found.points, found.added, found.warnings) == (1, 1, ())
    (archived,) = points(site, "archive")
    assert (archived.id, archived.repository, archived.copy_of) == (copy, "cold", original.id)
    assert archived.snapshots == {}, "no backup builds upon an archive"
    with pytest.raises(UsageError, match="retrieved"):
        site.run(lambda appliance: appliance.service.verify_point(copy))


def test_what_is_not_recorded_yet_is_no_stranger(site):
    site.add_archive()
    monthly = MonthlyTier(months=12, on_day=2, at="12:00")
    target = BackupTarget("vault", Retention(keep=2), Schedule("0 12 * * *"))
    site.policy(snapshot=None, backup=target, archive=ArchiveTarget("cold", monthly=monthly))
    site.cloud.add_instance("web-1")
    site.run_policy("web", "backup")
    add, end_reading = site.records.points.add, site.repository.end_reading

    def away(*_given):
        raise UnavailableError("it does not answer", why="no route", cure="later")

    site.records.points.add = away
    site.run_policy("web", "archive")
    site.records.points.add, site.repository.end_reading = add, away

    found = site.run(lambda appliance: appliance.service.rescan_repository("cold"))
    assert (found.added, len(found.warnings)) == (0, 1)
    assert points(site, "archive") == []
    site.repository.end_reading = end_reading
    assert site.run(lambda appliance: appliance.workflows.settlement.settle()) == []
    assert [(one.policy, one.flags) for one in points(site, "archive")] == [("web", ("M",))]
