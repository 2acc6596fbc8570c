"""One collection or renewal in an open repository: the words of people and appliances, and the repository's own."""

from collections.abc import Callable
from datetime import timedelta

from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.errors import HoldfastError, LocksEndingError
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.renewal.notice import ending, is_due
from holdfast.repository.upkeep.renewal.renew import RenewalReport, renew_locks


def collect(
    repository: Repository, wish: CollectionWish, progress: Progress, pause: Callable[[float], None]
) -> Collected:
    """To its end, or until sessions have been waited for long enough; in an immutable repository locks are renewed
    after it where that is due, whatever came of it. Raises IntegrityError, ConflictError, LocksEndingError.
    """
    order = CollectionOrder(timedelta(minutes=wish.wait_minutes), repack=wish.repack, dry_run=wish.dry_run)
    renews = not wish.dry_run and is_due(repository)
    try:
        report = Collection(repository, order, progress, pause).run()
    except HoldfastError:
        if renews:
            renew(repository, progress)
        raise
    # After it, so that what it has condemned is not locked again.
    renewal = renew(repository, progress) if renews else None
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
        merged_index_runs=report.merged_runs,
        young_packs=report.young,
        young_bytes=report.young_bytes,
        unfinished_packs=report.unfinished,
        unfinished_bytes=report.unfinished_bytes,
        locked_packs=report.locked,
        renewed_locks=0 if renewal is None else renewal.extended,
        not_renewed=() if renewal is None else tuple(one.object for one in renewal.not_renewed),
        waiting={one.session.hex(): one.since for one in report.waiting},
    )


def renew(repository: Repository, progress: Progress, *, dry_run: bool = False) -> RenewalReport:
    """One renewal of locks. Where it fails and the last one is long ago, the error is the alarm (LocksEndingError)."""
    try:
        return renew_locks(repository, progress, dry_run=dry_run)
    except HoldfastError as error:
        told = ending(repository)
        if told is None:
            raise
        raise LocksEndingError(
            told,
            why=f"they could not be renewed: {error.what} ({error.why})",
            cure=error.cure,
        ) from error
