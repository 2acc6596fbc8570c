"""What retention let go is freed by the appliance itself: once a day, later where backups hold it up, never at once."""

from typing import Any, cast

import pytest

from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.errors import ConflictError, IntegrityError, NotFoundError
from holdfast.domain.session import SessionKind, State
from holdfast.domain.verification import NAMED_LIMIT
from holdfast.testing.memory_engine import MachineDiedError
from holdfast.testing.simulated_repositories import SimulatedRepositories
from tests.simulation.reading import assert_nothing_left, log, points, tasks

HOUR = 3600.0
DAY = 24 * HOUR
NOW = CollectionWish(wait_minutes=0)


def tick(site):
    """What the appliance begins by itself now, to its end; by an appliance that was started just now."""
    return site.run(lambda appliance: appliance.collections.tick())


def ask(site, wish=NOW):
    """A person's collection, to its end."""
    opened = site.run(lambda appliance: appliance.service.collect_garbage("vault", wish))
    return site.records.sessions.get(opened.id)


def retired_point(site):
    """Retention has retired one, and nothing is freed."""
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None)
    for _ in range(3):
        assert site.run_policy("web", "backup").state == State.SUCCEEDED
        site.wait(60)
    assert len(site.repository.retired) == 1
    assert site.repository.freed == set()


def test_what_retention_retired_is_freed_after_a_day_and_not_again_before_the_next(site):
    assert tick(site) == []
    retired_point(site)
    site.wait(DAY - HOUR)
    assert tick(site) == [], "a repository that is new here waits its first day"
    site.wait(HOUR)
    (session_id,) = tick(site)
    session = site.records.sessions.get(session_id)
    assert (session.kind, session.subject, session.trigger) == (SessionKind.COLLECT_GARBAGE, "vault", "schedule")
    assert session.state == State.SUCCEEDED
    assert site.repository.freed == set(site.repository.retired)
    assert site.repository.collections == [NOW]
    (task,) = tasks(site, session)
    assert (task.workload.kind, task.workload.id) == ("repository", "vault")
    assert task.result["deleted_packs"] == 1
    assert any("1 pack deleted" in line for line in log(site, session))
    site.wait(DAY - HOUR)
    assert tick(site) == []
    site.wait(HOUR)
    assert len(tick(site)) == 1


def test_what_backups_hold_up_goes_on_after_an_hour(site):
    tick(site)
    retired_point(site)
    site.wait(DAY)

    async def act(appliance):
        run = appliance.service.run_policy("web", ("backup",))
        while not any(one.state == "open" for one in site.repository.sessions.values()):
            await appliance.surface.surroundings.sleep(1)
        return run.id, *appliance.collections.tick()

    run_id, held_up = site.run(act)
    assert site.records.sessions.get(run_id).state == State.SUCCEEDED, "no backup is held up"
    session = site.records.sessions.get(held_up)
    assert session.state == State.WARNING
    (task,) = tasks(site, session)
    assert list(cast(Any, task.result["waiting"])) == [point.id for point in points(site)][-1:]
    assert "may build upon it" in task.warnings[0]
    assert site.repository.freed == set()
    site.wait(HOUR / 2)
    assert tick(site) == []
    site.wait(HOUR / 2)
    (again,) = tick(site)
    assert site.records.sessions.get(again).state == State.SUCCEEDED
    assert site.repository.freed == set(site.repository.retired)
    assert_nothing_left(site)


def test_what_is_damaged_is_said_with_its_cure_and_tried_again_the_next_day(site):
    tick(site)
    site.wait(DAY)
    damage = IntegrityError("packs/aa is missing", why="it was removed", cure="bring it back", objects=("packs/aa",))
    site.repository.fail_next.append(damage)
    (failed,) = tick(site)
    session = site.records.sessions.get(failed)
    assert session.state == State.FAILED
    (task,) = tasks(site, session)
    assert task.error is not None
    assert (task.error.code, task.error.cure, task.error.exit_status) == ("damaged", "bring it back", 6)
    site.wait(2 * HOUR)
    assert tick(site) == []
    site.wait(DAY)
    assert len(tick(site)) == 1


def test_a_person_who_looks_frees_nothing_and_puts_nothing_off(site):
    tick(site)
    retired_point(site)
    looked = ask(site, CollectionWish(dry_run=True))
    assert (looked.kind, looked.trigger) == (SessionKind.LOOK_FOR_GARBAGE, "person")
    (task,) = tasks(site, looked)
    assert (task.result["condemned_packs"], task.result["deleted_packs"]) == (1, 0)
    assert any("1 pack would go" in line for line in log(site, looked))
    site.wait(DAY)
    assert len(tick(site)) == 1


def test_a_collection_by_hand_puts_the_next_one_off(site):
    tick(site)
    retired_point(site)
    site.wait(DAY)
    assert ask(site).state == State.SUCCEEDED
    assert len(site.repository.freed) == 1
    assert tick(site) == []


@pytest.mark.parametrize("number", range(1, 5))
def test_one_that_was_killed_is_begun_again(site, number):
    retired_point(site)

    def boundary(count, what):
        if count == number:
            raise MachineDiedError(what)

    opened = site.run(lambda appliance: appliance.service.collect_garbage("vault", NOW), boundary)
    assert number == 4 or not site.records.sessions.get(opened.id).state.final
    assert tick(site) == []
    assert site.records.sessions.get(opened.id).state == State.SUCCEEDED
    assert len(site.repository.freed) == 1


def test_a_repository_stays_while_it_is_collected(site):
    def act(appliance):
        session = appliance.service.collect_garbage("vault", NOW)
        with pytest.raises(ConflictError) as caught:
            appliance.service.remove_repository("vault", True)
        assert session.id in caught.value.why

    site.run(act)
    site.run(lambda appliance: appliance.service.remove_repository("vault", True))


def test_one_that_is_cancelled_before_it_begins_does_nothing(site):
    def act(appliance):
        session = appliance.service.collect_garbage("vault", NOW)
        appliance.service.cancel_session(session.id)
        return session.id

    assert site.records.sessions.get(site.run(act)).state == State.CANCELLED
    assert site.repository.collections == []


def test_nothing_is_collected_for_a_repository_that_is_gone_or_an_appliance_that_goes(site):
    tick(site)
    with pytest.raises(NotFoundError):
        site.run(lambda appliance: appliance.service.collect_garbage("other", NOW))
    site.wait(DAY)
    vault = site.records.repositories.get("vault")
    site.records.repositories.remove("vault")
    assert tick(site) == []
    site.records.repositories.put(vault, None)
    assert tick(site) == [], "it is new here"
    site.wait(DAY)
    site.run(lambda appliance: appliance.service.say_farewell())
    assert tick(site) == []
    assert site.repository.collections == []


def test_what_could_not_be_locked_longer_is_a_warning_and_hastens_nothing(site, monkeypatch):
    def collect(_self, _name, _wish, _tell, _stopped):
        return Collected(1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, renewed_locks=3, not_renewed=("index/x", "points/y"))

    monkeypatch.setattr(SimulatedRepositories, "collect", collect)
    session = ask(site)
    assert session.state == State.WARNING
    (task,) = tasks(site, session)
    assert [line.split()[0] for line in task.warnings] == ["index/x", "points/y"]
    assert all("repository repair" in line for line in task.warnings)
    site.wait(2 * HOUR)
    assert tick(site) == []
    site.wait(DAY)
    assert len(tick(site)) == 1


def test_of_very_many_that_could_not_be_locked_longer_the_first_are_named(site, monkeypatch):
    lost = tuple(f"packs/{number:032x}" for number in range(NAMED_LIMIT + 500))

    def collect(_self, _name, _wish, _tell, _stopped):
        return Collected(1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, not_renewed=lost)

    monkeypatch.setattr(SimulatedRepositories, "collect", collect)
    (task,) = tasks(site, ask(site))
    assert task.result["not_renewed"] == lost[:NAMED_LIMIT]
    assert task.result["not_renewed_objects"] == len(lost)
    assert len(task.warnings) == NAMED_LIMIT + 1
    assert "1500 in all" in task.warnings[-1]


def test_what_somebody_has_to_see_to_in_the_repository_ends_the_session_with_a_warning(site):
    """Once, however many workloads there are; every one of them has its point."""
    for name in ("web-1", "web-2"):
        site.cloud.add_instance(name)
    site.policy()
    site.repository.alarms = ("locks begin to end on 2026-01-11 and nobody renews them",)
    session = site.run_policy()
    assert (session.state, session.warnings) == (State.WARNING, site.repository.alarms)
    assert session.counts == {"succeeded": 2}
    assert_nothing_left(site)
