"""A backup whose end was not seen: in the end its point is listed, or there is none; its snapshots fare as it does."""

import pytest

from holdfast.domain.errors import UnavailableError
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.session import State
from tests.simulation.reading import assert_nothing_left, log, points, snapshots, tasks

AWAY = UnavailableError("it does not answer", why="no route", cure="later")


@pytest.fixture
def protected(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None)
    assert site.run_policy("web", "backup").state == State.SUCCEEDED
    site.wait(3600)
    return site


def failing(times, call):
    """`call`, which raises so often first."""
    left = [AWAY] * times

    def maybe(*words):
        if left:
            raise left.pop()
        return call(*words)

    return maybe


def unrecorded(site):
    """A run whose point is committed and cannot be recorded."""
    site.records.points.add = failing(1, site.records.points.add)
    session = site.run_policy("web", "backup")
    assert session.state == State.FAILED
    assert len(points(site)) == 1
    assert len(site.repository.points_by_id) == 2
    return session


def settle(site):
    return site.run(lambda appliance: appliance.workflows.settlement.settle())


def restores(site, point):
    session = site.run(lambda appliance: appliance.service.start_restore(VolumeRestore(point.id)))
    return site.records.sessions.get(session.id).state == State.SUCCEEDED


def test_a_point_that_was_not_recorded_is_listed_as_its_task_would_have_done_it(protected):
    site = protected
    (before,) = points(site)
    session = unrecorded(site)
    bases = snapshots(site) - set(before.snapshots.values())
    assert len(bases) == 2, "the next backup asks what changed since these"
    site.wait(3600)
    assert settle(site) == []
    older, found = points(site)
    assert (found.policy, found.workload, found.session_id) == ("web", before.workload, session.id)
    assert found.created_at == site.repository.points_by_id[found.id].created_at
    assert found.parent == before.id
    assert set(found.snapshots.values()) == bases == snapshots(site)
    assert older.snapshots == {}, "the bases of the point before are released, as ever"
    assert "it is listed" in log(site, session)[-1]
    assert_nothing_left(site)
    assert restores(site, found)


def test_a_database_that_stays_away_breaks_the_task_off_and_costs_no_point(protected):
    """Nothing could be written down any more: neither the point nor how the task ended."""
    site = protected
    add, put_task = site.records.points.add, site.records.sessions.put_task

    def away(*_words):
        site.records.sessions.put_task = away
        raise AWAY

    site.records.points.add = away
    session = site.run_policy("web", "backup")
    assert not session.state.final
    assert site.last.engine.failures
    site.records.points.add, site.records.sessions.put_task = add, put_task
    site.wait(60)
    assert settle(site) == []
    assert len(points(site)) == 1, "nobody says yet that its task is over"
    site.run(lambda appliance: appliance.recovery.sweep())
    assert site.records.sessions.get(session.id).state == State.FAILED
    assert settle(site) == []
    assert points(site)[1].session_id == session.id
    assert_nothing_left(site)


def test_the_next_run_settles_first_and_reads_only_what_changed(protected):
    site = protected
    unrecorded(site)
    site.wait(3600)
    session = site.run_policy("web", "backup")
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert tasks(site, session)[0].warnings == (), "nothing had to be compared"
    assert len(points(site)) == 2, "three were made, the policy keeps two"
    assert points(site)[1].parent == points(site)[0].id
    assert_nothing_left(site)


@pytest.mark.parametrize("is_committed", [True, False])
def test_an_answer_that_was_lost_is_asked_for_again(protected, is_committed):
    """Of the commit, or of a worker's last attempt; and nobody can be asked at first whether there is a point."""
    site = protected
    accept = site.repository.accept_backup

    def lost(*words):
        if is_committed:
            accept(*words)
        raise AWAY

    site.repository.accept_backup = lost
    site.repository.abandon = failing(2, site.repository.abandon)
    session = site.run_policy("web", "backup")
    site.repository.accept_backup = accept
    assert session.state == State.FAILED
    assert len(snapshots(site)) == 4
    site.wait(3600)
    site.run(lambda appliance: appliance.reaper.reap())
    assert len(snapshots(site)) == 4, "they may be the base of a point"
    (line,) = settle(site)
    assert "is not known yet" in line
    assert "no route" in line
    assert settle(site) == []
    assert len(points(site)) == 1 + is_committed
    assert_nothing_left(site)


def test_a_task_that_is_under_way_settles_by_itself(protected):
    site = protected
    seen = []

    async def act(appliance):
        session = appliance.service.run_policy("web", ("backup",))
        while not (site.records.sessions.get(session.id).state.final):
            seen.append(len(site.records.open_backups.all()))
            assert appliance.workflows.settlement.settle() == []
            await appliance.surface.surroundings.sleep(1)

    site.run(act)
    assert 1 in seen
    assert len(points(site)) == 2
    assert all(
        not line.endswith("it is listed") for line in log(site, site.records.sessions.page(before=None, limit=1)[0])
    )
    assert_nothing_left(site)


def test_a_point_that_was_deleted_on_purpose_does_not_come_back(protected):
    site = protected
    (point,) = points(site)
    session = site.records.sessions.page(before=None, limit=1)[0]
    (task,) = tasks(site, session)
    written = []
    site.records.open_backups.put = failing(0, lambda backup: written.append(backup))
    site.wait(60)
    site.run_policy("web", "backup")
    del site.records.open_backups.put
    stale = type(written[0])(point.id, "vault", session.id, task.id, point.workload, "web", dict(point.snapshots))
    site.records.open_backups.put(stale)
    site.run(lambda appliance: appliance.service.delete_point(point.id))
    assert settle(site) == []
    assert point.id not in {one.id for one in points(site)}
    assert point.id in site.repository.retired
    assert_nothing_left(site)


def test_a_point_that_somebody_deleted_in_the_repository_is_none(protected):
    site = protected
    (before,) = points(site)
    unrecorded(site)
    (lost,) = set(site.repository.points_by_id) - {before.id}
    site.repository.retire(lost, site.repository.points_by_id[lost].tenant)
    site.wait(3600)
    assert settle(site) == []
    assert [point.id for point in points(site)] == [before.id]
    assert_nothing_left(site)


def test_a_rescan_knows_its_own(protected):
    site = protected
    unrecorded(site)
    found = site.run(lambda appliance: appliance.service.rescan_repository("vault"))
    assert (found.points, found.added, found.warnings) == (2, 0, ())
    assert [point.policy for point in points(site)] == ["web", "web"]


def test_a_repository_that_is_forgotten_holds_nothing_up(protected):
    site = protected
    unrecorded(site)
    site.records.policies.remove("web")
    site.records.repositories.remove("vault")
    site.wait(3600)
    assert settle(site) == []
    assert site.records.open_backups.all() == []
    assert len(snapshots(site)) == 2, "those of the point that is listed"


def test_a_backup_whose_session_is_forgotten_is_settled_all_the_same(protected):
    site = protected
    session = unrecorded(site)
    site.wait(24 * 3600)
    assert site.records.sessions.forget(site.loop.now(), (), 100) == 2
    assert settle(site) == []
    assert [point.session_id for point in points(site)][1] == session.id
    assert_nothing_left(site)
