"""Deploying and removing appliances, each in a session of the server."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.plugin_api import DeployOrder
from holdfast.server.appliances import ApplianceRegister
from holdfast.server.plugins import PluginShelf
from holdfast.server.ports.records import Records
from holdfast.server.sessions import OwnSessions, SessionVoice


class Deployments:
    """Starts the sessions, and does their work."""

    def __init__(
        self, records: Records, plugins: PluginShelf, register: ApplianceRegister, sessions: OwnSessions
    ) -> None:
        self._records = records
        self._plugins = plugins
        self._register = register
        self._sessions = sessions
        # A name is looked at, taken and given to a session by one at a time.
        self._turn = threading.Lock()

    def deploy(self, order: DeployOrder, plugin: str, options: Mapping[str, str]) -> Session:
        """Launch an appliance. Its name is taken from now on; when it fails, nothing is left."""
        self._plugins.installed(plugin)

        def work(voice: SessionVoice) -> None:
            context = self._plugins.context(plugin, voice, options)
            try:
                appliance = self._plugins.installed(plugin).deploy(order, context)
            except BaseException:
                self._records.appliances.remove(order.name)
                raise
            settled = self._register.settled(appliance)
            voice.say(f"appliance {appliance.name} answers at {appliance.url}")
            if settled.reason:
                voice.say(f"it does not take on every repository: {settled.reason}", LogLevel.WARNING)

        details = {"plugin": plugin, "options": dict(options)}
        with self._turn:
            self._register.reserve(order.name)
            self._records.appliances.put(Appliance(order.name, plugin, "", ApplianceState.DEPLOYING, ""))
            try:
                return self._sessions.start(SessionKind.DEPLOY, order.name, work, details)
            except BaseException:
                self._records.appliances.remove(order.name)
                raise

    def remove(self, name: str, *, delete: bool) -> Session:
        """Let go of an appliance; `delete` removes what was deployed with it, too. Its restore points stay."""
        with self._turn:
            appliance = self._records.appliances.get(name)
            self._check_removal(appliance, delete=delete)
            self._records.appliances.put(replace(appliance, state=ApplianceState.REMOVING))
            work, details = partial(self._let_go, appliance, delete), {"plugin": appliance.plugin, "delete": delete}
            try:
                return self._sessions.start(SessionKind.REMOVE, name, work, details)
            except BaseException:
                self._records.appliances.put(appliance)
                raise

    def _check_removal(self, appliance: Appliance, *, delete: bool) -> None:
        name = appliance.name
        if appliance.state == ApplianceState.DEPLOYING:
            raise ConflictError(
                f"appliance {name} is being deployed", why="its session runs", cure="cancel that session instead"
            )
        if self._sessions.is_at(SessionKind.REMOVE, name):
            raise ConflictError(
                f"appliance {name} is being removed",
                why="the session of its removal has not ended",
                cure="wait until it has, or cancel it (holdfast session list)",
            )
        if delete and not appliance.instance_id:
            raise ConflictError(
                f"appliance {name} was not deployed from here",
                why="it was connected, and what is not ours is not deleted",
                cure="remove it without deleting it, then end its instance yourself",
            )
        self._plugins.installed(appliance.plugin)

    def _let_go(self, appliance: Appliance, delete: bool, voice: SessionVoice) -> None:
        try:
            plugin = self._plugins.installed(appliance.plugin)
            plugin.disconnect(appliance, self._plugins.context(appliance.plugin, voice), delete=delete)
            self._register.forget(appliance.name)
        except BaseException as error:
            reason = self._put_back(appliance, error)
            voice.say("nothing was forgotten: the appliance is still known here", LogLevel.WARNING)
            self._register.tell_to_stay(appliance.name, reason)
            raise
        voice.say(f"appliance {appliance.name} is removed; its restore points stay")
        if appliance.instance_id and not delete:
            text = f"its instance {appliance.instance_id} stays, with its disk and group: it is yours to end now"
            voice.say(text, LogLevel.WARNING)

    def _put_back(self, appliance: Appliance, error: BaseException) -> str:
        """It is what it was, so that the person may ask again; how one stands whose removal nobody ended, its service
        says. The reason that is shown.
        """
        before = ApplianceState.UNAVAILABLE if appliance.state == ApplianceState.REMOVING else appliance.state
        what = error.what if isinstance(error, HoldfastError) else f"{type(error).__name__}: {error}"
        reason = f"not removed: {what}"
        self._records.appliances.put(replace(appliance, state=before, reason=reason))
        return reason
