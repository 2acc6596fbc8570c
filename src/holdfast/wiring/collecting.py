"""One collection in a repository that is open: the words of people and appliances, and the repository's own."""

from collections.abc import Callable
from datetime import timedelta

from holdfast.domain.collection import Collected, CollectionWish
from holdfast.repository.collection.collect import Collection, CollectionOrder
from holdfast.repository.opening import Repository
from holdfast.repository.progress import Progress


def collect(
    repository: Repository, wish: CollectionWish, progress: Progress, pause: Callable[[float], None]
) -> Collected:
    """To its end, or until sessions have been waited for long enough. Raises IntegrityError, ConflictError."""
    order = CollectionOrder(timedelta(minutes=wish.wait_minutes), repack=wish.repack, dry_run=wish.dry_run)
    report = Collection(repository, order, progress, pause).run()
    return Collected(
        plan=report.epoch,
        restore_points=report.points,
        packs=report.packs,
        stored_bytes=report.stored_bytes,
        condemned_packs=report.condemned,
        condemned_bytes=report.condemned_bytes,
        repacked_packs=report.repacked,
        written_bytes=report.written_bytes,
        deleted_packs=report.deleted,
        freed_bytes=report.freed_bytes,
        kept_packs=report.kept,
        young_packs=report.young,
        young_bytes=report.young_bytes,
        waiting={one.session.hex(): one.since for one in report.waiting},
    )
