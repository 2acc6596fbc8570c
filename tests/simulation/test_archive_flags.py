"""When a policy's archive falls due, and which flags it bears then (E15, E16)."""

from dataclasses import replace
from datetime import timedelta
from unittest.mock import Mock

import pytest

from holdfast.appliance.upkeep.archive_clock import ArchiveClock
from holdfast.domain.errors import UnavailableError
from holdfast.domain.policy import Schedule, SnapshotTarget
from holdfast.domain.restore_point import Flag
from holdfast.domain.session import SessionKind, State
from holdfast.testing.virtual_time import BEGINNING
from tests.simulation.archiving import (
    DAY_SECONDS,
    MONTHLY,
    YEARLY,
    archive,
    archived,
    copies,
    kinds,
    look,
    policy_clock,
)
from tests.simulation.reading import assert_nothing_left, log, points


def test_an_archive_waits_for_the_run_that_is_due_and_copies_what_it_makes(archiving):
    site = archiving
    before = {one.id for one in points(site, "image-backup")}
    assert look(site) == [], "it is nine o'clock"
    site.wait(3.5 * 3600)
    assert look(site) == [], "the backup of noon is made first"
    made = [one for one in points(site, "image-backup") if one.id not in before]
    assert len(made) == 2
    (session,) = look(site)
    assert session.trigger == "schedule"
    assert {one.copy_of for one in copies(site)} == {one.id for one in made}
    assert look(site) == [], "once for each moment"
    site.wait(20 * DAY_SECONDS)
    look(site)
    assert len(copies(site)) == 2, "not before the next month"
    assert_nothing_left(site)


def test_a_policy_that_runs_without_a_pause_archives_between_two_runs(archiving):
    """Snapshots wait for a backup, and that for the snapshots: something of it runs at every moment."""
    site = archiving
    archived(site, schedule=Schedule("2-59/5 * * * *"))
    often = SnapshotTarget(2, Schedule("*/5 * * * *"))
    site.records.policies.put(replace(site.records.policies.get("web").policy, snapshot=often), site.loop.now())
    site.cloud.snapshot_seconds = 400.0
    site.wait((BEGINNING.replace(hour=11, minute=50) - site.loop.now()).total_seconds())

    async def act(appliance):
        clock, idle = policy_clock(appliance), 0
        while site.loop.now() < BEGINNING.replace(hour=13):
            idle += not clock.tick() and SessionKind.POLICY not in kinds(site)
            await appliance.surface.surroundings.sleep(5)
        return idle

    assert site.run(act) == 0, "something always runs"
    (session,) = site.records.sessions.page(before=None, limit=9, kind=SessionKind.ARCHIVE)
    runs = [one for one in site.records.sessions.page(before=None, limit=99) if one.kind == SessionKind.POLICY]
    assert (session.state, len(copies(site))) == (State.SUCCEEDED, 2)
    before = [one for one in runs if one.created_at <= BEGINNING.replace(hour=12, second=5)]
    assert max(one.ended_at for one in before) <= session.created_at < BEGINNING.replace(hour=12, minute=30)


def test_an_archive_that_cannot_be_started_keeps_no_run_from_its_turn(archiving):
    site = archiving
    away = UnavailableError("it does not answer", why="no route", cure="later")
    site.wait(3.5 * 3600)
    look(site)

    async def act(appliance):
        appliance.service.start_archive = Mock(side_effect=away)
        clock = policy_clock(appliance)
        for _ in range(2):
            with pytest.raises(UnavailableError):
                clock.tick()
            await appliance.surface.surroundings.sleep(DAY_SECONDS)

    before = {one.id for one in points(site, "image-backup")}
    site.run(act)
    assert before != {one.id for one in points(site, "image-backup")}


def test_a_moment_is_made_up_for_however_long_ago_it_was(archiving):
    site = archiving
    site.wait(20 * DAY_SECONDS)
    look(site)
    (session,) = look(site)
    assert session.state == State.SUCCEEDED
    assert {one.flags for one in copies(site)} == {("M",)}


def test_a_run_that_goes_on_until_the_next_moment_is_not_begun_a_second_time(archiving):
    site = archiving
    soon = site.loop.now() + timedelta(minutes=2)
    archived(site, monthly=replace(MONTHLY, at=f"{soon:%H:%M}"), schedule=Schedule("0 0 1 1 *"))

    async def act(appliance):
        opened = appliance.service.run_policy("web", ("archive",))
        await appliance.surface.surroundings.sleep(125)
        book, start = appliance.workflows.book, appliance.service.start_archive
        clock = ArchiveClock(appliance.surface, book, start, lambda stored, until: False)
        assert (clock.tick(), clock.tick()) == ([], [])
        return opened

    session = site.records.sessions.get(archive(site, act).id)
    assert session.state == State.SUCCEEDED
    assert [line for line in log(site, session) if "left out" in line] == [
        f"an archive run that fell due at {soon:%Y-%m-%dT%H:%M}:00.000000Z was left out: this one still runs"
    ]
    assert len(copies(site)) == 2


def test_a_disabled_policy_archives_nothing(archiving):
    site = archiving
    site.records.policies.enable("web", False, site.loop.now())
    site.wait(4 * 3600)
    assert look(site) == []
    assert look(site) == []


def test_one_archive_serves_a_month_and_a_year(archiving):
    site = archiving
    archived(site, yearly=YEARLY)
    site.wait(4 * 3600)
    look(site)
    look(site)
    assert {one.flags for one in copies(site)} == {("M", "Y")}
    assert {one.keep_until for one in copies(site)} == {one.created_at.replace(year=2033) for one in copies(site)}


def test_what_is_there_already_stays_for_the_tier_that_falls_due_later(archiving):
    site = archiving
    archived(site, yearly=replace(YEARLY, at="15:00"))
    site.wait(4 * 3600)
    look(site)
    look(site)
    assert {one.flags for one in copies(site)} == {("M",)}
    site.wait(3 * 3600)
    (session,) = look(site)
    assert session.state == State.SUCCEEDED
    assert {one.flags for one in copies(site)} == {("M", "Y")}
    assert len(copies(site)) == 2


def test_in_an_immutable_archive_a_flag_that_needs_a_longer_promise_falls_to_another_copy(archiving):
    site = archiving
    site.archive.immutable = True
    archived(site, yearly=replace(YEARLY, at="15:00"))
    site.wait(4 * 3600)
    look(site)
    look(site)
    first = copies(site)
    site.wait(3 * 3600)
    (session,) = look(site)
    assert session.state == State.SUCCEEDED
    others = [one for one in copies(site) if one not in first]
    assert (len(others), len(copies(site))) == (2, 4), "the first ones stay as they were promised"
    for copy in others:
        (before,) = [one for one in first if one.workload == copy.workload]
        assert (copy.copy_of, copy.flags, copy.parent) == (before.copy_of, ("Y",), before.id)
        assert site.archive.points_by_id[copy.id].keep_until == copy.keep_until == copy.created_at.replace(year=2033)
        assert any(f"archive {before.id} is promised less" in line for line in log(site, session))
    assert archive(site).state == State.SUCCEEDED
    assert len(copies(site)) == 4, "a person's is kept no longer than they are promised"
    assert_nothing_left(site)


def test_a_moment_that_an_archive_was_found_for_is_owed_by_none(archiving):
    site = archiving
    archived(site, yearly=replace(YEARLY, years=None, keep=1, at="15:00"))
    site.wait(4 * 3600)
    look(site)
    look(site)
    site.wait(3 * 3600)
    look(site)
    first = copies(site)
    assert {one.flags for one in first} == {("M", "Y")}
    site.wait(20 * DAY_SECONDS)
    site.run_policy("web", "backup")
    archive(site)
    assert copies(site)[:2] == first, "one archive for each year"
    assert [one.flags for one in copies(site)[2:]] == [("M",)] * 2


def test_a_flag_that_comes_while_points_are_judged_is_not_lost(archiving):
    site = archiving
    archive(site)

    def act(appliance):
        retention = appliance.workflows.retention
        verdicts = retention.verdicts(site.records.policies.get("web"))
        for point in copies(site):
            retention.change(point, lambda one: replace(one, flags=(Flag.MONTHLY, Flag.YEARLY)))
        for verdict in verdicts:
            retention.write_down(verdict)

    site.run(act)
    assert {one.flags for one in copies(site)} == {("M", "Y")}


def test_a_change_of_anything_else_keeps_what_is_due(archiving):
    site = archiving
    site.wait(3.5 * 3600)
    archived(site, description="it is past noon, and no clock has looked yet")
    look(site)
    look(site)
    assert len(copies(site)) == 2
