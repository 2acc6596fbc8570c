"""Before all else the ledger is told of the points that it does not know (ordering rule 4.7)."""

from collections.abc import Mapping, Sequence

from holdfast.repository.format import names
from holdfast.repository.format.ledger import LedgerState, Record
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.point_object import PointObject
from holdfast.repository.opening.repository import Repository
from holdfast.repository.opening.retirements import read_retirement
from holdfast.repository.opening.unknown_points import commits_of
from holdfast.repository.progress import Progress


def record_points(repository: Repository, progress: Progress, *, rehearsal: bool = False) -> tuple[str, ...]:
    """The keys of those that it was told of, or would be. What does not open under such a name is left to a check.

    Raises the IntegrityError of a plan that such a point was made under and that is missing: once the ledger says so
    nobody writes under an older one, so nothing is said before.
    """
    found = {key: one for key, one in repository.ledger.unknown_points() if isinstance(one, PointObject)}
    if found:
        made_under = [one.manifest.plan_epoch for one in found.values() if one.manifest is not None]
        newest_plan(repository.sealed, max(repository.ledger.state.plan_epoch, *made_under))
    if found and not rehearsal:
        for key in sorted(found):
            progress.note(f"the ledger does not know {key}, and is told of it")
        repository.ledger.append_as(lambda state: _unsaid(repository, found, state))
    return tuple(sorted(found))


def _unsaid(repository: Repository, found: Mapping[str, PointObject], state: LedgerState) -> Sequence[Record] | None:
    """What is to be said still: others write meanwhile, tell it too, delete the point, or begin a key epoch."""
    known, least_kid = state.live.keys() | state.open.keys(), repository.ledger.reached_kid
    left = [
        (key, one)
        for key, one in sorted(found.items())
        if (session := names.session_of_point(key)) not in known
        and one.kid >= least_kid
        and read_retirement(repository.sealed, session) is None
    ]
    return list(commits_of(repository.sealed, left)) or None
