"""Retention: flags by number and by time, what never goes, and base snapshots."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.policy import Limit
from holdfast.domain.restore_point import Flag, PointKind, RestorePoint
from holdfast.domain.retention import (
    archive_flags_at,
    base_snapshots_to_release,
    decide,
    expires_at,
    flags_at,
    promised_until,
)
from holdfast.domain.verification import DamagedObject, Verification
from holdfast.domain.workload import Workload, WorkloadKind

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
D, W, M, Y, T = Flag
GOOD = Verification.of((), BEGINNING)
HURT = Verification.of([DamagedObject("packs/ab/cd", "it is missing", ("/dev/sdf",))], BEGINNING)


@st.composite
def point_lists(draw):
    count = draw(st.integers(0, 30))
    return [
        RestorePoint(
            id=f"{number:032x}",
            kind=draw(st.sampled_from(list(PointKind))),
            workload=Workload(WorkloadKind.EC2_INSTANCE, "main", "eu-central-1", f"i-{draw(st.integers(1, 3)):08x}"),
            policy=draw(st.sampled_from(["web", "other", ""])),
            created_at=BEGINNING + timedelta(hours=draw(st.integers(0, 24 * 40))),
            size_bytes=1,
            snapshots=draw(st.sampled_from([{}, {"vol-1": f"snap-{number}"}])),
            flags=draw(st.sampled_from([(), (D,), (D, W), (D, W, M), (M,), (D, Y), (W, M, Y), (T,)])),
            verification=draw(st.sampled_from([None, GOOD, HURT])),
        )
        for number in range(count)
    ]


LIMITS = st.one_of(
    st.builds(Limit, keep=st.integers(1, 5)),
    st.builds(lambda days: Limit(days=days), st.integers(1, 20)),
    st.builds(lambda weeks: Limit(weeks=weeks), st.integers(1, 4)),
    st.builds(lambda months: Limit(months=months), st.integers(1, 2)),
)
RULES = st.dictionaries(st.sampled_from([D, W, M, Y]), LIMITS)
MOMENTS = st.builds(lambda hours: BEGINNING + timedelta(hours=hours), st.integers(24 * 40, 24 * 90))


def holds(flag, point, points, limits, now):
    """Whether the flag keeps the point, said once more and as plainly as can be."""
    if flag == T:
        return point.created_at + timedelta(hours=24) > now
    if flag not in limits:
        return True
    if limits[flag].keep is None:
        return expires_at(limits[flag], point.created_at, UTC) > now
    newer = [
        one
        for one in points
        if (one.policy, one.kind, one.workload) == (point.policy, point.kind, point.workload)
        and flag in (one.flags or (D,))
        and (one.created_at, one.id) > (point.created_at, point.id)
        and not one.is_hurt
    ]
    return len(newer) < limits[flag].keep


@given(point_lists(), RULES, MOMENTS)
def test_a_point_goes_when_no_flag_holds_and_never_the_newest(points, limits, now):
    verdicts = decide(points, "web", PointKind.IMAGE_BACKUP, limits, now)
    own = [point for point in points if point.policy == "web" and point.kind == PointKind.IMAGE_BACKUP]
    assert {one.point.id for one in verdicts} == {point.id for point in own}, "others are not judged"
    for verdict in verdicts:
        point = verdict.point
        held = tuple(flag for flag in point.flags or (D,) if holds(flag, point, points, limits, now))
        if held:
            assert verdict.keep
            assert verdict.flags == held
    for workload in {point.workload for point in own}:
        chain = [one for one in verdicts if one.point.workload == workload]
        kept = [one for one in chain if one.keep and T not in one.point.flags]
        lasting = sorted((one for one in chain if T not in one.point.flags), key=lambda one: one.point.is_hurt)
        assert lasting == [] or lasting[0] in kept, "the newest that is not temporary, a whole one if there is one"
        everything = [point for point in points if point.policy == "web" and point.workload == workload]
        newest = max(everything, key=lambda point: (point.created_at, point.id))
        assert all(one.keep for one in chain if one.point.id == newest.id)
        for one in chain:
            flags = one.point.flags or (D,)
            if not one.keep:
                assert not any(holds(flag, one.point, points, limits, now) for flag in flags)
            elif not any(holds(flag, one.point, points, limits, now) for flag in flags):
                assert one.point.id in (lasting[0].point.id if lasting else "", newest.id)


@given(point_lists(), RULES, MOMENTS)
def test_deciding_again_after_removal_changes_nothing(points, limits, now):
    before = decide(points, "web", PointKind.IMAGE_BACKUP, limits, now)
    others = [point for point in points if point.kind != PointKind.IMAGE_BACKUP]
    left = [replace(one.point, flags=one.flags, keep_until=one.keep_until) for one in before if one.keep]
    after = decide([*left, *others], "web", PointKind.IMAGE_BACKUP, limits, now)
    assert all(one.keep for one in after)
    assert [(one.flags, one.keep_until) for one in after] == [(one.flags, one.keep_until) for one in left]


@given(point_lists(), RULES, MOMENTS)
def test_the_order_in_which_points_are_known_decides_nothing(points, limits, now):
    forwards = decide(points, "web", PointKind.SNAPSHOT, limits, now)
    assert decide(points[::-1], "web", PointKind.SNAPSHOT, limits, now) == forwards


@given(point_lists())
def test_the_newest_backup_keeps_its_base(points):
    released = base_snapshots_to_release(points)
    backups = sorted((p for p in points if p.kind == PointKind.IMAGE_BACKUP), key=lambda p: (p.created_at, p.id))
    assert not backups or backups[-1] not in released
    assert all(point.snapshots and point.kind == PointKind.IMAGE_BACKUP for point in released)
    assert {point.id for point in released} == {point.id for point in backups[:-1] if point.snapshots}


@pytest.mark.parametrize(
    ("limit", "made", "gone"),
    [
        (Limit(days=3), "2026-03-27 02:30 +01", "2026-03-30 02:30 +02"),
        (Limit(days=2), "2026-03-27 02:30 +01", "2026-03-29 03:30 +02"),  # the clocks leave 02:30 out
        (Limit(days=1), "2026-10-24 02:30 +02", "2026-10-25 02:30 +01"),  # they show 02:30 twice: the later one
        (Limit(weeks=2), "2026-10-19 07:00 +02", "2026-11-02 07:00 +01"),
        (Limit(months=1), "2026-01-31 22:00 +01", "2026-02-28 22:00 +01"),
        (Limit(months=13), "2027-01-31 22:00 +01", "2028-02-29 22:00 +01"),
        (Limit(months=12), "2026-12-31 23:30 +01", "2027-12-31 23:30 +01"),
        (Limit(years=1), "2028-02-29 22:00 +01", "2029-02-28 22:00 +01"),
        (Limit(years=4), "2028-02-29 22:00 +01", "2032-02-29 22:00 +01"),
        # 23:30 UTC of the 31st is the 1st in Berlin: a month later it is the 1st there, too.
        (Limit(months=1), "2026-02-01 00:30 +01", "2026-03-01 00:30 +01"),
    ],
)
def test_time_passes_on_the_clocks_of_the_zone(limit, made, gone):
    def moment(text):
        return datetime.strptime(f"{text}00", "%Y-%m-%d %H:%M %z")

    assert expires_at(limit, moment(made), BERLIN) == moment(gone)


def test_a_number_has_no_time():
    assert expires_at(Limit(keep=3), BEGINNING, UTC) is None


def backup(number, hours, flags, kind=PointKind.IMAGE_BACKUP, keep_until=None):
    workload = Workload(WorkloadKind.EC2_INSTANCE, "main", "eu-central-1", "i-1")
    made = BEGINNING + timedelta(hours=hours)
    return RestorePoint(f"{number:032x}", kind, workload, "web", made, 1, flags=flags, keep_until=keep_until)


def judged(points, limits, hours, kind=PointKind.IMAGE_BACKUP):
    verdicts = decide(points, "web", kind, limits, BEGINNING + timedelta(hours=hours))
    return {int(one.point.id, 16): one for one in verdicts}


def test_by_number_the_newest_that_bear_a_flag_stay():
    points = [backup(number, number, (D, W) if number in (1, 2, 5) else (D,)) for number in range(1, 7)]
    one = judged(points, {D: Limit(keep=3), W: Limit(keep=2)}, 7)
    assert {number: verdict.flags for number, verdict in one.items() if verdict.keep} == {
        6: (D,), 5: (D, W), 4: (D,), 2: (W,),
    }  # fmt: skip
    assert one[5].why == "D: number 2, the policy keeps 3, W: number 1, the policy keeps 2"
    assert one[2].why == "W: number 2, the policy keeps 2"
    assert one[3].why == "D: number 4, the policy keeps 3"
    assert one[1].why == "D: number 6, the policy keeps 3, W: number 3, the policy keeps 2"


def test_a_hurt_point_takes_no_place():
    points = [backup(number, number, (D,)) for number in range(1, 5)]
    points[2] = replace(points[2], verification=HURT)
    assert [number for number, one in judged(points, {D: Limit(keep=2)}, 5).items() if one.keep] == [4, 3, 2]


def test_days_are_those_of_the_zone():
    """Summer time begins in Berlin at 1:00 UTC on the 29th: that day has 23 hours."""
    noon = datetime(2026, 3, 28, 11, 0, tzinfo=UTC)
    points = [replace(backup(number, 0, (D,)), created_at=noon + timedelta(hours=number)) for number in (0, 99)]
    (_newest, verdict) = decide(points, "web", PointKind.IMAGE_BACKUP, {D: Limit(days=1)}, noon, BERLIN)
    assert verdict.keep_until == noon + timedelta(hours=23)


def test_the_later_flag_says_until_when():
    limits = {D: Limit(days=3), M: Limit(months=1)}
    verdict = judged([backup(1, 0, (D, M)), backup(2, 1, (D,))], limits, 24)[1]
    assert (verdict.flags, verdict.keep_until) == ((D, M), BEGINNING + timedelta(days=31))
    later = judged([backup(1, 0, (D, M)), backup(2, 24 * 9, (D,))], limits, 24 * 10)[1]
    assert (later.flags, later.keep_until) == ((M,), BEGINNING + timedelta(days=31))
    assert later.why == "M: until 2026-02-01T00:00:00.000000Z"


def test_a_flag_that_the_policy_has_dropped_holds_as_long_as_was_said():
    said = BEGINNING + timedelta(days=30)
    points = [backup(1, 0, (W,), keep_until=said), backup(2, 0, (W,)), backup(3, 24 * 40, (D,))]
    limits = {D: Limit(keep=1)}
    assert [number for number, one in judged(points, limits, 24 * 29).items() if one.keep] == [3, 2, 1]
    assert [number for number, one in judged(points, limits, 24 * 41).items() if one.keep] == [3, 2]


def test_the_newest_stays_however_old_it_is_and_goes_with_the_next():
    limits = {D: Limit(days=3)}
    alone = judged([backup(1, 0, (D,))], limits, 24 * 400)[1]
    assert (alone.keep, alone.flags) == (True, (D,))
    assert alone.why == "the newest point stays (D: until 2026-01-04T00:00:00.000000Z)"
    assert not judged([backup(1, 0, (D,)), backup(2, 24 * 400, (D,))], limits, 24 * 400)[1].keep


def test_a_temporary_point_goes_after_a_day_once_there_is_a_newer_one():
    temporary = backup(1, 0, (T,), PointKind.SNAPSHOT)
    of_it = backup(2, 1, (M,))
    assert judged([temporary, of_it], {}, 23, PointKind.SNAPSHOT)[1].keep
    assert not judged([temporary, of_it], {}, 24, PointKind.SNAPSHOT)[1].keep
    assert judged([temporary], {}, 24 * 9, PointKind.SNAPSHOT)[1].keep, "its backup came to nothing"
    older = backup(3, -24, (D,), PointKind.SNAPSHOT)
    both = judged([older, temporary, of_it], {D: Limit(keep=1)}, 24, PointKind.SNAPSHOT)
    assert (both[3].keep, both[1].keep) == (True, False), "a temporary one takes no other's place"


def test_the_first_point_after_a_tiers_moment_bears_its_flag():
    before, moment, after = (BEGINNING + timedelta(hours=number) for number in (0, 1, 2))
    assert flags_at({W: moment, M: None}, before, beside=False) == (D, W)
    assert flags_at({W: moment}, moment, beside=False) == (D,)
    assert flags_at({W: moment}, after, beside=False) == (D,)
    assert flags_at({W: moment, M: moment}, before, beside=True) == (W, M)
    assert flags_at({W: None}, before, beside=True) == (D,), "no point is without a flag"


def test_an_archive_that_no_tier_owes_is_the_most_frequent_tiers():
    before, moment = BEGINNING, BEGINNING + timedelta(hours=1)
    assert archive_flags_at({M: moment, Y: None}, before) == (M,)
    assert archive_flags_at({M: before, Y: moment}, before) == (Y,)
    assert archive_flags_at({M: None, Y: before}, before) == (M,)


def test_a_promise_is_the_longest_of_the_limits_by_time_of_its_flags():
    limits = {D: Limit(keep=3), W: Limit(weeks=2), M: Limit(days=9), Y: Limit(years=1)}
    assert promised_until(limits, (D, M, W), BEGINNING, UTC) == BEGINNING + timedelta(weeks=2)
    assert promised_until(limits, (W, T), BEGINNING, UTC) == BEGINNING + timedelta(weeks=2), "no limit, no promise"
    assert promised_until(limits, (D,), BEGINNING, UTC) is None
    noon = datetime(2026, 3, 28, 11, 0, tzinfo=UTC)
    assert promised_until({D: Limit(days=1)}, (D,), noon, BERLIN) == noon + timedelta(hours=23), "summer time begins"
