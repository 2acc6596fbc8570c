"""A policy's archive: newest backups are copied by workers, and live by a retention of their own (E16)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.errors import ConflictError, UnavailableError, UsageError
from holdfast.domain.policy import MonthlyTier, WorkerChoice, WorkerMode
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.restore_point import PointKind
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.domain.session import SessionKind, State
from holdfast.protocol.policies import policy_document
from tests.simulation.archiving import DAY_SECONDS, MONTHLY, archive, archived, configuration, copies
from tests.simulation.reading import assert_nothing_left, log, points, tasks
from tests.simulation.upkeep import expiry, sweep

AWAY = UnavailableError("it does not answer", why="no route", cure="later")


@pytest.mark.parametrize("mode", WorkerMode)
def test_the_newest_backups_are_copied_and_listed(archiving, mode):
    site = archiving
    archived(site, worker=WorkerChoice(mode=mode))
    originals = points(site, "image-backup")
    session = archive(site)
    assert (session.kind, session.state, session.subject) == (SessionKind.ARCHIVE, State.SUCCEEDED, "web")
    assert [one.copy_of for one in copies(site)] == [one.id for one in originals]
    for copy, original in zip(copies(site), originals, strict=True):
        assert (copy.kind, copy.repository, copy.policy) == (PointKind.ARCHIVE, "cold", "web")
        assert (copy.workload, copy.created_at) == (original.workload, original.created_at)
        assert (copy.snapshots, copy.flags, copy.parent) == ({}, ("M",), None)
        kept = site.archive.points_by_id[copy.id]
        assert copy.keep_until == kept.keep_until == copy.created_at.replace(month=6)
        assert configuration(site, copy) == configuration(site, original)
    results = {task.result["restore_point"] for task in tasks(site, session)}
    assert results == {one.id for one in copies(site)}
    assert points(site, "image-backup") == originals
    assert_nothing_left(site)


def test_this_machine_bears_as_few_local_copies_as_local_backups(archiving):
    site = archiving
    for number in range(3):
        site.cloud.add_instance(f"more-{number}")
    archived(site, worker=WorkerChoice(mode=WorkerMode.LOCAL))
    site.run_policy("web", "backup")
    assert archive(site).state == State.SUCCEEDED
    assert len(copies(site)) == 5
    assert site.last.engine.peak == {("local archives", ""): 2}


def test_the_next_archive_builds_upon_the_one_before(archiving):
    site = archiving
    archive(site)
    first = {one.workload.id: one.id for one in copies(site)}
    site.wait(DAY_SECONDS)
    site.run_policy("web", "backup")
    assert archive(site).state == State.SUCCEEDED
    assert [one.parent for one in copies(site)[2:]] == [first[one.workload.id] for one in copies(site)[2:]]
    assert_nothing_left(site)


def test_what_is_archived_already_is_not_copied_again(archiving):
    site = archiving
    archive(site)
    before, launches = copies(site), site.cloud.worker_world.launches
    session = archive(site)
    assert session.state == State.SUCCEEDED
    assert copies(site) == [replace(one, as_of=session.created_at) for one in before]
    assert site.cloud.worker_world.launches == launches
    assert any("archived already" in line for line in log(site, session))


def test_a_policy_without_backups_has_nothing_to_archive(site):
    site.archive = site.add_archive()
    archived(site)
    session = archive(site)
    assert session.state == State.FAILED
    assert session.error is not None
    assert (session.error.code, session.error.cure) == ("not-found", "run it first: holdfast policy run web")


def test_no_retention_removes_what_is_being_restored(archiving):
    site = archiving
    archive(site)
    site.archive.cold.takes = timedelta(hours=48)
    oldest = copies(site)[0]
    site.wait(31 * DAY_SECONDS)
    site.run_policy("web", "backup")
    archive(site)
    site.wait((oldest.keep_until - site.loop.now()).total_seconds() - 3600)

    async def act(appliance):
        wish = VolumeRestore(oldest.id, retrieval=RetrievalOrder(Tier.BULK))
        opened = appliance.service.start_restore(wish)
        await appliance.surface.surroundings.sleep(2 * 3600)
        expiry(appliance).sweep()
        return opened

    assert archive(site, act).state != State.FAILED
    (session,) = (one for one in site.records.sessions.page(before=None, limit=9) if one.kind == SessionKind.RESTORE)
    assert session.state == State.SUCCEEDED
    assert oldest.id in {one.id for one in copies(site)}
    sweep(site)
    assert oldest.id not in {one.id for one in copies(site)}, "now it goes"


def test_archives_go_by_their_own_limits_and_backups_by_theirs(archiving):
    site = archiving
    for _ in range(5):
        assert archive(site).state == State.SUCCEEDED
        site.wait(31 * DAY_SECONDS)
        site.run_policy("web", "backup")
    assert len(points(site, "image-backup")) == 4
    assert len(copies(site)) == 2 * 2, "those that are younger than three months"
    assert set(site.archive.retired).isdisjoint(site.archive.points_by_id)
    assert site.archive.retired
    assert all(one.keep_until > site.loop.now() for one in copies(site))
    assert_nothing_left(site)


def test_an_archive_of_a_backup_from_before_its_policy_goes_by_the_policy(archiving):
    """The policy was removed and applied again: what it copies is older than it, the copy is not."""
    site = archiving
    site.run(lambda appliance: appliance.service.remove_policy("web"))
    archived(site)
    archive(site)
    made, stored = copies(site), site.records.policies.get("web")
    assert all(one.created_at < stored.created_at for one in made)
    verdicts = site.run(lambda appliance: appliance.workflows.retention.verdicts(stored))
    assert {one.id for one in made} <= {one.point.id for one in verdicts}


def test_no_retention_removes_what_is_being_copied(archiving):
    """Two workers are lost, and meanwhile a backup is made where one is kept."""
    site = archiving
    archived(site, keep=1)
    oldest = {one.id for one in points(site, "image-backup")}

    async def act(appliance):
        opened = appliance.service.run_policy("web", ("archive",))
        dying = {(opened.id, 1), (opened.id, 2)}
        fate = {True: "dies", False: "works"}
        site.cloud.worker_world.fate = lambda owner: fate[(owner.session_id, owner.attempt) in dying]
        await appliance.surface.surroundings.sleep(10)
        backup = appliance.service.run_policy("web", ("backup",))
        while not site.records.sessions.get(backup.id).state.final:
            await appliance.surface.surroundings.sleep(1)
        assert not site.records.sessions.get(opened.id).state.final
        assert oldest < {one.id for one in points(site, "image-backup")}

    site.run(act)
    assert {one.copy_of for one in copies(site)} == oldest
    assert_nothing_left(site)
    site.run_policy("web", "backup")
    assert oldest.isdisjoint(one.id for one in points(site, "image-backup"))


def test_a_lost_worker_is_replaced(archiving):
    site = archiving
    site.cloud.worker_world.fate = lambda owner: "dies" if owner.attempt == 1 else "works"
    session = archive(site)
    assert session.state == State.SUCCEEDED
    assert [[one.attempt for one in task.workers] for task in tasks(site, session)] == [[1, 2], [1, 2]]
    assert_nothing_left(site)


def test_a_cancelled_archive_leaves_nothing(archiving):
    site = archiving

    async def act(appliance):
        opened = appliance.service.run_policy("web", ("archive",))
        await appliance.surface.surroundings.sleep(60)
        assert site.repository.pins
        assert appliance.service.stop_policy("web") == [site.records.sessions.get(opened.id)]
        return opened

    session = site.records.sessions.get(archive(site, act).id)
    assert session.state == State.CANCELLED
    assert copies(site) == []
    assert_nothing_left(site)


def test_a_copy_that_was_not_recorded_is_listed_in_the_end(archiving):
    site = archiving
    add, left = site.records.points.add, [AWAY]

    def failing(point, sealed):
        if left:
            raise left.pop()
        add(point, sealed)

    site.records.points.add = failing
    session = archive(site)
    assert session.state == State.FAILED
    assert (len(copies(site)), len(site.archive.points_by_id)) == (1, 2)
    assert site.run(lambda appliance: appliance.workflows.settlement.settle()) == []
    assert {one.copy_of for one in copies(site)} == {one.id for one in points(site, "image-backup")}
    assert {(one.kind, one.flags) for one in copies(site)} == {("archive", ("M",))}
    assert_nothing_left(site)


def test_what_could_not_be_given_up_is_given_up_later(archiving):
    site = archiving
    abandon, left = site.archive.abandon, [AWAY, AWAY]

    def failing(session):
        if left:
            raise left.pop()
        return abandon(session)

    async def cancelled(appliance):
        opened = appliance.service.run_policy("web", ("archive",))
        await appliance.surface.surroundings.sleep(60)
        appliance.service.stop_policy("web")
        return opened

    site.archive.abandon = failing
    assert site.records.sessions.get(archive(site, cancelled).id).state == State.CANCELLED
    assert site.repository.pins
    assert site.run(lambda appliance: appliance.workflows.settlement.settle()) == []
    assert copies(site) == []
    assert_nothing_left(site)


def test_a_repository_that_an_archive_is_of_is_not_removed(archiving):
    site = archiving
    with pytest.raises(ConflictError, match="cold is in use"):
        site.run(lambda appliance: appliance.service.check_repository_removal("cold", True))

    async def act(appliance):
        appliance.service.run_policy("web", ("archive",))
        await appliance.surface.surroundings.sleep(60)
        site.policy(snapshot=None, backup=None)
        for name in ("vault", "cold"):
            with pytest.raises(ConflictError, match="not seen the end"):
                appliance.service.check_repository_removal(name, True)
        with pytest.raises(ConflictError, match="runs"):
            appliance.service.remove_policy("web")

    site.run(act)


def test_a_person_deletes_an_archive(archiving):
    site = archiving
    archive(site)
    gone, left = copies(site)
    opened = site.run(lambda appliance: appliance.service.delete_point(gone.id))
    assert site.records.sessions.get(opened.id).state == State.SUCCEEDED
    assert (copies(site), site.archive.retired) == ([left], [gone.id])
    assert_nothing_left(site)


def test_two_archive_runs_of_a_policy_do_not_go_on_at_once(archiving):
    site = archiving

    async def act(appliance):
        appliance.service.run_policy("web", ("archive",))
        await appliance.surface.surroundings.sleep(60)
        with pytest.raises(ConflictError):
            appliance.service.run_policy("web", ("archive",))
        appliance.service.run_policy("web", ("backup",))

    site.run(act)
    with pytest.raises(UsageError, match="nothing else"):
        site.run(lambda appliance: appliance.service.run_policy("web", ("backup", "archive")))


def test_what_is_applied_fits_the_classes_of_its_repositories(archiving):
    site = archiving
    policy = site.records.policies.get("web").policy

    def applied(**changed):
        document = policy_document(replace(policy, **changed))
        return site.run(lambda appliance: appliance.service.apply_policy(document, True))

    (warning,) = applied().warnings
    assert "spec.archive.monthly.months" in warning
    assert "180 days" in warning
    assert applied(archive=replace(policy.archive, monthly=replace(MONTHLY, months=7))).warnings == ()
    site.archive.archive_class = None
    with pytest.raises(UsageError, match="is no archive"):
        applied()
    site.archive.archive_class = site.repository.archive_class = ArchiveClass.GLACIER
    with pytest.raises(UsageError, match="is an archive"):
        applied()


def test_an_archive_that_no_limit_by_time_keeps_is_promised_nothing(archiving):
    site = archiving
    archived(site, monthly=MonthlyTier(keep=2, on_day=2, at="12:00"))
    archive(site)
    assert {one.keep_until for one in site.archive.points_by_id.values()} == {None}
    assert {one.keep_until for one in copies(site)} == {None}
    assert site.loop.now() - copies(site)[0].created_at < timedelta(hours=1)


@pytest.mark.parametrize(("immutable", "days"), [(False, None), (True, 92 + 10 + 1)])
def test_a_worker_that_copies_reads_one_repository_and_locks_in_the_other(archiving, immutable, days):
    site = archiving
    site.archive.immutable = immutable
    archive(site)
    for order in site.cloud.worker_world.orders[-2:]:
        assert (order.repository_location, order.reads_snapshots) == (site.archive.location, ())
        assert order.copies_from is not None
        assert order.copies_from.location == site.repository.location
        assert order.lock_days == days, "what is promised and a generation, rounded up"
