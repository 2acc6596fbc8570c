"""Before all else the ledger is told of the points that it does not know (ordering rule 4.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.domain.errors import HoldfastError
from holdfast.repository.format import names
from holdfast.repository.format.ledger import LedgerState, Record
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.point_object import PointObject, commit_record
from holdfast.repository.opening.repository import Repository
from holdfast.repository.opening.retirements import read_retirement
from holdfast.repository.progress import Progress


@dataclass(frozen=True, slots=True)
class Recorded:
    """The keys of points that the ledger was told of, or would be; and of what may be one and cannot be read."""

    points: tuple[str, ...]
    unreadable: Mapping[str, HoldfastError]


def record_points(repository: Repository, progress: Progress, *, rehearsal: bool = False) -> Recorded:
    """Raises IntegrityError where the ledger is damaged, and where the newest plan is older than one that such a point
    was made under: once the ledger says so nobody writes under it, so nothing is said before. And what cannot be read
    is raised where a key epoch begins with this record: behind that it would count for nothing.
    """
    ledger = repository.ledger
    ledger.whole()
    found, unreadable = dict[str, PointObject](), dict[str, HoldfastError]()
    for key, one in ledger.unknown_points():
        if isinstance(one, HoldfastError):
            unreadable[key] = one
        else:
            found[key] = one
    if not found:
        return Recorded((), unreadable)
    if unreadable and ledger.reached_kid < repository.master.kid:
        raise min(unreadable.items())[1]
    made_under = [one.manifest.plan_epoch for one in found.values() if one.manifest is not None]
    newest_plan(repository.sealed, max(ledger.state.plan_epoch, *made_under))
    if not rehearsal:
        for key in sorted(found):
            progress.note(f"the ledger does not know {key}, and is told of it")
        ledger.append_as(lambda state: _still_unknown(repository, found, state), beside_unknown=True)
    return Recorded(tuple(sorted(found)), unreadable)


def _still_unknown(
    repository: Repository, found: Mapping[str, PointObject], state: LedgerState
) -> Sequence[Record] | None:
    """The records: others write meanwhile, tell it too, delete the point, or begin a key epoch."""
    known, least_kid = state.live.keys() | state.open.keys(), repository.ledger.reached_kid
    time = repository.surroundings.timestamp()
    return [
        commit_record(key, one.manifest, time, one.sha256)
        for key, one in sorted(found.items())
        if one.manifest is not None
        and one.manifest.session not in known
        and one.kid >= least_kid
        and read_retirement(repository.sealed, names.session_of_point(key)) is None
    ] or None
