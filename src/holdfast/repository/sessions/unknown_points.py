"""Restore points that stand and that the ledger does not know: its end is missing, and nobody remembers that it was
there (as where a copy of the store has not arrived as a whole); or the retirement of a point that was deleted is.
"""

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.opening.point_object import PointObject, commit_record, read_point_object
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.session import is_repacking, is_retired
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN


def unknown_points(repository: Repository) -> dict[str, PointObject]:
    """What stands under the names of such points, by key: manifests under the newest key epoch, for who has only an
    older key can put others there at any time. What does not open is none. None where the ledger is damaged: that says
    itself what it may hide.

    Points are listed first, THEN the ledger is read: whoever wrote one was in the ledger before. Retirements last: one
    stands before the ledger is told of it.
    """
    store = repository.store
    listed = [info.key for info in objects_under(store, names.POINTS)]
    state = repository.ledger.refresh()
    if repository.ledger.damage:
        return {}
    known = state.live.keys() | state.open.keys()
    unknown = [key for key in listed if names.session_of_point(key) not in known]
    if not unknown:
        return {}
    retired = {names.session_of_point(info.key) for info in objects_under(store, names.RETIRED)}
    asked = [key for key in unknown if names.session_of_point(key) not in retired]
    found = few_at_once(repository.surroundings, lambda key: _standing(repository, key), asked)
    return {key: one for key, one in found if one is not None}


def require_known_points(repository: Repository) -> None:
    """Before anything counts as needed by nobody. Raises IntegrityError with the points that the ledger does not
    know.
    """
    unknown = unknown_points(repository)
    if unknown:
        first = min(unknown)
        raise IntegrityError(
            f"the ledger does not know the restore point {first}",
            why=f"its end is missing, or {names.retired(names.session_of_point(first))} is",
            cure="bring what is missing back from a copy of the store; or let `holdfast repository repair` tell the "
            "ledger of the point, and delete it again if it was deleted",
            objects=tuple(sorted(unknown)),
        )


def tell_of_unknown_points(repository: Repository, unknown: dict[str, PointObject]) -> None:
    """The ledger's record of each, unless somebody has told it meanwhile."""
    time = repository.surroundings.timestamp()
    records = [
        commit_record(key, found.manifest, time, found.sha256)
        for key, found in sorted(unknown.items())
        if found.manifest is not None
    ]
    repository.ledger.append_as(
        lambda state: [one for one in records if one["session"] not in state.live.keys() | state.open.keys()] or None
    )


def _standing(repository: Repository, key: str) -> PointObject | None:
    """The point that stands there and is not retired."""
    if _is_repacking(repository, key):
        return None
    try:
        found = read_point_object(repository.sealed, repository.ledger.state, key)
    except (*NOT_IT, *UNSEEN):
        return None  # `check` names it
    if found is None or found.manifest is None or found.kid < repository.master.kid:
        return None
    return None if is_retired(repository, names.session_of_point(key)) else found


def _is_repacking(repository: Repository, key: str) -> bool:
    """Whether a tombstone is all that can stand there: each collection that moves something leaves one."""
    try:
        return is_repacking(repository, key)
    except (*NOT_IT, *UNSEEN, ObjectNotFoundError):
        return False
