"""What a server that was killed has left: found at the next start, taken away, and said.

The ledger names what was created, or may have been, for each session; the plug-in that did it removes it. A session
that had done its work when the server went has succeeded: the records say so.
"""

import logging
import threading
from dataclasses import replace
from datetime import timedelta

from holdfast.domain.errors import CancelledError, HoldfastError, NotFoundError, PluginMissingError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.domain.session import LogLevel, Session, SessionKind, State
from holdfast.server.plugin_installation import PluginInstallation
from holdfast.server.plugins import PluginShelf
from holdfast.server.ports.records import PluginState, Records, StoredPlugin
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.sessions import OwnSessions, SessionVoice

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)
_CUT_SHORT = frozenset({SessionKind.INSTALL, SessionKind.DEPLOY, SessionKind.REMOVE})
# An appliance stands so while a session of that kind is at it, and no longer.
_AT_IT = {ApplianceState.DEPLOYING: SessionKind.DEPLOY, ApplianceState.REMOVING: SessionKind.REMOVE}

_log = logging.getLogger(__name__)


class Recovery:
    """Ends what was cut short. `run` is done in a thread: a cloud may not be reachable at once."""

    def __init__(
        self,
        records: Records,
        plugins: PluginShelf,
        sessions: OwnSessions,
        installation: PluginInstallation,
        surroundings: Surroundings,
    ) -> None:
        self._records = records
        self._plugins = plugins
        self._sessions = sessions
        self._installation = installation
        self._surroundings = surroundings
        self._left: list[Session] = []

    def look(self) -> None:
        """Find them, before anything new begins; an appliance that stands half-way without any is put right at once."""
        known = {session.id: session for session in self._records.sessions.unfinished()}
        for row in self._records.ledger.open_rows():
            if row.session_id and row.session_id not in known:
                session = self._session(row.session_id)
                if session is not None and session.state in (State.FAILED, State.CANCELLED):
                    known[session.id] = session
        self._left = [session for session in known.values() if session.kind in _CUT_SHORT]
        for appliance in self._records.appliances.all():
            kind = _AT_IT.get(appliance.state)
            if kind is not None and not self._sessions.is_at(kind, appliance.name):
                self._put_right(appliance)

    def start(self) -> None:
        """Do it in a thread."""
        threading.Thread(target=self.run, name="recovery", daemon=True).start()

    def run(self) -> None:
        """Clean until all is done, or the server ends; what fails is tried again, each time later."""
        delay = FIRST_DELAY
        while self._left:
            self._left = [session for session in self._left if not self._done(session)]
            if self._left and self._surroundings.wait(delay.total_seconds()):
                return
            delay = min(LONGEST_DELAY, 2 * delay)

    def _done(self, session: Session) -> bool:
        voice = self._sessions.voice(session.id)
        if not session.state.final and self._had_succeeded(session):
            self._finish(session, voice)
            return True
        plugin_name = str(self._records.sessions.details(session.id).get("plugin", ""))
        in_use = self._is_in_use(session)
        if session.state.final and in_use:
            return True
        try:
            # A removal is no creation: nothing of it is to be cleaned, and the person asks for it again. Nor is an
            # installation that has made nothing yet, or whose work another one has taken over.
            if session.kind != SessionKind.REMOVE and not in_use:
                plugin = self._plugins.usable(plugin_name)
                plugin.clean(session.id, self._plugins.context(plugin_name, voice))
        except PluginMissingError as error:
            if not session.state.final:
                self._settle(session, plugin_name)
                self._sessions.end(session, error)
            return True
        except HoldfastError as error:
            voice.say(f"what was left cannot be removed now: {error}; it is tried again", LogLevel.WARNING)
            return False
        except Exception as error:  # noqa: BLE001 - a plug-in's fault keeps nothing else from being cleaned
            _log.exception("cleaning after session %s", session.id)
            text = f"{type(error).__name__}: {error}"
            voice.say(f"what was left cannot be removed now, by a fault: {text}; it is tried again", LogLevel.WARNING)
            return False
        if not session.state.final:
            self._settle(session, plugin_name)
            self._sessions.end(session, _cut_short(session, cancelled=voice.cancelled()))
        return True

    def _finish(self, session: Session, voice: SessionVoice) -> None:
        """All was done but its last words, and that appliances hear of an installation."""
        try:
            if session.kind == SessionKind.INSTALL:
                self._installation.tell_appliances(session.subject, voice)
        except Exception as error:  # noqa: BLE001 - a plug-in's fault keeps nothing else from being cleaned
            _log.exception("telling appliances after session %s", session.id)
            voice.say(f"appliances were not told of it: {type(error).__name__}: {error}", LogLevel.WARNING)
        self._sessions.end(session)

    def _had_succeeded(self, session: Session) -> bool:
        match session.kind:
            case SessionKind.DEPLOY:
                appliance = self._appliance(session.subject)
                return appliance is not None and appliance.state != ApplianceState.DEPLOYING
            case SessionKind.INSTALL:
                return any(plugin.installed_by == session.id for plugin in self._installed(session.subject))
        return False

    def _is_in_use(self, session: Session) -> bool:
        """What a session has left may have become what another one, or a person, works with."""
        if session.kind == SessionKind.INSTALL:
            return bool(self._installed(session.subject))
        made = {row.object_id for row in self._records.ledger.open_rows(session_id=session.id) if row.object_id}
        return any(appliance.instance_id in made for appliance in self._records.appliances.all())

    def _installed(self, name: str) -> list[StoredPlugin]:
        """The plug-in of that name, where its `install` has been done."""
        plugins = self._records.plugins.all()
        return [one for one in plugins if one.name == name and one.state == PluginState.INSTALLED]

    def _settle(self, session: Session, plugin_name: str) -> None:
        """Nothing in the records stays half-way."""
        appliance = self._appliance(session.subject)
        if appliance is not None and session.kind == _AT_IT.get(appliance.state):
            self._put_right(appliance)
        for plugin in self._records.plugins.all():
            if plugin.name != plugin_name or plugin.state == PluginState.INSTALLED:
                continue
            if plugin.state == PluginState.INSTALLING and not plugin.settings:
                self._records.plugins.remove(plugin_name)
            else:
                self._records.plugins.put(replace(plugin, state=PluginState.INSTALLED))

    def _put_right(self, appliance: Appliance) -> None:
        """Nobody deploys or removes it any more; how one stands that was not removed, its service says."""
        if appliance.state == ApplianceState.DEPLOYING:
            self._records.appliances.remove(appliance.name)
        else:
            reason = "its removal was cut short"
            self._records.appliances.put(replace(appliance, state=ApplianceState.UNAVAILABLE, reason=reason))

    def _appliance(self, name: str) -> Appliance | None:
        try:
            return self._records.appliances.get(name)
        except NotFoundError:
            return None

    def _session(self, session_id: str) -> Session | None:
        try:
            return self._records.sessions.get(session_id)
        except NotFoundError:
            return None


def _cut_short(session: Session, *, cancelled: bool) -> HoldfastError:
    """Why it ended; a removal is never taken back, for a person may have wanted what is gone to be gone."""
    if cancelled:
        return CancelledError(
            "the session was cancelled",
            why="somebody asked for it, and the server ended before it was done; what it had created is removed",
            cure="run it again when it is wanted",
        )
    if session.kind == SessionKind.REMOVE:
        return HoldfastError(
            f"the removal of {session.subject} was cut short",
            why="the server ended while it ran; some of it may be gone, and nothing is forgotten here",
            cure="remove it again: what is gone already is no error",
        )
    return HoldfastError(
        "the session was cut short",
        why="the server ended while it ran; what it had created is removed",
        cure="run it again",
    )
