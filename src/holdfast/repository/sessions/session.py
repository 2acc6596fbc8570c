"""Sessions: open, commit, retire (ordering rules 2, 3 and 6). The order of the lines here is the promise."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    IntegrityError,
    ObjectExistsError,
    UsageError,
)
from holdfast.domain.time import format_time, parse_time
from holdfast.repository.format import acknowledgement as acknowledgement_form
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import manifest as manifest_form
from holdfast.repository.format import names
from holdfast.repository.format import retirement as retirement_form
from holdfast.repository.format import tombstone as tombstone_form
from holdfast.repository.format.acknowledgement import Acknowledgement
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.format.ledger import LedgerState
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan
from holdfast.repository.format.retirement import Retirement
from holdfast.repository.format.tenant import Tenant
from holdfast.repository.format.tombstone import Tombstone
from holdfast.repository.opening.plans import plan_to_write_under
from holdfast.repository.opening.point_object import PointObject, commit_record, read_point_object
from holdfast.repository.opening.repository import Repository
from holdfast.repository.opening.retirements import read_retirement
from holdfast.repository.progress import Progress
from holdfast.repository.trust.presence import not_shown
from holdfast.repository.trust.vouching import unvouched

REPACKING = ""  # no workload can be called so


@dataclass(frozen=True, slots=True)
class WriterSession:
    """An open session: announced in the ledger, and in agreement with the newest plan. `keep_until`: what its point is
    promised; `repository` is the one in which all that it writes is locked as long (rule 9.1).
    """

    repository: Repository
    tenant: Tenant
    tenant_id: bytes
    workload: str
    workload_id: bytes
    session: bytes
    plan: Plan
    started: str
    keep_until: datetime | None = None

    @property
    def point_key(self) -> str:
        """Where the commit will stand."""
        return names.point(self.tenant_id, self.workload_id, self.session)

    def may_inherit(self, parent: Manifest) -> bool:
        """Rule 3: whether subtrees of that point may be taken over."""
        return may_be_inherited(parent, self.plan)


def may_be_inherited(parent: Manifest, plan: Plan) -> bool:
    """The same of who writes under that plan."""
    return parent.session in plan.live or parent.plan_epoch >= plan.since


def open_session(
    repository: Repository,
    tenant_name: str,
    workload: str,
    session: bytes | None = None,
    keep_until: datetime | None = None,
) -> WriterSession:
    """Rule 3, in this order: the ledger's `open`, the newest plan, its acknowledgement. Index runs are read after.
    Where no plan is to be had the session is ended.

    `session`: an id that was never used, where the caller has drawn one; of two who open it one does (ConflictError),
    and the caller ends it.
    `keep_until`: the promise, in an immutable repository; UsageError in another one.
    """
    _check_workload(workload)
    if keep_until is not None and not repository.config.immutable:
        raise UsageError(
            f"{repository.store.location} promises nothing",
            why="it is not immutable: who may delete in it may delete every point",
            cure="leave the promise out, or make a repository with `holdfast repository init --immutable`",
        )
    return _open_session(repository, tenant_name, workload, session, keep_until)


def open_repacking(repository: Repository, tenant_name: str) -> WriterSession:
    """The same for a session that moves chunks into other packs and ends without a point."""
    return _open_session(repository, tenant_name, REPACKING, None, None)


def is_repacking(repository: Repository, point_key: str) -> bool:
    """Whether an open session's key is that of a repacking one."""
    tenant_id, workload_id = point_key.removeprefix(names.POINTS).split("/")[:2]
    return repository.tenant_by_id(bytes.fromhex(tenant_id)).keys.workload_id(REPACKING).hex() == workload_id


def _open_session(
    repository: Repository, tenant_name: str, workload: str, session: bytes | None, keep_until: datetime | None
) -> WriterSession:
    tenant = repository.ensure_tenant(tenant_name)
    tenant_id = repository.tenant_id(tenant_name)
    workload_id = tenant.keys.workload_id(workload)
    drawn, session = session, repository.surroundings.random_bytes(16) if session is None else session
    started = repository.surroundings.timestamp()
    point = names.point(tenant_id, workload_id, session)
    opening = {"type": ledger_form.OPEN, "session": session, "point": point, "time": started, **_epoch(repository)}
    repository.ledger.append(opening, opening=drawn)
    try:
        plan = plan_to_write_under(repository.sealed, repository.ledger.state.plan_epoch)
        if plan.epoch:
            acknowledgement = Acknowledgement(session, plan.epoch)
            key = names.acknowledgement(session, plan.epoch)
            repository.sealed.write(Kind.ACKNOWLEDGEMENT, key, acknowledgement_form.encode(acknowledgement))
    except HoldfastError:
        if drawn is None:  # who has drawn the id comes back with it, and ends it
            with suppress(HoldfastError):  # it stays open for a day; what happened first is told
                end_session(repository, session, point)
        raise
    locking = repository.promising(keep_until)
    return WriterSession(locking, tenant, tenant_id, workload, workload_id, session, plan, started, keep_until)


def _epoch(repository: Repository) -> ledger_form.Record:
    kid = repository.master.kid
    return {} if kid == FIRST_EPOCH else {"kid": kid}


def _check_workload(name: str) -> None:
    if not name or not name.isprintable() or len(name.encode()) > 255 or name != name.strip():
        raise UsageError(
            f"{name!r} is no name for a workload",
            why="it must be 1 to 255 bytes of printable text",
            cure="choose another name",
        )


def commit(session: WriterSession, manifest: Manifest) -> Manifest:
    """Rule 2: the point's PUT makes it, the ledger's record follows. All packs and index runs are there already. The
    manifest that stands is given back: this one, or an equal one of an earlier try whose answer was lost.

    Raises ConflictError when a tombstone took the name: the session was given up for dead and has lost;
    UnavailableError where the name is taken and nobody can see by what.
    """
    repository = session.repository
    try:
        sha256 = repository.sealed.write(Kind.MANIFEST, session.point_key, manifest_form.encode(manifest))
    except ObjectExistsError as error:
        found = _taken(repository, session.point_key, error)
        stored, sha256 = found.manifest, found.sha256
        if stored is None or stored.session != manifest.session or stored.volumes != manifest.volumes:
            raise ConflictError(
                "the session was ended by somebody else",
                why="its name bears a tombstone: it gave no sign of life for a day, or was given up"
                if stored is None
                else "its name bears another point",
                cure="run the backup again",
            ) from error
        manifest = stored  # rule 1: our own lost answer
    time = repository.surroundings.timestamp()
    repository.ledger.append(commit_record(session.point_key, manifest, time, sha256), ending=manifest.session)
    return manifest


def read_point(repository: Repository, point_key: str) -> Manifest | None:
    """The manifest at that key; None when there is none or a tombstone. Raises IntegrityError for damage, for another
    object than the ledger's `commit` says, and where there is none yet for one under a past key epoch (section 21).
    """
    found = _point(repository, point_key)
    return None if found is None else found.manifest


def _point(repository: Repository, point_key: str) -> PointObject | None:
    found = _standing(repository, point_key)
    if found is None or found.manifest is None:
        return None
    if not _counts(repository, point_key, found):
        raise unvouched(point_key, found.kid, repository.master.kid)
    return found


def _standing(repository: Repository, point_key: str) -> PointObject | None:
    return read_point_object(repository.sealed, repository.ledger.state, point_key)


def _counts(repository: Repository, point_key: str, found: PointObject) -> bool:
    """Whether it is a point, though the ledger does not say its SHA-256 yet. Who has an older key can make one: behind
    a batch under a newer one it counts no more. Of a damaged ledger nobody knows which epoch it has reached.
    """
    ledger = repository.ledger
    least_kid = repository.master.kid if ledger.damage else ledger.reached_kid
    return found.kid >= least_kid or names.session_of_point(point_key) not in ledger.state.open


def has_ended(repository: Repository, point_key: str) -> bool:
    """Whether a session's name bears its end: a tombstone, or a point that counts. Raises IntegrityError where what
    stands there does not open.
    """
    found = _standing(repository, point_key)
    return found is not None and (found.manifest is None or _counts(repository, point_key, found))


def bears_tombstone(repository: Repository, point_key: str) -> bool:
    """Whether a session was ended without a point. Raises IntegrityError where what stands there does not open."""
    found = _standing(repository, point_key)
    return found is not None and found.manifest is None


def _taken(repository: Repository, point_key: str, error: ObjectExistsError) -> PointObject:
    """What has taken a point's name. Raises UnavailableError where nothing is to be seen there: it may be a point."""
    found = _standing(repository, point_key)
    if found is None:
        raise not_shown(point_key) from error
    return found


def is_retired(repository: Repository, session: bytes) -> bool:
    """Whether a retirement of that point counts (rule 2): by GET, never by LIST, and never by its name alone, which
    whoever may put objects can take. What does not open there is damage, which `check` names. One under a past key
    epoch counts for points alone that the ledger counts no more (section 21).
    """
    found, state = _retirement_of(repository, session), repository.ledger.state
    if found is None or (found[1] < repository.master.kid and (session in state.live or session in state.open)):
        return False
    record = state.live.get(session)
    return record is None or not _is_promised(repository, record)


def retired_key(repository: Repository, session: bytes) -> str | None:
    """Where the manifest of a retired point stands, for none is ever deleted; None for a session without retirement."""
    found = _retirement_of(repository, session)
    return None if found is None else found[0].point


def _retirement_of(repository: Repository, session: bytes) -> tuple[Retirement, int] | None:
    """The retirement of that point, and under which key epoch it stands; None where none does."""
    found = read_retirement(repository.sealed, session)
    record = repository.ledger.state.live.get(session)
    if found is not None and record is not None and record["point"] != found[0].point:
        return None
    return found


def _is_promised(repository: Repository, record: ledger_form.Record) -> bool:
    until = record.get("keep_until")
    return repository.config.immutable and until is not None and parse_time(until) > repository.now()


def retired_of(repository: Repository, sessions: Iterable[bytes]) -> frozenset[bytes]:
    """Those of these sessions whose points are retired: only what a LIST shows is opened. Presence in a LIST is a fact,
    so a retirement whose ledger record was lost to a crash is seen here.
    """
    listed = {info.key for info in repository.store.list(names.RETIRED)}
    shown = [session for session in sessions if names.retired(session) in listed]
    counts = repository.surroundings.transfer.map(lambda session: is_retired(repository, session), shown)
    return frozenset(session for session, retired in zip(shown, counts, strict=True) if retired)


def record_commit(repository: Repository, point_key: str) -> None:
    """What a commit that died after the point's PUT left undone: the ledger's record, unless it is there."""
    state = repository.ledger.refresh()
    session = names.session_of_point(point_key)
    if session in state.live or session not in state.open:
        return
    found = _standing(repository, point_key)
    if found is not None and _counts(repository, point_key, found):
        _tell(repository, point_key, found)


def _tell(repository: Repository, point_key: str, found: PointObject) -> Manifest | None:
    """The ledger's record of a point that counted when it was found, unless it is there. Its manifest; None for a
    tombstone, and where the session was ended meanwhile.
    """
    ledger, session = repository.ledger, names.session_of_point(point_key)
    if found.manifest is not None and session not in ledger.state.live:
        record = commit_record(point_key, found.manifest, repository.surroundings.timestamp(), found.sha256)
        ledger.append_as(lambda state: [record] if session in state.open else None)
    return found.manifest if session in ledger.state.live else None


def recorded_point(repository: Repository, point_key: str) -> Manifest | None:
    """The manifest at that key, for who tells others that the session has made a point: the ledger knows of it then.
    None when there is none. Raises ConflictError where the session was ended meanwhile, and what `read_point` raises.
    """
    found = _point(repository, point_key)
    if found is None:
        return None
    manifest = _tell(repository, point_key, found)
    if manifest is None:
        raise ConflictError(
            f"session {names.session_of_point(point_key).hex()} has no restore point any more",
            why="it was ended, or its point was deleted",
            cure="run the backup again",
        )
    return manifest


def end_without_point(repository: Repository, session: bytes, point_key: str) -> Manifest | None:
    """A tombstone in the place of the session's point, so that it can make none any more. Of commit and tombstone
    exactly one wins (rule 4): where the commit did, its manifest is given back. A manifest that does not count is none.
    Raises UnavailableError where the name is taken and nobody can see by what.
    """
    tombstone = Tombstone(session, repository.surroundings.timestamp())
    try:
        repository.sealed.write(Kind.TOMBSTONE, point_key, tombstone_form.encode(tombstone))
    except ObjectExistsError as error:
        repository.ledger.refresh()
        found = _taken(repository, point_key, error)
        if _counts(repository, point_key, found):
            return _tell(repository, point_key, found)
    return None


def end_session(repository: Repository, session: bytes, point_key: str) -> None:
    """A session that is to make no point has its end: the tombstone, then the ledger's record. Where its commit came
    first, that is recorded instead.
    """
    if end_without_point(repository, session, point_key) is None:
        close_ended(repository, session, point_key)


@contextmanager
def ended_on_failure(session: WriterSession, progress: Progress) -> Iterator[None]:
    """A session that fails is ended at once, so that no collection waits a day for it. After a kill one does."""
    repository = session.repository
    try:
        yield
    except HoldfastError:
        try:
            end_session(repository, session.session, session.point_key)
        except HoldfastError as error:
            progress.note(f"the failed session stays open for a day: {error}")
        raise


def close_ended(repository: Repository, session: bytes, point_key: str) -> None:
    """The ledger's record for a session whose name bears a tombstone: from here on it is not open any more. Where it
    has become a point meanwhile it stays one.
    """
    _record_end(repository, session, point_key, lambda state: session in state.open)


def _record_end(repository: Repository, session: bytes, point_key: str, is_due: Callable[[LedgerState], bool]) -> None:
    time = repository.surroundings.timestamp()
    record = {"type": ledger_form.RETIRE, "session": session, "point": point_key, "time": time}
    repository.ledger.refresh()
    repository.ledger.append_as(lambda state: [record] if is_due(state) else None)


def retire(repository: Repository, session: bytes, point_key: str) -> None:
    """Rule 2: `retired/<session>` first and acknowledged, then the ledger's record. Running it again is safe.

    Raises ConflictError before the point's promise is over (rule 9.4), IntegrityError where something else stands under
    the retirement's name.
    """
    require_no_promise(repository, session, point_key)
    time = repository.surroundings.timestamp()
    try:
        body = retirement_form.encode(Retirement(session, point_key, time))
        repository.sealed.write(Kind.RETIREMENT, names.retired(session), body)
    except ObjectExistsError as error:
        # Retired before, perhaps by a run that died before its ledger record; or somebody took the name.
        if _retirement_of(repository, session) is None:
            raise IntegrityError(
                f"{names.retired(session)} is damaged, so restore point {session.hex()} cannot be deleted",
                why="what stands there is no retirement of that point: somebody put it there, or it has suffered",
                cure="remove that one object from the store, then delete the point again",
                objects=(names.retired(session),),
            ) from error
    _record_end(repository, session, point_key, lambda state: session in state.live)


def record_retirements(repository: Repository) -> None:
    """What retirements that died before the ledger was told left undone: its record of each."""
    live = repository.ledger.state.live
    for session in sorted(retired_of(repository, live)):
        retire(repository, session, str(live[session]["point"]))


def require_no_promise(repository: Repository, session: bytes, point_key: str) -> None:
    """Raises ConflictError with the date while an immutable repository has promised to keep the point."""
    manifest = read_point(repository, point_key) if repository.config.immutable else None
    promise = None if manifest is None or manifest.keep_until is None else parse_time(manifest.keep_until)
    if promise is not None and promise > repository.now():
        raise ConflictError(
            f"restore point {session.hex()} is kept until {format_time(promise)}",
            why="that was promised when it was made, and the repository is immutable",
            cure="delete it then; before, nobody can",
        )
