"""Copy points of one repository into another, oldest first, and say what came of each."""

from dataclasses import dataclass, field

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    IntegrityError,
    KeyPinError,
    LeaseHeldError,
    NotFoundError,
    SecondWriterError,
    UnsupportedFormatError,
    UsageError,
)
from holdfast.repository.copying.backups_here import BackupsHere, backup_of
from holdfast.repository.copying.base import choose_base
from holdfast.repository.copying.copy_point import CopiedPoint, Copying
from holdfast.repository.copying.estimate import WouldBeHeir, new_chunks
from holdfast.repository.copying.order import Chosen, CopyOrder, choose
from holdfast.repository.copying.run_progress import RunProgress
from holdfast.repository.format import names
from holdfast.repository.format.places import PackRow
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress, Silence
from holdfast.repository.sessions.points import PointSummary
from holdfast.repository.writing.unfinished import NO_VIGIL, Vigil

# What may befall one point and need not stop the others, and what of that never does.
_OF_ONE_POINT = (ConflictError, IntegrityError, NotFoundError, UnsupportedFormatError)
_OF_A_PLACE = (KeyPinError, LeaseHeldError, SecondWriterError)


@dataclass(frozen=True, slots=True)
class FailedPoint:
    """A point that could not be copied, and why."""

    point: PointSummary
    error: HoldfastError


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What came of a run; `warnings` are lines for a person."""

    chosen: Chosen
    copied: list[CopiedPoint] = field(default_factory=list)
    failed: list[FailedPoint] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EstimatedCopy:
    """`stored_bytes`: about how much would be read and stored for `point`, out of these `packs`."""

    point: PointSummary
    stored_bytes: int
    packs: frozenset[PackRow]


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What a run would do."""

    chosen: Chosen
    estimates: list[EstimatedCopy] = field(default_factory=list)
    failed: list[FailedPoint] = field(default_factory=list)


def copy_points(
    source: Repository, target: Repository, order: CopyOrder, progress: Progress, vigil: Vigil = NO_VIGIL
) -> CopyReport:
    """Copy what the target does not have. What befalls one point (it is damaged, or was deleted meanwhile) does not
    stop the others and stands in the report; what befalls the places (full, forbidden, away, taken by another writer,
    the target's ledger or plan damaged) is raised, and the next run goes on: also with the point that was under way,
    where what was stored of it still stands.
    """
    run = _begun(source, target, vigil)
    report = CopyReport(choose(source, run.there, run.here, order))
    told = RunProgress(progress, sum(point.size_bytes for point in report.chosen.to_copy))
    for point in report.chosen.to_copy:
        told.begin(point.size_bytes)
        try:
            copied = run.copy(point, told)
        except _OF_ONE_POINT as error:
            _raise_if_of_a_place(error, source, target)
            report.failed.append(FailedPoint(point, error))
            run.forget_readers()
        else:
            report.copied.append(copied)
            record = target.ledger.state.live[copied.manifest.session]
            run.here.add(backup_of(source, point), PointSummary.of_record(record))
        told.finish()
    report.warnings.extend(run.warnings())
    return report


def plan_copy(source: Repository, target: Repository, order: CopyOrder) -> CopyPlan:
    """The same without writing anything anywhere: from the maps of what would be copied, against what the target's
    newest plan lets a copy build upon. It reads without a pin.
    """
    run = _begun(source, target, NO_VIGIL)
    plan = CopyPlan(choose(source, run.there, run.here, order))
    heir = WouldBeHeir(source, target)
    for point in plan.chosen.to_copy:
        try:
            base = choose_base(heir, source, run.there, run.here, point, Silence())
            stored_bytes, packs = 0, set[PackRow]()
            for chunk in new_chunks(source, run.readers(point.tenant), point, base):
                stored_bytes += chunk.place.length
                packs.add(chunk.place.pack)
        except _OF_ONE_POINT as error:
            plan.failed.append(FailedPoint(point, error))
        else:
            plan.estimates.append(EstimatedCopy(point, stored_bytes, frozenset(packs)))
            run.here.add(backup_of(source, point), point)
            heir.add(point)
    return plan


def _begun(source: Repository, target: Repository, vigil: Vigil) -> Copying:
    require_two(source, target)
    for place in (source, target):
        place.ledger.refresh()  # it may be hours since they were opened: something was retrieved
    here = BackupsHere(target)
    gone = tuple(here.pass_over_gone())
    return Copying(source, target, BackupsHere(source), here, vigil, gone)


def _raise_if_of_a_place(error: HoldfastError, source: Repository, target: Repository) -> None:
    """What every further point would meet too: raised, as is what is wrong with a place that does not answer, or with
    what every session in the target goes by.
    """
    if isinstance(error, _OF_A_PLACE):
        raise error
    for place in (source, target):
        place.store.head(names.CONFIG)
    newest_plan(target.sealed, target.ledger.whole().plan_epoch)


def require_two(source: Repository, target: Repository) -> None:
    """Raises UsageError where the two are one."""
    if source.config.repository == target.config.repository:
        raise UsageError(
            "a repository is not copied into itself",
            why=f"{source.store.location} and {target.store.location} are one repository",
            cure="name another target; make one with `holdfast repository init`",
        )
