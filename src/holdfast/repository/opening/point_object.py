"""What stands under a restore point's key, and what the ledger says of it (ordering rule 2; sections 12 and 21)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import manifest as manifest_form
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.ledger import LedgerState, Record
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.object_store import Buffer
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.older_versions import open_newest_good
from holdfast.repository.trust.presence import is_there, not_shown

_OF_AN_OPEN_SESSION = (
    "it may be a restore point that the ledger does not know yet: bring it back from the bucket's older versions or a "
    "copy; if none ever stood there, remove that one object (in an immutable repository put a delete marker over it), "
    "and the session is ended without a point"
)


@dataclass(frozen=True, slots=True)
class PointObject:
    """The object under a point's key; `manifest` is None where it is a tombstone. `sha256` is that of the whole object,
    `kid` its key epoch.
    """

    manifest: Manifest | None
    sha256: bytes
    kid: int


def read_point_object(sealed: SealedStore, state: LedgerState, point_key: str) -> PointObject | None:
    """What stands there, whatever its key epoch is; None where nothing does. Raises IntegrityError for damage, and for
    another object than the ledger's `commit` says.
    """
    session = names.session_of_point(point_key)
    expected = state.live.get(session, {}).get("manifest")

    def opened(data: Buffer) -> PointObject:
        sha256 = hashlib.sha256(data).digest()
        if expected is not None and sha256 != expected:
            raise FormatError(
                f"{point_key} is not what the ledger says",
                why="its SHA-256 is another one: it is damaged, or somebody put another object in its place",
                cure="bring it back from the bucket's older versions or a copy",
                key=point_key,
            )
        kind, body = sealed.open(point_key, data, Kind.MANIFEST, Kind.TOMBSTONE)
        manifest = None if kind == Kind.TOMBSTONE else manifest_form.decode(body)
        if manifest is not None and manifest.session != session:
            raise IntegrityError(
                f"{point_key} holds another point",
                why="its manifest names another session",
                cure="run `holdfast repository check`",
                objects=(point_key,),
            )
        return PointObject(manifest, sha256, read_header(data, point_key).kid)

    try:
        if expected is not None:
            return open_newest_good(sealed.store, point_key, opened)
        return sealed.counting(Kind.MANIFEST, point_key, opened)
    except ObjectNotFoundError:
        return None
    except IntegrityError as error:
        if session in state.open:
            error.cure = _OF_AN_OPEN_SESSION
        raise


def seen_point_object(sealed: SealedStore, state: LedgerState, point_key: str) -> PointObject | None:
    """The same, for who takes absence for a reason: that nothing stands there is asked in two ways, for nothing may
    hang on one answer that is wrong. Raises UnavailableError where the two differ and stay so, unless a delete marker
    hides what does not open: that is nothing (rule 9.7).
    """
    found = read_point_object(sealed, state, point_key)
    if found is None and is_there(sealed.store, point_key):
        found = read_point_object(sealed, state, point_key)  # it was put just now, or the first answer was wrong
        if found is None and not (sealed.first_counts and sealed.is_hidden(point_key)):
            why = "the store tells its size and does not give its bytes: it may be a restore point"
            raise not_shown(point_key, why)
    return found


def commit_record(point_key: str, manifest: Manifest, time: str, sha256: bytes | None = None) -> Record:
    """The `commit` record of a point (section 12). `sha256`: of its manifest's object, for the ledger."""
    origin = {} if manifest.origin is None else {"origin": manifest.origin.backup.encode()}
    promise = {} if manifest.keep_until is None else {"keep_until": manifest.keep_until}
    return {
        "type": ledger_form.COMMIT,
        "session": manifest.session,
        "point": point_key,
        "time": time,
        "tenant": manifest.tenant,
        "workload": manifest.workload,
        "kind": manifest.kind,
        "created": manifest.created,
        "size": manifest.size_bytes,
        "parent": manifest.parent,
        **origin,
        **({"plan_epoch": manifest.plan_epoch} if manifest.plan_epoch else {}),
        **promise,
        **({} if sha256 is None else {"manifest": sha256}),
    }


def unrecorded_commits(sealed: SealedStore, state: LedgerState, least_kid: int) -> list[Record]:
    """What commits that died after their point's PUT left unsaid: records of open sessions whose manifests stand, of
    that key epoch at least. Raises IntegrityError where one does not open, UnavailableError where one is
    there and is not shown: nobody can say what it is.
    """
    keys: Iterable[str] = [str(record["point"]) for record in state.open.values()]
    found = few_at_once(sealed.surroundings, lambda key: seen_point_object(sealed, state, key), keys)
    time = sealed.surroundings.timestamp()
    return [
        commit_record(key, one.manifest, time, one.sha256)
        for key, one in found
        if one is not None and one.manifest is not None and one.kid >= least_kid
    ]
