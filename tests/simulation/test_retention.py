"""Retention removes what the policy of this moment lets go, and nothing that another policy, or a person, has left."""

from dataclasses import replace

import pytest

from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.domain.policy import BackupTarget, Retention, SnapshotTarget
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.session import Session, State
from tests.simulation.reading import assert_nothing_left, log, points
from tests.simulation.upkeep import expiry


def run_times(site, count: int, *targets: str) -> None:
    for _ in range(count):
        site.run_policy("web", *targets)
        site.wait(3600)


def changed_meanwhile(site, change) -> None:
    """A run of the policy `web`; `change` is made while its worker works."""

    async def act(appliance):
        appliance.service.run_policy("web", ())
        await appliance.surface.surroundings.sleep(5)
        assert site.records.sessions.unfinished()
        change(appliance)

    site.run(act)


def test_a_policy_that_keeps_more_since_the_run_began_keeps_more(site):
    site.cloud.add_instance("web-1")
    policy = site.policy()
    run_times(site, 2)
    more = replace(policy, snapshot=SnapshotTarget(9), backup=BackupTarget("vault", Retention(9)))
    changed_meanwhile(site, lambda _appliance: site.records.policies.put(more, site.loop.now()))
    assert len(points(site, "snapshot")) == 3
    assert len(points(site, "image-backup")) == 3
    assert_nothing_left(site)


def test_points_of_a_policy_that_was_removed_outlive_a_new_one_of_its_name(site):
    site.cloud.add_instance("web-1")
    site.policy()
    run_times(site, 2)
    old = {point.id for point in points(site)}
    site.run(lambda appliance: appliance.service.remove_policy("web"))
    site.policy(snapshot=SnapshotTarget(1), backup=BackupTarget("vault", Retention(1)))
    run_times(site, 3)
    kept = {point.id for point in points(site)}
    assert old <= kept
    assert len(kept - old) == 2, "the new policy keeps one of each"
    assert_nothing_left(site)


def test_nothing_is_removed_for_a_policy_that_is_gone_when_its_run_ends(site):
    site.cloud.add_instance("web-1")
    site.policy()
    run_times(site, 2)
    changed_meanwhile(site, lambda _appliance: site.records.policies.remove("web"))
    assert len(points(site, "snapshot")) == 3
    assert_nothing_left(site)


def test_a_point_of_which_a_restore_begins_while_others_go_stays(site, monkeypatch):
    """Retention has five to remove; the first one takes a while."""
    site.cloud.add_instance("web-1")
    policy = site.policy(backup=None, snapshot=SnapshotTarget(keep=5))
    run_times(site, 5, "snapshot")
    site.records.policies.put(replace(policy, snapshot=SnapshotTarget(keep=1)), site.loop.now())
    remove, wanted = RetentionWork.remove, points(site, "snapshot")[0].id
    begun: list[Session] = []

    async def act(appliance):
        def slowly(self, point):
            if not begun:
                begun.append(appliance.service.start_restore(VolumeRestore(point=wanted)))
            remove(self, point)

        monkeypatch.setattr(RetentionWork, "remove", slowly)
        appliance.service.run_policy("web", ("snapshot",))

    site.run(act)
    [restore] = begun
    assert site.records.sessions.get(restore.id).state == State.SUCCEEDED
    assert points(site, "snapshot")[0].id == wanted
    assert len(points(site, "snapshot")) == 2


def test_a_change_of_the_policy_stops_what_retention_removes(site, monkeypatch):
    site.cloud.add_instance("web-1")
    policy = site.policy(backup=None, snapshot=SnapshotTarget(keep=5))
    run_times(site, 5, "snapshot")
    site.records.policies.put(replace(policy, snapshot=SnapshotTarget(keep=1)), site.loop.now())
    remove = RetentionWork.remove

    def once(self, point):
        remove(self, point)
        site.records.policies.put(policy, site.loop.now())

    monkeypatch.setattr(RetentionWork, "remove", once)
    site.run_policy("web", "snapshot")
    assert len(points(site, "snapshot")) == 5


@pytest.mark.parametrize("change", ["longer", "disabled", "removed"])
def test_what_a_time_let_go_stays_where_the_policy_changes_before_its_deletion(site, change):
    site.cloud.add_instance("web-1")
    policy = site.policy(snapshot=None, backup=BackupTarget("vault", Retention(days=2)))
    run_times(site, 2, "backup")
    site.wait(5 * 24 * 3600)

    def act(appliance):
        opened = expiry(appliance).sweep()
        if change == "longer":
            longer = replace(policy, backup=BackupTarget("vault", Retention(days=200)))
            site.records.policies.put(longer, site.loop.now())
        elif change == "disabled":
            site.records.policies.enable("web", False, site.loop.now())
        else:
            site.records.policies.remove("web")
        return opened

    [session] = site.run(act)
    assert len(points(site, "image-backup")) == 2
    assert any("stays" in line for line in log(site, site.records.sessions.get(session)))
