"""Sessions of the same workload that have not ended well: what they left is gone on with, and they are ended
(section 18; ordering rule 3).

Who calls this holds the master key, and believes no checkpoint that does not bear its mark: none of a worker's.
"""

import dataclasses
import hmac
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Protocol

from holdfast.domain.errors import HoldfastError, IntegrityError, PermissionDeniedError
from holdfast.repository.crypto.keys import MasterKey
from holdfast.repository.format import names
from holdfast.repository.format import session_checkpoint as form
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.session_checkpoint import SessionCheckpoint
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.session import WriterSession, end_session
from holdfast.repository.sessions.signs_of_life import last_sign
from holdfast.repository.trust.few_at_once import delete_all
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import open_newest_good
from holdfast.repository.trust.vouching import unvouched
from holdfast.repository.writing.resuming import NOTHING_TAKEN, TakenOver, checkpoints_of, take_over
from holdfast.repository.writing.trail import TrailOwner

ONLY_ATTEMPT = 1
# Who lives says so in every further hour (section 14).
SILENCE = timedelta(hours=2)
# A LIST of so many names is long enough: what it does not show costs reading again.
_NAMES_LIMIT = 10_000


class Vigil(Protocol):
    """What this machine knows of the processes behind sessions."""

    def kept(self, session: bytes) -> AbstractContextManager[None]:
        """While this process works on that session. It ends with the process, however that ends."""

    def is_over(self, session: bytes) -> bool:
        """Whether it is known that the session's process is gone."""


class NoVigil:
    """Nothing is known of any process."""

    def kept(self, session: bytes) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def is_over(self, session: bytes) -> bool:
        """Never known."""
        return False


NO_VIGIL = NoVigil()


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What is taken over, and of which sessions with how many checkpoints."""

    taken: TakenOver = NOTHING_TAKEN
    sessions: Mapping[bytes, int] = field(default_factory=dict)


def trail_owner(session: WriterSession) -> TrailOwner:
    """A session whose checkpoints bear the mark of who holds the master key."""
    return TrailOwner(session.session, ONLY_ATTEMPT, session.workload_id, partial(_leave, session.repository))


def inherit(
    session: WriterSession, sources: Iterable[tuple[str, int, Mapping[str, str] | None]], progress: Progress
) -> Inheritance:
    """Take over what earlier sessions of this workload have read of these very volumes, each given with its size and
    its source's identity. The session's plan is acknowledged: packs are looked up now.
    """
    wanted = [(name, size_bytes, dict(identity)) for name, size_bytes, identity in sources if identity is not None]
    if not wanted:
        return Inheritance()
    repository = session.repository
    found: list[SessionCheckpoint] = []
    sessions: dict[bytes, int] = {}
    for other in _candidates(session):
        trail = checkpoints_of(repository.surroundings, partial(read_checkpoint, repository, other), ONLY_ATTEMPT)
        first = next(trail, None)
        if first is None or first.workload_id != session.workload_id:
            continue
        if any((one.name, one.size_bytes, dict(one.source)) in wanted for one in first.volumes):
            whole = [first, *trail]
            found += whole
            sessions[other] = len(whole)
    if found:
        progress.note("an earlier run did not end: what it has stored is looked through and taken over")
    access = repository.access_with(session.tenant_id, session.tenant.keys)
    return Inheritance(take_over(access, session.plan.condemned, found, progress), sessions)


def settle(session: WriterSession, left: int, inheritance: Inheritance, vigil: Vigil, progress: Progress) -> None:
    """The point is committed: end those of the sessions that are dead, and remove checkpoints that nobody needs now,
    and the `left` ones of this session. What cannot be done is left to a collection.
    """
    repository = session.repository
    try:
        over = {other: count for other, count in inheritance.sessions.items() if _end(repository, other, vigil)}
        _remove_checkpoints(repository, {session.session: left, **over})
    except PermissionDeniedError:
        return  # who may only add
    except HoldfastError as error:
        progress.note(f"what is left of an earlier backup stays until a collection: {error}")


def _candidates(session: WriterSession) -> Iterator[bytes]:
    """Other sessions that may have left something: open ones, as the ledger says, and by a LIST of checkpoints those
    that were ended without a point.
    """
    state = session.repository.ledger.state
    beside = session.point_key.rpartition("/")[0]
    yield from (
        other
        for other, record in state.open.items()
        if other != session.session and str(record["point"]).startswith(beside)
    )
    first = names.session_checkpoint(session.session, ONLY_ATTEMPT, 1).rpartition("/")[2]
    for info in islice(objects_under(session.repository.store, names.SESSIONS), _NAMES_LIMIT):
        other_hex, _, name = info.key.removeprefix(names.SESSIONS).partition("/")
        other = bytes.fromhex(other_hex)
        if name == first and other not in state.open and other not in state.live:
            yield other


def _leave(repository: Repository, checkpoint: SessionCheckpoint) -> None:
    key = names.session_checkpoint(checkpoint.session, checkpoint.attempt, checkpoint.number)
    body = form.encode(marked(checkpoint, repository.master))
    repository.sealed.write(Kind.SESSION_CHECKPOINT, key, body)


def read_checkpoint(repository: Repository, session: bytes, attempt: int, number: int) -> SessionCheckpoint:
    """What a session has left. Raises ObjectNotFoundError, IntegrityError: also for one that is not of who holds the
    newest master key.
    """
    key = names.session_checkpoint(session, attempt, number)
    data = open_newest_good(repository.store, key, bytes)
    checkpoint = form.of_key(key, repository.sealed.open(key, data, Kind.SESSION_CHECKPOINT)[1])
    kid, master = read_header(data, key).kid, repository.master
    if kid < master.kid:
        raise unvouched(key, kid, master.kid)
    if not hmac.compare_digest(checkpoint.proof, marked(checkpoint, master).proof):
        raise IntegrityError(f"{key} bears no mark", why="a worker wrote it", cure="nothing", objects=(key,))
    return checkpoint


def marked(checkpoint: SessionCheckpoint, master: MasterKey) -> SessionCheckpoint:
    """The checkpoint with the mark of who holds the master key (section 18)."""
    return dataclasses.replace(checkpoint, proof=master.checkpoint_mark().of(checkpoint.unmarked()))


def _end(repository: Repository, other: bytes, vigil: Vigil) -> bool:
    """Whether it has ended, now or before. One that may be alive is left alone."""
    record = repository.ledger.refresh().open.get(other)
    if record is None:
        return True
    now = repository.surroundings.now()
    heard = last_sign(repository.store, other, str(record["time"]), now)
    if not vigil.is_over(other) and heard + SILENCE > now:
        return False
    point_key = str(record["point"])
    end_session(repository, other, point_key)
    return True


def _remove_checkpoints(repository: Repository, sessions: Mapping[bytes, int]) -> None:
    keys = [
        names.session_checkpoint(session, ONLY_ATTEMPT, number)
        for session, count in sessions.items()
        for number in range(1, count + 1)
    ]
    delete_all(repository.surroundings, repository.store, keys)
