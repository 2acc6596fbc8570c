"""What an appliance makes of a retention with tiers: flags, times, temporary points, and points that a time lets go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from holdfast.appliance.upkeep.expiry import AT_ONCE
from holdfast.domain.errors import UnavailableError
from holdfast.domain.policy import BackupTarget, MonthlyTier, Retention, Schedule, Weekday, WeeklyTier
from holdfast.domain.restore_point import Flag, PointKind
from holdfast.domain.session import SessionKind, State
from holdfast.domain.verification import DamagedObject, Verification
from holdfast.protocol.policies import policy_document
from tests.simulation.reading import assert_nothing_left, points
from tests.simulation.upkeep import expiry, sweep, tick

THREE_A_DAY = Schedule("0 7,9,11 * * 1-5")
ON_THE_2ND = MonthlyTier(months=12, on_day=2, at="10:30")
A_DAY = 24 * 3600
NO_ANSWER = UnavailableError("the bucket does not answer", why="no route", cure="wait")


def tick_until(site, end: str) -> None:
    """Let the scheduler look every half hour."""
    while site.loop.now() < datetime.fromisoformat(end).replace(tzinfo=UTC):
        site.wait(1800 - site.loop.now().timestamp() % 1800 + 1)
        tick(site)


def backups(site) -> list[str]:
    return [f"{one.as_of:%a %d %H:%M} {','.join(one.flags)}" for one in points(site, "image-backup")]


def test_the_worked_example_as_an_appliance_does_it(site):
    """2026-03-02 is a Monday, and it is 09:00."""
    site.cloud.add_instance("web-1")
    retention = Retention(keep=3, weekly=WeeklyTier(keep=2, day=Weekday.MONDAY, at="07:00"))
    site.policy(snapshot=None, backup=BackupTarget("vault", retention, THREE_A_DAY))
    tick_until(site, "2026-03-02 12:00")
    assert backups(site) == ["Mon 02 11:00 D"]
    tick_until(site, "2026-03-09 07:00")
    assert backups(site) == ["Fri 06 09:00 D", "Fri 06 11:00 D", "Mon 09 07:00 D,W"]
    tick_until(site, "2026-03-16 12:00")
    assert backups(site) == ["Mon 09 07:00 W", "Mon 16 07:00 D,W", "Mon 16 09:00 D", "Mon 16 11:00 D"]
    chain = points(site, "image-backup")
    assert [one.parent for one in chain[2:]] == [one.id for one in chain[1:-1]], "one chain, whatever their flags"
    tick_until(site, "2026-03-23 07:00")
    assert backups(site) == ["Mon 16 07:00 W", "Fri 20 09:00 D", "Fri 20 11:00 D", "Mon 23 07:00 D,W"]
    assert_nothing_left(site)


def test_a_run_that_failed_leaves_its_flag_to_the_next(site):
    site.cloud.add_instance("web-1")
    retention = Retention(keep=3, weekly=WeeklyTier(keep=2, day=Weekday.MONDAY, at="11:00"))
    site.policy(snapshot=None, backup=BackupTarget("vault", retention, Schedule("0 11,12 * * *")))
    tick_until(site, "2026-03-02 10:30")
    site.repository.fail_next = [NO_ANSWER]
    tick_until(site, "2026-03-02 11:00")
    assert (points(site, "image-backup"), site.repository.fail_next) == ([], [])
    tick_until(site, "2026-03-02 12:00")
    assert backups(site) == ["Mon 02 12:00 D,W"]


def test_a_point_of_its_own_day_has_snapshots_to_restore_from_for_a_day(site):
    site.cloud.add_instance("web-1")
    site.policy(
        snapshot=None, backup=BackupTarget("vault", Retention(keep=2, monthly=ON_THE_2ND), Schedule("0 8 1 1 *"))
    )
    tick_until(site, "2026-03-02 10:30")
    (temporary,), (monthly,) = points(site, "snapshot"), points(site, "image-backup")
    assert (temporary.flags, monthly.flags) == (("T",), ("M",))
    assert temporary.keep_until == temporary.created_at + timedelta(hours=24)
    assert monthly.keep_until == monthly.created_at.replace(year=2027)
    assert dict(temporary.snapshots) == dict(monthly.snapshots)
    site.wait(A_DAY - 3600)
    assert sweep(site) == []
    site.wait(3600)
    (session_id,) = sweep(site)
    session = site.records.sessions.get(session_id)
    assert (session.kind, session.trigger, session.state) == (SessionKind.DELETE_POINT, "retention", State.SUCCEEDED)
    assert points(site, "snapshot") == []
    assert points(site, "image-backup") == [monthly], "what the next backup is compared with stays"
    assert all(site.cloud.snapshot_exists(one) for one in monthly.snapshots.values())
    assert sweep(site) == []
    assert_nothing_left(site)


def test_the_newest_stays_when_its_time_is_over_and_goes_with_the_next(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None, backup=BackupTarget("vault", Retention(days=3)))
    site.run_policy("web", "backup")
    site.wait(A_DAY)
    site.run_policy("web", "backup")
    first, second = points(site, "image-backup")
    assert first.keep_until == first.created_at + timedelta(days=3)
    site.wait(9 * A_DAY)
    assert len(sweep(site)) == 1
    assert [one.id for one in points(site, "image-backup")] == [second.id]
    assert sweep(site) == []
    site.run_policy("web", "backup")
    assert second.id not in {one.id for one in points(site, "image-backup")}


def test_new_limits_count_from_the_next_run_on_whosever_time_is_over_before(site):
    site.cloud.add_instance("web-1")
    policy = site.policy(snapshot=None, backup=BackupTarget("vault", Retention(days=10)))
    for _day in range(4):
        site.run_policy("web", "backup")
        site.wait(2 * A_DAY)
    less = replace(policy, backup=BackupTarget("vault", Retention(days=1)))
    site.records.policies.put(less, site.loop.now())
    first, *others = points(site, "image-backup")
    site.wait((first.keep_until - site.loop.now()).total_seconds())
    assert len(sweep(site)) == 1
    assert [one.id for one in points(site, "image-backup")] == [one.id for one in others]
    assert sweep(site) == []
    site.run_policy("web", "backup")
    assert len(points(site, "image-backup")) == 1


def test_a_backup_that_lasts_beyond_a_tiers_moment_does_not_take_its_flag(site):
    """It is of the time when its run began."""
    site.cloud.add_instance("web-1")
    retention = Retention(keep=3, weekly=WeeklyTier(keep=2, day=Weekday.MONDAY, at="11:00"))
    site.policy(snapshot=None, backup=BackupTarget("vault", retention, Schedule("0 10,11 * * *")))
    site.cloud.snapshot_seconds = 5400.0
    tick_until(site, "2026-03-02 10:00")
    (first,) = points(site, "image-backup")
    assert first.created_at > datetime(2026, 3, 2, 11, tzinfo=UTC)
    site.cloud.snapshot_seconds = 60.0
    tick_until(site, "2026-03-02 12:00")
    assert backups(site) == ["Mon 02 10:00 D", "Mon 02 12:00 D,W"]


def test_what_a_run_works_on_is_left_to_its_end(site):
    """Also, a temporary point says from the first until when it stays: its run may be cut short."""
    site.cloud.add_instance("web-1")
    retention = Retention(days=1, monthly=ON_THE_2ND)
    site.policy(snapshot=None, backup=BackupTarget("vault", retention, Schedule("0 8 1 1 *")))
    site.run_policy("web", "backup")
    site.run_policy("web", "backup")
    site.wait(2 * A_DAY)
    policy = site.records.policies.get("web").policy
    site.cloud.worker_world.work_seconds = 600.0

    async def act(appliance):
        appliance.service.start_run("a" * 32, policy, ("backup",), beside=True)
        await appliance.surface.surroundings.sleep(300)
        assert expiry(appliance).sweep() == []
        return points(site, "snapshot")

    (temporary,) = site.run(act)
    assert temporary.keep_until == temporary.created_at + timedelta(hours=24)
    assert len(points(site, "image-backup")) == 1, "its end did it"


def test_what_is_written_down_is_of_the_point_as_it_is_now(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None, backup=BackupTarget("vault", Retention(days=1)))
    site.run_policy("web", "backup")
    (point,) = points(site)
    site.records.points.put(replace(point, keep_until=None))

    def act(appliance) -> None:
        retention = appliance.workflows.retention
        (verdict,) = retention.verdicts(site.records.policies.get("web"))
        site.records.points.put(replace(point, keep_until=None, snapshots={}))
        retention.write_down(verdict)

    site.run(act)
    assert points(site) == [replace(point, snapshots={})]


def test_a_disabled_policy_and_one_that_is_gone_remove_nothing(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None, backup=BackupTarget("vault", Retention(days=1)))
    site.run_policy("web", "backup")
    site.run_policy("web", "backup")
    site.wait(9 * A_DAY)
    site.records.policies.enable("web", False, site.loop.now())
    assert sweep(site) == []
    site.records.policies.enable("web", True, site.loop.now())
    site.records.policies.remove("web")
    assert sweep(site) == []
    assert len(points(site, "image-backup")) == 2


def test_a_point_that_cannot_be_removed_is_tried_again_the_next_day(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None, backup=BackupTarget("vault", Retention(days=1)))
    site.run_policy("web", "backup")
    site.run_policy("web", "backup")
    site.wait(2 * A_DAY)
    site.repository.fail_next = [NO_ANSWER]
    (failed,) = sweep(site)
    assert site.records.sessions.get(failed).state == State.FAILED
    assert sweep(site) == [], "not today"
    site.wait(A_DAY)
    assert len(sweep(site)) == 1
    assert len(points(site, "image-backup")) == 1


def test_after_a_long_absence_points_go_in_portions(site):
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None, backup=BackupTarget("vault", Retention(keep=1)))
    site.run_policy("web", "backup")
    (newest,) = points(site)
    long_over = newest.created_at + timedelta(hours=24)
    for number in range(AT_ONCE + 10):
        temporary = replace(newest, id=f"{number:032x}", kind=PointKind.SNAPSHOT, snapshots={}, flags=(Flag.TEMPORARY,))
        made = newest.created_at - timedelta(seconds=1)
        site.records.points.add(replace(temporary, keep_until=long_over, created_at=made), b"")
    site.wait(2 * A_DAY)
    assert [len(sweep(site)) for _ in range(3)] == [AT_ONCE, 10, 0]
    assert points(site) == [newest]


def test_a_tier_that_is_dropped_keeps_what_it_promised(site):
    site.cloud.add_instance("web-1")
    weekly = WeeklyTier(weeks=4, day=Weekday.MONDAY, at="11:00")
    target = BackupTarget("vault", Retention(keep=1, weekly=weekly), Schedule("0 11 * * *"))
    policy = site.policy(snapshot=None, backup=target)
    tick_until(site, "2026-03-02 11:00")
    site.records.policies.put(replace(policy, backup=replace(target, retention=Retention(keep=1))), site.loop.now())
    tick_until(site, "2026-03-04 11:00")
    assert backups(site) == ["Mon 02 11:00 W", "Wed 04 11:00 D"]
    monday = points(site, "image-backup")[0]
    assert monday.keep_until == monday.created_at + timedelta(weeks=4)


def test_who_changes_a_policy_is_told_how_many_points_that_lets_go(site):
    site.cloud.add_instance("web-1")
    policy = site.policy(snapshot=None, backup=BackupTarget("vault", Retention(keep=5)))
    for _ in range(4):
        site.run_policy("web", "backup")

    def told(retention: Retention) -> tuple[str, ...]:
        document = policy_document(replace(policy, backup=BackupTarget("vault", retention)))
        return site.run(lambda appliance: appliance.service.apply_policy(document, dry_run=True)).warnings

    assert told(Retention(keep=5)) == told(Retention(keep=9)) == ()
    assert told(Retention(keep=1)) == ("3 restore points that stayed until now will go with its next run",)
    site.wait(2 * A_DAY)
    assert told(Retention(days=1)) == told(Retention(keep=1))
    assert told(Retention(days=3)) == ()
    assert len(points(site)) == 4


def test_what_a_backup_that_is_hurt_was_made_for_is_owed_again(site):
    """The week's point lacks something that is no more: the next one is the week's."""
    site.cloud.add_instance("web-1")
    retention = Retention(days=3, weekly=WeeklyTier(weeks=8, day=Weekday.MONDAY, at="07:00"))
    site.policy(snapshot=None, backup=BackupTarget("vault", retention, Schedule("0 7 * * *")))
    tick_until(site, "2026-03-09 12:00")
    [week] = [one for one in points(site, "image-backup") if Flag.WEEKLY in one.flags]
    lost = Verification.of([DamagedObject("packs/00/00", "missing", ("/dev/sda1",))], site.loop.now())
    site.records.points.put(replace(week, verification=lost))
    tick_until(site, "2026-03-11 12:00")
    borne = {f"{one.as_of:%d}": (one.flags, one.is_hurt) for one in points(site, "image-backup")}
    assert borne["09"] == ((Flag.DAILY, Flag.WEEKLY), True)
    assert borne["10"] == ((Flag.DAILY, Flag.WEEKLY), False)
    assert borne["11"] == ((Flag.DAILY,), False)
