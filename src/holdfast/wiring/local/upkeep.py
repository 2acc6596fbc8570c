"""What keeps a repository small, locked and whole."""

import time
from contextlib import closing

from holdfast.domain.collection import Collected, CollectionWish
from holdfast.repository.health.checking.scrub import ScrubReport, scrub
from holdfast.repository.opening.memory_of_locations import remember
from holdfast.repository.progress import Progress
from holdfast.repository.upkeep.renewal.renew import RenewalReport
from holdfast.wiring import collecting
from holdfast.wiring.existing_store import open_existing
from holdfast.wiring.local.opening import LocalRepository
from holdfast.wiring.machine import machine_surroundings


def collect(opened: LocalRepository, wish: CollectionWish, progress: Progress) -> Collected:
    """One collection, with this machine's clock to wait by."""
    collected = collecting.collect(opened.repository, wish, progress, time.sleep)
    remember(opened.repository, opened.memory, plan_epoch=collected.plan)
    return collected


def renew_locks(opened: LocalRepository, progress: Progress, *, dry_run: bool) -> RenewalReport:
    """Make the locks of an immutable repository last. Raises UsageError, LocksEndingError."""
    return collecting.renew(opened.repository, progress, dry_run=dry_run)


def scrubbed(location: str, percent: int, progress: Progress) -> ScrubReport:
    """Read a repository that need not be opened, and so much of its packs."""
    with machine_surroundings() as surroundings, closing(open_existing(location)) as store:
        return scrub(store, surroundings, percent, progress)
