"""What a pack must be: the manifest of the session that wrote it says so, also when its point is retired, for no
manifest is ever deleted (section 10). Packs of sessions without a point (repacking, repair) are recorded by nobody.
"""

from collections.abc import Iterable, Iterator

from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest, StoredPack
from holdfast.repository.format.places import PackRow
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.session import read_point, retired_key
from holdfast.repository.trust.coverings import covered
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import NOT_IT


def recorded_packs(repository: Repository, rows: Iterable[PackRow]) -> dict[bytes, StoredPack]:
    """Of these packs what the manifests of their own sessions recorded, by pack. Of a session whose manifest does not
    open nothing is said: `check` names it.
    """
    owners = {row.pack: row.session for row in rows}
    recorded = _of_sessions(repository, set(owners.values()))
    return {one.pack: one for session, one in recorded if owners.get(one.pack) == session}


def all_recorded_packs(repository: Repository) -> dict[bytes, StoredPack]:
    """The same by every manifest that the ledger counts, or a LIST shows as retired; of the latter's packs those that
    stand, or stood and are covered (rule 9.5). A point that counts has the last word.
    """
    store, state = repository.store, repository.ledger.state
    standing = {info.key for info in objects_under(store, names.PACKS)}
    standing.update(one.key for one in covered(store, names.PACKS))
    retired = [names.session_of_point(info.key) for info in objects_under(store, names.RETIRED)]
    gone = {one.pack: one for _session, one in _of_sessions(repository, retired) if names.pack(one.pack) in standing}
    return gone | {one.pack: one for _session, one in _of_sessions(repository, [*state.live, *state.open])}


def manifests_of(repository: Repository, sessions: Iterable[bytes]) -> Iterator[tuple[bytes, Manifest]]:
    """Of those of these sessions, in their order, whose manifests open; `check` names the others."""
    found = few_at_once(repository.surroundings, lambda session: _manifest_of(repository, session), sessions)
    return ((session, manifest) for session, manifest in found if manifest is not None)


def _of_sessions(repository: Repository, sessions: Iterable[bytes]) -> Iterator[tuple[bytes, StoredPack]]:
    """In the order of the sessions."""
    return ((session, pack) for session, manifest in manifests_of(repository, sessions) for pack in manifest.packs)


def _manifest_of(repository: Repository, session: bytes) -> Manifest | None:
    state = repository.ledger.state
    record = state.live.get(session) or state.open.get(session)
    key = retired_key(repository, session) if record is None else str(record["point"])
    try:
        return None if key is None else read_point(repository, key)
    except NOT_IT:
        return None
