"""Restore points that stand and that the ledger does not know: its end is missing, and nobody remembers that it was
there, as where a copy of the store has not arrived as a whole; or the retirement of a point that was deleted is missing
(ordering rules 4.2 and 4.7).
"""

from collections.abc import Callable, Iterable, Iterator

from holdfast.domain.errors import HoldfastError, IntegrityError, UnavailableError
from holdfast.repository.format import names, tombstone
from holdfast.repository.format.envelope import DIGEST_BYTES, HEADER_BYTES, TAG_BYTES
from holdfast.repository.format.ledger import LedgerState
from holdfast.repository.format.tombstone import Tombstone
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.opening.point_object import PointObject, seen_point_object
from holdfast.repository.opening.retirements import read_retirement
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN, several_versions
from holdfast.repository.trust.presence import not_shown

# All tombstones have this size; a manifest has several times as many bytes.
TOMBSTONE_BYTES = (
    HEADER_BYTES + len(tombstone.encode(Tombstone(bytes(16), "2026-01-01T00:00:00.000000Z"))) + TAG_BYTES + DIGEST_BYTES
)
_CURE = (
    "it may be a restore point that the ledger does not know: bring it back from the bucket's older versions or a "
    "copy; if none ever stood there, remove that one object"
)


def unknown_points(
    sealed: SealedStore, read_ledger: Callable[[], tuple[LedgerState, int]]
) -> Iterator[tuple[str, PointObject | HoldfastError]]:
    """Their keys, each with its manifest; and with the error of what does not open and may be one, or is there and is
    not shown. In an immutable repository, whose ledger loses no end, the latter is nothing: whoever may put objects
    could stop everything with it.

    `read_ledger`: its state, and the key epoch that it has reached: behind that who has only an older key can put
    manifests anywhere, and none of these counts. Points are listed first, THEN the ledger is read: whoever wrote one
    was in the ledger before. Retirements are listed last: one stands before the ledger is told of it. Here their names
    say enough, for one stands for each point that was ever deleted.
    """
    listed = list(_without_tombstones(sealed))
    state, least_kid = read_ledger()
    known = state.live.keys() | state.open.keys()
    unknown = [key for key in listed if names.session_of_point(key) not in known]
    if not unknown:
        return
    retired = {names.session_of_point(info.key) for info in objects_under(sealed.store, names.RETIRED)}
    asked = [key for key in unknown if names.session_of_point(key) not in retired]
    for key, found in few_at_once(sealed.surroundings, lambda key: _standing(sealed, state, key), asked):
        if isinstance(found, HoldfastError):
            if not sealed.first_counts:
                yield key, found
        elif found is not None and found.kid >= least_kid:
            yield key, found


def _without_tombstones(sealed: SealedStore) -> Iterator[str]:
    """What may be points: there are as many tombstones as backups that came to nothing, for ever. Of what has several
    versions a list shows the size of the newest alone, which may be anybody's.
    """
    several = several_versions(sealed.store, names.POINTS) if sealed.first_counts else {}
    for info in objects_under(sealed.store, names.POINTS):
        if info.size_bytes != TOMBSTONE_BYTES or info.key in several:
            yield info.key


def _standing(sealed: SealedStore, state: LedgerState, key: str) -> PointObject | HoldfastError | None:
    """The point that stands there and is not retired, or why nobody can say what it is."""
    try:
        found = _opened(sealed, state, key)
    except NOT_IT as error:
        return IntegrityError(error.what, why=error.why, cure=_CURE, objects=(key,))
    except (*UNSEEN, UnavailableError) as error:
        return error
    if found is None:
        return not_shown(key, "the store lists it and does not give its bytes")
    if found.manifest is None or read_retirement(sealed, names.session_of_point(key)) is not None:
        return None
    return found


def _opened(sealed: SealedStore, state: LedgerState, key: str) -> PointObject | None:
    """Asked a second time where it does not open: that answer may have come torn."""
    try:
        return seen_point_object(sealed, state, key)
    except NOT_IT:
        return seen_point_object(sealed, state, key)


def require_known(points: Iterable[tuple[str, PointObject | HoldfastError]]) -> None:
    """Before anything counts as needed by nobody, or as unknown for good. Raises the IntegrityError of the first point
    that the ledger does not know, or the error of what may be one.
    """
    for key, found in points:
        raise found if isinstance(found, HoldfastError) else unknown_point_error(key)


def unknown_point_error(key: str) -> IntegrityError:
    """The error of one such point."""
    return IntegrityError(
        f"the ledger does not know the restore point {key}",
        why=f"its end is missing, or {names.retired(names.session_of_point(key))} is",
        cure="bring what is missing back from a copy of the store; or let `holdfast repository repair --ledger-only` "
        "tell the ledger of the point, and delete it again if it was deleted. Where the store shows late what was "
        "written elsewhere (NFS), run it again",
        objects=(key,),
    )
