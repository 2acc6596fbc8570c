"""Retention removes what the policy of this moment lets go, and nothing that another policy, or a person, has left."""

from dataclasses import replace

from holdfast.domain.policy import BackupTarget, Retention, SnapshotTarget
from tests.simulation.reading import assert_nothing_left, points


def run_times(site, count: int) -> None:
    for _ in range(count):
        site.run_policy()
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
