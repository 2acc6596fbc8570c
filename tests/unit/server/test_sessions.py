"""The server's own sessions end, whatever its database does meanwhile."""

from threading import ExceptHookArgs

import pytest

from holdfast.domain.errors import ConflictError, UnavailableError
from holdfast.domain.session import SessionKind, State
from holdfast.server.sessions import OwnSessions


class PassingFaults:
    """Sessions in the records, whose `log` and `put` fail so many times."""

    def __init__(self, sessions, **faults):
        self._sessions, self._faults = sessions, faults

    def __getattr__(self, name):
        call = getattr(self._sessions, name)

        def called(*words):
            if self._faults.get(name, 0):
                self._faults[name] -= 1
                raise UnavailableError("the database does not answer", why="it starts anew", cure="later")
            return call(*words)

        return called


def failing(voice):
    raise ConflictError("it cannot be done", why="something is there", cure="remove it")


def ended(small, **faults):
    sessions = OwnSessions(PassingFaults(small.records.sessions, **faults), small.surroundings)
    session = sessions.start(SessionKind.DEPLOY, "a", failing, {})
    sessions.stop()
    return small.records.sessions.get(session.id)


@pytest.mark.parametrize("call", ["log", "put"])
def test_a_database_that_is_away_for_a_moment_keeps_none_from_ending(small, call):
    session = ended(small, **{call: 3})
    assert (session.state, session.error.what) == (State.FAILED, "it cannot be done")
    assert small.log(session) == ["it cannot be done: something is there"]


def test_one_ends_whose_log_cannot_be_written(small, monkeypatch):
    told: list[ExceptHookArgs] = []
    monkeypatch.setattr("threading.excepthook", told.append)
    session = ended(small, log=1000)
    assert (session.state, session.error.what) == (State.FAILED, "it cannot be done")
    assert [one.exc_type for one in told] == [UnavailableError]
