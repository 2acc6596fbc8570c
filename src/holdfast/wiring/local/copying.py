"""Copies of restore points from one repository into another."""

from holdfast.repository.copying.copy import CopyReport, copy_points, plan_copy
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.progress import Progress
from holdfast.repository.reading.retrieval.plan import RetrievalPlan, plan_for_packs, with_survivors
from holdfast.repository.reading.retrieval.retrieving import KeepingProgress, Retrieval
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.wiring.local.opening import LocalRepository
from holdfast.wiring.location_memory import home_folder
from holdfast.wiring.process_vigil import ProcessVigil


def copy(
    there: LocalRepository, here: LocalRepository, order: CopyOrder, retrieved: Retrieval, progress: Progress
) -> CopyReport:
    """Copy restore points of the one into the other; copies that were retrieved for it are kept while it goes on."""
    keeping, vigil = KeepingProgress(progress, retrieved), ProcessVigil(home_folder())
    return copy_points(there.repository, here.repository, order, keeping, vigil)


def retrieval_for_copy(
    there: LocalRepository, here: LocalRepository, order: CopyOrder, met: frozenset[str] = frozenset()
) -> Retrieval:
    """What has to be retrieved of `there` before those points can be copied to `here`; `met`: what a
    NeedsRetrievalError named. Asks for nothing.
    """
    source = there.repository
    if source.config.archive_class is None:
        return Retrieval(source, RetrievalPlan((), None))
    estimates = plan_copy(source, here.repository, order).estimates
    planned = {row for one in estimates for row in one.packs}
    packs = with_survivors(source, planned, StandingPacks(source.store))
    plan = plan_for_packs(source, tuple(one.point.session for one in estimates), packs, met)
    return Retrieval(source, plan, there.jobs)
