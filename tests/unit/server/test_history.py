"""What a server forgets in time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.domain.errors import NotFoundError, UnavailableError
from holdfast.domain.history import SessionHistory
from holdfast.domain.session import SessionKind, State
from holdfast.plugin_api import ConnectOrder
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord
from holdfast.protocol.encoding import to_document
from holdfast.server.history import Pruning
from holdfast.server.ports.records import TokenKind
from holdfast.testing.sample_records import ledger_row, point, session

DAY_SECONDS = 24 * 3600


def pruning(small, days=90):
    return Pruning(small.records, small.surroundings, SessionHistory(days))


def opened(small, number, state=State.SUCCEEDED):
    one = replace(session(number, state, "aws"), kind=SessionKind.INSTALL, created_at=small.now)
    small.records.sessions.open(one, (), {"plugin": "aws"})
    return one.id


def sessions(small):
    return {one.session.id for one in small.server.list_sessions()}


def test_sessions_go_after_their_time_and_those_that_left_something_stay(small):
    opened(small, 1)
    needed, running = opened(small, 2, State.FAILED), opened(small, 3, State.RUNNING)
    small.records.ledger.intend(replace(ledger_row(1), session_id=needed))
    small.later(91 * DAY_SECONDS)
    young = opened(small, 4)
    pruning(small, None).prune()
    assert len(sessions(small)) == 4
    pruning(small).prune()
    assert sessions(small) == {needed, running, young}


def test_tokens_go_thirty_days_after_they_ended(small):
    tokens = small.parts.tokens
    lasting, short = tokens.issue(TokenKind.ADMIN), tokens.issue(TokenKind.ADMIN, lifetime=timedelta(days=1))
    revoked = tokens.issue(TokenKind.SERVICE, "a")
    tokens.revoke_services("a")
    small.later(30 * DAY_SECONDS)
    pruning(small).prune()
    assert small.records.tokens.get(revoked.split("_")[1])
    small.later(2 * DAY_SECONDS)
    pruning(small).prune()
    assert small.server.authenticate(lasting)
    for token in (short, revoked):
        with pytest.raises(NotFoundError):
            small.records.tokens.get(token.split("_")[1])


def test_closed_rows_of_the_ledger_go_after_a_week(small):
    small.records.ledger.intend(ledger_row(1))
    small.records.ledger.dropped(ledger_row(1).id, small.now)
    small.later(7 * DAY_SECONDS + 1)
    pruning(small).prune()
    assert small.records.ledger.intend(replace(ledger_row(2), token="token-1")).id == ledger_row(2).id


def test_a_mirror_that_was_not_told_for_long_is_made_anew(ready):
    """What was removed at the appliance meanwhile would be shown for ever."""
    ready.server.connect_appliance(ConnectOrder("a", "https://a:11005", "ff", "code"))
    record = ChangeRecord(3, "point", point(1).id, to_document(point(1)))
    assert ready.server.sync("a", ChangePage((record,), 3)) == 3
    ready.later(29 * DAY_SECONDS)
    assert ready.server.sync("a", ChangePage((), 3)) == 3
    ready.later(30 * DAY_SECONDS)
    assert ready.server.sync("a", ChangePage((), 3)) == 0
    assert ready.server.list_points() == []
    assert ready.server.sync("a", ChangePage((record,), 3)) == 3


def test_a_database_that_is_away_is_asked_again(small):
    one, forget, failures = pruning(small), small.records.tokens.forget, [UnavailableError("away", why="x", cure="y")]
    small.later(91 * DAY_SECONDS)
    opened(small, 1)
    small.later(91 * DAY_SECONDS)

    def fail_first(*words):
        if failures:
            raise failures.pop()
        return forget(*words)

    small.records.tokens.forget = fail_first
    one.start()
    for _ in range(12_000):
        if not sessions(small):
            break
        small.surroundings.wait(0.01)
    small.ending.set()
    assert sessions(small) == set()
