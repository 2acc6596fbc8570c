"""Restore points that stand and that the ledger does not know: its end is missing, and nobody remembers that it was
there, as where a copy of the store has not arrived as a whole; or the retirement of a point that was deleted is missing
(ordering rules 4.2 and 4.7).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

from holdfast.domain.errors import HoldfastError, IntegrityError, UnavailableError
from holdfast.repository.format import names, tombstone
from holdfast.repository.format.envelope import DIGEST_BYTES, HEADER_BYTES, TAG_BYTES
from holdfast.repository.format.ledger import LedgerState, Record
from holdfast.repository.format.tombstone import Tombstone
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.opening.point_object import PointObject, commit_record, seen_point_object
from holdfast.repository.opening.retirements import read_retirement
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN, as_damage, several_versions
from holdfast.repository.trust.presence import not_shown

_A_TIME = "2026-01-01T00:00:00.000000Z"
# All tombstones are as large, and every manifest is larger.
TOMBSTONE_BYTES = HEADER_BYTES + len(tombstone.encode(Tombstone(bytes(16), _A_TIME))) + TAG_BYTES + DIGEST_BYTES
_TRIES = 2
_CURE = (
    "it may be a restore point that the ledger does not know: bring it back from the bucket's older versions or a "
    "copy; if none ever stood there, remove that one object (in an immutable repository put a delete marker over it)"
)


def unknown_points(
    sealed: SealedStore, read_ledger: Callable[[], tuple[LedgerState, int]]
) -> Iterator[tuple[str, PointObject | HoldfastError]]:
    """Their keys, each with its manifest, or with the error of what does not open and may be one: IntegrityError, or
    UnavailableError of what is there and is not shown. What does not open and is as it was put is nothing.

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
        if isinstance(found, HoldfastError) or (found is not None and found.kid >= least_kid):
            yield key, found


def _without_tombstones(sealed: SealedStore) -> Iterator[str]:
    """What may be points, of which there are as many as backups that came to nothing, for ever. Of what has several
    versions a list shows the size of the newest alone, which may be anybody's.
    """
    several = several_versions(sealed.store, names.POINTS) if sealed.first_counts else {}
    for info in objects_under(sealed.store, names.POINTS):
        if info.size_bytes > TOMBSTONE_BYTES or info.key in several:
            yield info.key


def _standing(sealed: SealedStore, state: LedgerState, key: str) -> PointObject | HoldfastError | None:
    """The point that stands there and is not retired, or why nobody can say what it is."""
    try:
        found = _opened(sealed, state, key)
    except NOT_IT as error:
        if _is_as_put(sealed, key):
            return None
        return IntegrityError(error.what, why=error.why, cure=_CURE, objects=(key,))
    except UNSEEN as error:
        return as_damage(sealed.store, key, error)
    except UnavailableError as error:
        return error
    if found is None:
        is_hidden = sealed.first_counts and sealed.is_hidden(key)
        return None if is_hidden else not_shown(key, "the store lists it and does not give its bytes")
    if found.manifest is None or read_retirement(sealed, names.session_of_point(key)) is not None:
        return None
    return found


def _opened(sealed: SealedStore, state: LedgerState, key: str) -> PointObject | None:
    """A second time where it does not open: nothing may hang on one answer that came torn."""
    for _try in range(_TRIES - 1):
        try:
            return seen_point_object(sealed, state, key)
        except NOT_IT:
            continue
    return seen_point_object(sealed, state, key)


def _is_as_put(sealed: SealedStore, key: str) -> bool:
    """Whether the store says that its bytes are those that were put: then they never were a point. All that is ours
    bears its SHA-256: so in a store that keeps them, what has none is not.
    """
    kept = sealed.store.head(key).sha256
    if kept is None:
        return sealed.store.head(names.CONFIG).sha256 is not None
    return kept == hashlib.sha256(sealed.store.get(key)).digest()


def require_known(points: Iterable[tuple[str, PointObject | HoldfastError]]) -> None:
    """Before anything counts as needed by nobody. Raises the IntegrityError of the first that the ledger does not know,
    or what says that there may be one.
    """
    for key, found in points:
        raise found if isinstance(found, HoldfastError) else unknown(key)


def unknown(key: str) -> IntegrityError:
    """The error of one such point."""
    return IntegrityError(
        f"the ledger does not know the restore point {key}",
        why=f"its end is missing, or {names.retired(names.session_of_point(key))} is",
        cure="bring what is missing back from a copy of the store; or let `holdfast repository repair --ledger-only` "
        "tell the ledger of the point, and delete it again if it was deleted. Where the store shows late what was "
        "written elsewhere (NFS), run it again",
        objects=(key,),
    )


def commits_of(sealed: SealedStore, points: Iterable[tuple[str, PointObject | HoldfastError]]) -> Iterator[Record]:
    """The ledger's record of each. Raises the errors among them."""
    time = sealed.surroundings.timestamp()
    for key, found in points:
        if isinstance(found, HoldfastError):
            raise found
        if found.manifest is not None:
            yield commit_record(key, found.manifest, time, found.sha256)
