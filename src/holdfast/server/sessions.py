"""The server's own sessions: what takes long runs in a thread, says what it does, and can be cancelled.

A session of a server that was killed has no thread any more: `recovery.py` ends it at the next start.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from holdfast.domain.errors import CancelledError, HoldfastError, UnavailableError
from holdfast.domain.records import Sessions
from holdfast.domain.session import ItemError, LogLevel, LogLine, Session, SessionKind, State
from holdfast.patience import Patience, Waiting, told_to
from holdfast.server.ports.surroundings import Surroundings

STOP_SECONDS = 20.0


class SessionVoice:
    """What the work of a session says, and hears."""

    def __init__(self, session_id: str, sessions: Sessions, surroundings: Surroundings) -> None:
        self.session_id = session_id
        self._sessions = sessions
        self._surroundings = surroundings

    def say(self, line: str, level: LogLevel = LogLevel.INFO) -> None:
        """A line of its log."""
        self._sessions.log(LogLine(self.session_id, 0, self._surroundings.now(), level, line))

    def cancelled(self) -> bool:
        """Whether somebody asked for its end."""
        return self._sessions.cancel_requested(self.session_id)


class OwnSessions:
    """Opens, runs and ends them."""

    def __init__(self, sessions: Sessions, surroundings: Surroundings) -> None:
        self._sessions = sessions
        self._surroundings = surroundings
        self._threads: list[threading.Thread] = []

    def start(
        self,
        kind: SessionKind,
        subject: str,
        work: Callable[[SessionVoice], None],
        details: Mapping[str, Any],
    ) -> Session:
        """Open a session and do its work in a thread; `details` is what `recovery.py` needs to know."""
        now = self._surroundings.now()
        session = Session(self._surroundings.new_id(), kind, subject, State.RUNNING, "person", now, started_at=now)
        self._sessions.open(session, (), details)
        thread = threading.Thread(target=self._run, args=(session, work), name=f"session {session.id}", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return session

    def voice(self, session_id: str) -> SessionVoice:
        """The voice of a session."""
        return SessionVoice(session_id, self._sessions, self._surroundings)

    def is_at(self, kind: SessionKind, subject: str) -> bool:
        """Whether a session of that kind has not ended: it runs, or was cut short and is not settled yet."""
        return any((one.kind, one.subject) == (kind, subject) for one in self._sessions.unfinished())

    def end(self, session: Session, error: HoldfastError | None = None) -> None:
        """Put it into its final state, also where its log cannot be written: nobody else ends it while this process
        lives.
        """
        state, level = State.SUCCEEDED, LogLevel.INFO
        if isinstance(error, CancelledError):
            state, level = State.CANCELLED, LogLevel.WARNING
        elif error is not None:
            state, level = State.FAILED, LogLevel.ERROR
        reason = ItemError.of(error) if error is not None else None
        ended = replace(session, state=state, error=reason, ended_at=self._surroundings.now())
        try:
            if error is not None:
                # Before the state: who follows the session goes when it has ended.
                self._written(partial(self.voice(session.id).say, f"{error.what}: {error.why}", level))
        finally:
            self._written(partial(self._sessions.put, ended))

    def stop(self) -> None:
        """Wait some seconds for those that run; what is not done then is found at the next start."""
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _written(self, write: Callable[[], None]) -> None:
        """Written, though the database may be away for some seconds."""
        patience = Patience(waiting=Waiting(self._pause))
        while True:
            try:
                return write()
            except UnavailableError as error:
                patience.wait_or_raise(error)

    def _pause(self, seconds: float) -> None:
        self._surroundings.wait(seconds)

    def _run(self, session: Session, work: Callable[[SessionVoice], None]) -> None:
        voice = self.voice(session.id)
        try:
            with told_to(partial(voice.say, level=LogLevel.WARNING)):
                work(voice)
        except HoldfastError as error:
            self.end(session, error)
        except BaseException as error:
            self.end(session, _broken(error))
            raise
        else:
            self.end(session)


def _broken(error: BaseException) -> HoldfastError:
    return HoldfastError(
        "the session ended by a fault of the program",
        why=f"{type(error).__name__}: {error}",
        cure="see the server's log, and report it; running it again is safe",
    )
