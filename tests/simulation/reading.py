"""What tests look at."""

from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import Session, Task
from holdfast.testing.simulated_site import SimulatedSite


def points(site: SimulatedSite, kind: str = "") -> list[RestorePoint]:
    """Oldest first."""
    found = site.records.points.page(before=None, limit=10_000)[::-1]
    return [point for point in found if kind in ("", point.kind)]


def tasks(site: SimulatedSite, session: Session) -> list[Task]:
    """Of a session."""
    return site.records.sessions.tasks(session.id)


def log(site: SimulatedSite, session: Session) -> list[str]:
    """The messages of a session."""
    return [line.message for line in site.records.sessions.lines(session.id, 0, 100_000)]


def snapshots(site: SimulatedSite) -> set[str]:
    """Ids of those that are there."""
    return {one.id for one in site.cloud.objects.values() if one.kind == "snapshot"}


def named_snapshots(site: SimulatedSite) -> set[str]:
    """Ids of those that restore points name."""
    return {one for point in points(site) for one in point.snapshots.values()}


def assert_nothing_left(site: SimulatedSite) -> None:
    """No worker, no scratch, no snapshot that nothing names, no point without its snapshots, no open ledger row."""
    assert site.cloud.count("instance", "role", "queue", "volume", "image") == 0
    assert snapshots(site) == named_snapshots(site)
    for name, repository in site.repositories.items():
        assert (repository.open_scratch(), repository.pins) == ([], {}), name
        listed = {point.id for point in points(site) if point.repository == name}
        assert listed == set(repository.points_by_id), name
    assert {row.object_id for row in site.records.ledger.open_rows()} == snapshots(site)
    assert site.records.open_backups.all() == []
    assert site.records.sessions.unfinished() == []
    assert site.records.sessions.running_tasks() == []
