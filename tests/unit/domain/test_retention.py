"""Retention by count, and base snapshots."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.retention import base_snapshots_to_release, decide
from holdfast.domain.workload import Workload, WorkloadKind

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def point_lists(draw):
    count = draw(st.integers(0, 30))
    return [
        RestorePoint(
            id=f"{number:032x}",
            kind=draw(st.sampled_from(list(PointKind))),
            workload=Workload(WorkloadKind.EC2_INSTANCE, "main", "eu-central-1", f"i-{draw(st.integers(1, 3)):08x}"),
            policy=draw(st.sampled_from(["web", "other", ""])),
            created_at=BEGINNING + timedelta(hours=draw(st.integers(0, 10))),
            size_bytes=1,
            snapshots=draw(st.sampled_from([{}, {"vol-1": f"snap-{number}"}])),
        )
        for number in range(count)
    ]


@given(point_lists(), st.integers(0, 5))
def test_the_newest_stay_and_others_are_not_judged(points, keep):
    verdicts = decide(points, "web", PointKind.SNAPSHOT, keep)
    own = [point for point in points if point.policy == "web" and point.kind == PointKind.SNAPSHOT]
    assert {one.point.id for one in verdicts} == {point.id for point in own}
    for workload in {point.workload.id for point in own}:
        chain = [one for one in verdicts if one.point.workload.id == workload]
        kept = [one.point.created_at for one in chain if one.keep]
        gone = [one.point.created_at for one in chain if not one.keep]
        assert len(kept) == min(max(keep, 1), len(chain))
        assert not gone or max(gone) <= min(kept)


@given(point_lists(), st.integers(1, 5))
def test_deciding_again_after_removal_removes_nothing(points, keep):
    kept = [one.point for one in decide(points, "web", PointKind.SNAPSHOT, keep) if one.keep]
    assert all(one.keep for one in decide(kept, "web", PointKind.SNAPSHOT, keep))


@given(point_lists())
def test_the_newest_backup_keeps_its_base(points):
    released = base_snapshots_to_release(points)
    backups = sorted((p for p in points if p.kind == PointKind.IMAGE_BACKUP), key=lambda p: (p.created_at, p.id))
    assert not backups or backups[-1] not in released
    assert all(point.snapshots and point.kind == PointKind.IMAGE_BACKUP for point in released)
    assert {point.id for point in released} == {point.id for point in backups[:-1] if point.snapshots}
