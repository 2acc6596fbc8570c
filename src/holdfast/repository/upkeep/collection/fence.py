"""Who may still build upon what a plan condemns, and how long they are waited for (rule 4.5)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import acknowledgement as form
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import names
from holdfast.repository.format.acknowledgement import Acknowledgement
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.ledger import LedgerState, Record
from holdfast.repository.format.plan import Plan
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.session import (
    bears_tombstone,
    close_ended,
    end_session,
    end_without_point,
    has_ended,
    is_repacking,
    record_retirements,
)
from holdfast.repository.sessions.signs_of_life import begin_its_day, last_sign
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import open_newest_good

SILENCE = timedelta(hours=24)
POLL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that holds up a collection; `since` is when it was opened."""

    session: bytes
    point_key: str
    since: str


def wait_for_sessions(
    repository: Repository,
    plan: Plan,
    patience: timedelta,
    pause: Callable[[float], None],
    tell: Callable[[tuple[OpenSession, ...]], None],
) -> tuple[OpenSession, ...]:
    """Tell the ledger of the plan; then wait until every session that is open has ended or knows it; those left when
    patience is over. Who opens a session after that record knows that there is this plan, whatever the store shows.
    Sessions without a sign of life are ended, and so are repacking ones. Before it waits it tells for whom.
    """
    now = repository.surroundings.now
    until = now() + patience
    _tell_of(repository, plan)
    state = repository.ledger.whole()
    waiting = [
        OpenSession(session, str(record["point"]), str(record["time"])) for session, record in state.open.items()
    ]
    is_told = False
    while True:
        waiting = [one for one in waiting if not _is_past(repository, one, plan)]
        if not waiting or now() >= until:
            return tuple(waiting)
        if not is_told:
            is_told = True
            tell(tuple(waiting))
        pause(POLL_SECONDS)


def _tell_of(repository: Repository, plan: Plan) -> None:
    """The ledger is told once, by whoever is first."""

    def said(state: LedgerState) -> Sequence[Record] | None:
        if state.plan_epoch >= plan.epoch:
            return None
        session, time = repository.surroundings.random_bytes(16), repository.surroundings.timestamp()
        return [{"type": ledger_form.PLAN, "session": session, "time": time, "plan_epoch": plan.epoch}]

    repository.ledger.append_as(said)


def _is_past(repository: Repository, one: OpenSession, plan: Plan) -> bool:
    """Whether this session is in nobody's way any more."""
    if has_ended(repository, one.point_key) or knows(repository, one.session, plan):
        return True
    if one.session not in repository.ledger.whole().open:
        return True
    if is_repacking(repository, one.point_key) or _is_silent(repository, one.session, one.since):
        end_without_point(repository, one.session, one.point_key)
        return True  # by the tombstone, or by the commit that came first
    return False


def knows(repository: Repository, session: bytes, plan: Plan) -> bool:
    """Whether the session has acknowledged the plan or a later one. A LIST may only confirm it."""
    if _is_acknowledged(repository, session, plan.epoch, plan.kid):
        return True
    prefix = names.scratch(session) + names.ACKNOWLEDGEMENT
    listed = (int(info.key.removeprefix(prefix)) for info in objects_under(repository.store, prefix))
    return any(_is_acknowledged(repository, session, epoch, plan.kid) for epoch in listed if epoch > plan.epoch)


def _is_acknowledged(repository: Repository, session: bytes, epoch: int, least_kid: int) -> bool:
    """By what opens there, and is of the plan's key epoch or a later one: who has read the plan has that key. A name
    alone says nothing, for whoever may put objects can take it.
    """
    key = names.acknowledgement(session, epoch)

    def opened(data: Buffer) -> bool:
        body = repository.sealed.open(key, data, Kind.ACKNOWLEDGEMENT)[1]
        return read_header(data, key).kid >= least_kid and form.decode(body) == Acknowledgement(session, epoch)

    try:
        return open_newest_good(repository.store, key, opened)
    except (IntegrityError, ObjectNotFoundError):
        return False


def _is_silent(repository: Repository, session: bytes, since: str) -> bool:
    """Whether nothing was heard of it for a day."""
    now = repository.surroundings.now()
    return last_sign(repository.store, session, since, now) + SILENCE <= now


def close_dead(repository: Repository) -> None:
    """Ledger records that crashes have left unwritten: for sessions that bear a tombstone, for points that are retired;
    and for sessions and readers of whom nothing was heard for a day, whatever plan they know: what they wrote is held
    as long as they are open.
    """
    state = repository.ledger.whole()
    for session, record in {**state.open, **state.pins}.items():
        begin_its_day(repository, session, str(record["time"]))
    for session, record in state.open.items():
        point_key = str(record["point"])
        if _is_silent(repository, session, str(record["time"])):
            end_session(repository, session, point_key)
        elif bears_tombstone(repository, point_key):
            close_ended(repository, session, point_key)
    record_retirements(repository)
    for session in list(_silent_readers(repository)):
        repository.ledger.append({"type": ledger_form.UNPIN, "session": session})


def _silent_readers(repository: Repository) -> Iterator[bytes]:
    for session, record in repository.ledger.state.pins.items():
        if _is_silent(repository, session, str(record["time"])):
            yield session
