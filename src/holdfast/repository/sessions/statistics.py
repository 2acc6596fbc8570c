"""How large a repository is and what it holds, from one LIST and the ledger."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.points import list_points
from holdfast.repository.trust.coverings import hidden


@dataclass(frozen=True, slots=True)
class RepositoryStatistics:
    """`stored_bytes` is what the store holds, `points_bytes` the sum of the points' sizes; by kind of object: count
    and bytes. `hidden`: objects over which a delete marker stands, so that no LIST shows them; they are counted nowhere
    else.
    """

    points: int
    workloads: int
    points_bytes: int
    packs: int
    stored_bytes: int
    objects: Mapping[str, int]
    object_bytes: Mapping[str, int]
    hidden: int


def measure(repository: Repository) -> RepositoryStatistics:
    """Count everything under the repository's prefix, by the first part of its key."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for info in repository.store.list(""):
        kind = info.key.split("/", 1)[0]
        count[kind] += 1
        size[kind] += info.size_bytes
    points = list_points(repository)
    return RepositoryStatistics(
        points=len(points),
        workloads=len({(point.tenant, point.workload) for point in points}),
        points_bytes=sum(point.size_bytes for point in points),
        packs=count["packs"],
        stored_bytes=sum(size.values()),
        objects=dict(sorted(count.items())),
        object_bytes=dict(sorted(size.items())),
        hidden=len(hidden(repository.store)),
    )
