"""Retention by count: which restore points go, and why the others stay. Deciding and freeing are never one call."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.domain.restore_point import PointKind, RestorePoint


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one point, and why, as a person reads it."""

    point: RestorePoint
    keep: bool
    why: str


def decide(points: Iterable[RestorePoint], policy: str, kind: PointKind, keep: int) -> list[Verdict]:
    """Of each workload the newest `keep` points of that policy and kind stay. Other points are none of its business.

    Whatever the count, the newest point of a workload stays. Verdicts come newest first for each workload.
    """
    own: dict[tuple[str, str, str], list[RestorePoint]] = defaultdict(list)
    for point in points:
        if point.policy == policy and point.kind == kind:
            own[point.workload.account, point.workload.region, point.workload.id].append(point)
    verdicts: list[Verdict] = []
    for _workload, chain in sorted(own.items()):
        newest_first = sorted(chain, key=lambda point: (point.created_at, point.id), reverse=True)
        for rank, point in enumerate(newest_first, 1):
            stays = rank <= max(keep, 1)
            verdicts.append(Verdict(point, stays, f"number {rank} of {len(chain)}, the policy keeps {keep}"))
    return verdicts


def base_snapshots_to_release(points: Sequence[RestorePoint]) -> list[RestorePoint]:
    """Image backups of one workload and repository whose base snapshots are no longer needed: all but the newest."""
    backups = sorted(
        (point for point in points if point.kind == PointKind.IMAGE_BACKUP),
        key=lambda point: (point.created_at, point.id),
    )
    return [point for point in backups[:-1] if point.snapshots]
